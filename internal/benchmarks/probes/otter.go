package probes

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// otterLibrary reads through Cache.Get with a loader, as the page "Loading" of its guide shows, and refreshes with a RefreshCalculator.
var otterLibrary = Library{
	Name:   "otter",
	Module: "github.com/maypok86/otter/v2",
	Open:   func(load Load) (Cache, error) { return openOtter(load, nil) },
	OpenRefreshing: func(load Load) (Cache, error) {
		return openOtter(load, otter.RefreshWriting[int, Value](time.Nanosecond))
	},
}

type otterCache struct {
	cache  *otter.Cache[int, Value]
	loader otter.Loader[int, Value]
}

func openOtter(load Load, refresh otter.RefreshCalculator[int, Value]) (Cache, error) {
	c, err := otter.New(&otter.Options[int, Value]{
		MaximumSize:       capacity,
		ExpiryCalculator:  otter.ExpiryWriting[int, Value](lifespan),
		RefreshCalculator: refresh,
		Logger:            &otter.NoopLogger{},
	})
	return otterCache{c, otter.LoaderFunc[int, Value](load)}, err
}

func (c otterCache) Get(ctx context.Context, key int) (Value, error) {
	return c.cache.Get(ctx, key, c.loader)
}

func (c otterCache) Invalidate(key int) { c.cache.Invalidate(key) }

func (c otterCache) Close() { c.cache.StopAllGoroutines() }
