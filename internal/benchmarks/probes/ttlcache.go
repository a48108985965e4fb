package probes

import (
	"context"
	"errors"

	"github.com/jellydator/ttlcache/v3"
)

// ttlcacheLibrary reads through Get with a Loader inside of a SuppressedLoader, and invalidates with Delete. Neither knows a ctx, a
// loader cannot return an error, and there is no refresh. Its goroutine for expired items is not started: nothing expires here.
var ttlcacheLibrary = Library{
	Name:      "ttlcache",
	Module:    "github.com/jellydator/ttlcache/v3",
	Open:      func(load Load) (Cache, error) { return openTTLCache(load), nil },
	NoContext: true,
}

type ttlcacheCache struct{ cache *ttlcache.Cache[int, Value] }

func openTTLCache(load Load) Cache {
	loader := ttlcache.LoaderFunc[int, Value](func(c *ttlcache.Cache[int, Value], key int) *ttlcache.Item[int, Value] {
		v, err := load(context.Background(), key)
		if err != nil {
			return nil
		}
		return c.Set(key, v, ttlcache.DefaultTTL)
	})
	return ttlcacheCache{ttlcache.New(
		ttlcache.WithCapacity[int, Value](capacity),
		ttlcache.WithTTL[int, Value](lifespan),
		ttlcache.WithDisableTouchOnHit[int, Value](),
		ttlcache.WithLoader[int, Value](ttlcache.NewSuppressedLoader[int, Value](loader, nil)),
	)}
}

var errNothing = errors.New("no item")

func (c ttlcacheCache) Get(_ context.Context, key int) (Value, error) {
	item := c.cache.Get(key)
	if item == nil {
		return Value{}, errNothing
	}
	return item.Value(), nil
}

func (c ttlcacheCache) Invalidate(key int) { c.cache.Delete(key) }

func (c ttlcacheCache) Close() {}
