package libraries

import (
	"context"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
)

// memoize is this library: with its default parts, then with one of them replaced.
func memoize[K comparable]() []Library[K] {
	library := func(name string, strategy func(capacity int) eviction.Strategy[K], opts ...cache.Option) Library[K] {
		return Library[K]{
			Name:   name,
			Module: "github.com/memoize-go/memoize",
			Open: func(o Options[K]) (Cache[K], error) {
				opts := append([]cache.Option{cache.WithUpdateAfter(o.UpdateAfter), cache.WithExpireAfter(o.ExpireAfter)}, opts...)
				if strategy == nil {
					opts = append(opts, cache.WithCapacity(o.Capacity))
				} else {
					opts = append(opts, cache.WithEviction(strategy(o.Capacity)))
				}
				c, err := cache.New(o.Load, opts...)
				return memoizeCache[K]{c}, err
			},
			Loads: true, Bounded: true, Expires: true, Refreshes: true,
		}
	}
	return []Library[K]{
		library("memoize", nil),
		library("memoize-lru", func(n int) eviction.Strategy[K] { return eviction.NewLeastRecentlyUsed[K](n) }),
		library("memoize-sieve", func(n int) eviction.Strategy[K] { return eviction.NewSIEVE[K](n) }),
		library("memoize-s3fifo", func(n int) eviction.Strategy[K] { return eviction.NewS3FIFO[K](n) }),
		library("memoize-tinylfu", func(n int) eviction.Strategy[K] { return eviction.NewTinyLFU[K](n) }),
		library("memoize-stats", nil, cache.WithStats()),
		library("memoize-exact", nil, cache.WithClock(clockwork.NewRealClock())),
	}
}

type memoizeCache[K comparable] struct{ *cache.Cache[K, uint64] }

func (c memoizeCache[K]) Set(key K, value uint64) {
	if err := c.Cache.Set(context.Background(), key, value); err != nil {
		panic(err) // the storage in memory does not fail
	}
}

func (c memoizeCache[K]) Wait() {
	if err := c.Cache.Wait(context.Background()); err != nil {
		panic(err)
	}
}

func (c memoizeCache[K]) Close() {
	if err := c.Cache.Close(context.Background()); err != nil {
		panic(err)
	}
}
