package probes

import (
	"context"

	"github.com/memoize-go/memoize/cache"
)

// memoize is this library, with its default parts.
var memoize = Library{
	Name:   "memoize",
	Module: "github.com/memoize-go/memoize",
	Open:   func(load Load) (Cache, error) { return openMemoize(load) },
	OpenRefreshing: func(load Load) (Cache, error) {
		return openMemoize(load, cache.WithUpdateAfter(0), cache.WithRefreshBackoff(0))
	},
}

type memoizeCache struct{ *cache.Cache[int, Value] }

func openMemoize(load Load, opts ...cache.Option) (Cache, error) {
	c, err := cache.New(load, append(opts, cache.WithCapacity(capacity), cache.WithExpireAfter(lifespan))...)
	return memoizeCache{c}, err
}

func (c memoizeCache) Invalidate(key int) {
	if err := c.Cache.Invalidate(context.Background(), key); err != nil {
		panic(err) // The storage in memory does not fail.
	}
}

func (c memoizeCache) Close() { _ = c.Cache.Close(context.Background()) }
