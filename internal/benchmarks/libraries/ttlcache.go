package libraries

import (
	"context"
	"errors"
	"runtime"

	"github.com/jellydator/ttlcache/v3"
)

// ttlcacheLibrary is ttlcache through Get with a Loader inside of a SuppressedLoader, and with its goroutine for expired items. Neither
// knows a ctx, a loader cannot return an error, and there is no refresh.
func ttlcacheLibrary[K comparable]() []Library[K] {
	return []Library[K]{{
		Name:   "ttlcache",
		Module: "github.com/jellydator/ttlcache/v3",
		Open:   openTTLCache[K],
		Loads:  true, Bounded: true, Expires: true,
	}}
}

type ttlcacheCache[K comparable] struct {
	cache *ttlcache.Cache[K, uint64]
	ended chan struct{} // closed when the goroutine for expired items has ended
}

func openTTLCache[K comparable](o Options[K]) (Cache[K], error) {
	loader := ttlcache.LoaderFunc[K, uint64](func(c *ttlcache.Cache[K, uint64], key K) *ttlcache.Item[K, uint64] {
		v, err := o.Load(context.Background(), key)
		if err != nil {
			return nil
		}
		return c.Set(key, v, ttlcache.DefaultTTL)
	})
	c := ttlcacheCache[K]{ended: make(chan struct{})}
	c.cache = ttlcache.New(
		ttlcache.WithCapacity[K, uint64](uint64(o.Capacity)),
		ttlcache.WithTTL[K, uint64](o.ExpireAfter),
		ttlcache.WithDisableTouchOnHit[K, uint64](),
		ttlcache.WithLoader[K, uint64](ttlcache.NewSuppressedLoader[K, uint64](loader, nil)),
	)
	go func() {
		defer close(c.ended)
		c.cache.Start()
	}()
	return c, nil
}

var errNothing = errors.New("libraries: the loader of ttlcache has returned nothing")

func (c ttlcacheCache[K]) Get(_ context.Context, key K) (uint64, error) {
	item := c.cache.Get(key)
	if item == nil {
		return 0, errNothing
	}
	return item.Value(), nil
}

func (c ttlcacheCache[K]) Set(key K, value uint64) { c.cache.Set(key, value, ttlcache.DefaultTTL) }

// Close stops more than once, as a Stop before the goroutine has come to its Start does nothing.
func (c ttlcacheCache[K]) Close() {
	for {
		c.cache.Stop()
		select {
		case <-c.ended:
			return
		default:
			runtime.Gosched()
		}
	}
}
