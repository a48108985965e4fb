package libraries

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// otterLibraries are otter with a size limit, expiry and refresh, through its loading Get: as shipped, and with its coarse clock.
func otterLibraries[K comparable]() []Library[K] {
	library := func(name string, coarse bool) Library[K] {
		return Library[K]{
			Name:   name,
			Module: "github.com/maypok86/otter/v2",
			Open:   func(o Options[K]) (Cache[K], error) { return openOtter(o, coarse) },
			Loads:  true, Bounded: true, Expires: true, Refreshes: true,
		}
	}
	return []Library[K]{library("otter", false), library("otter-coarse", true)}
}

type otterCache[K comparable] struct {
	cache  *otter.Cache[K, uint64]
	loader otter.Loader[K, uint64]
	clock  *otter.CoarseClock // nil: the default one
}

func openOtter[K comparable](o Options[K], coarse bool) (Cache[K], error) {
	opts := &otter.Options[K, uint64]{
		MaximumSize:       o.Capacity,
		ExpiryCalculator:  otter.ExpiryWriting[K, uint64](o.ExpireAfter),
		RefreshCalculator: otter.RefreshWriting[K, uint64](o.UpdateAfter),
		Logger:            &otter.NoopLogger{},
	}
	c := otterCache[K]{loader: otter.LoaderFunc[K, uint64](o.Load)}
	if coarse {
		c.clock = otter.NewCoarseClock(time.Millisecond)
		opts.Clock = c.clock
	}
	var err error
	c.cache, err = otter.New(opts)
	return c, err
}

func (c otterCache[K]) Get(ctx context.Context, key K) (uint64, error) {
	return c.cache.Get(ctx, key, c.loader)
}

func (c otterCache[K]) Set(key K, value uint64) { c.cache.Set(key, value) }

func (c otterCache[K]) Wait() { c.cache.CleanUp() }

func (c otterCache[K]) Close() {
	c.cache.StopAllGoroutines()
	if c.clock != nil {
		c.clock.Stop()
	}
}
