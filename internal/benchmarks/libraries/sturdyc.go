package libraries

import (
	"context"
	"time"

	"github.com/viccon/sturdyc"
)

// sturdycLibrary is sturdyc through GetOrFetch, with early refreshes, and with the figures of its README for what Options do not
// say. Its keys are strings.
func sturdycLibrary[K comparable]() []Library[K] {
	return only[K](Library[string]{
		Name:   "sturdyc",
		Module: "github.com/viccon/sturdyc",
		Open:   openSturdyc,
		Loads:  true, Bounded: true, Expires: true, Refreshes: true,
	})
}

type sturdycCache struct {
	client *sturdyc.Client[uint64]
	load   func(context.Context, string) (uint64, error)
}

func openSturdyc(o Options[string]) (Cache[string], error) {
	const shards, evictionPercentage, retryBaseDelay = 10, 10, 10 * time.Millisecond
	opts := []sturdyc.Option{
		// Its goroutine that looks for expired entries cannot be stopped, and would keep a closed cache alive.
		sturdyc.WithNoContinuousEvictions(),
		sturdyc.WithLog(&sturdyc.NoopLogger{}),
	}
	if o.UpdateAfter > 0 {
		// The third is the age from which a refresh holds up its caller: none before the entry expires.
		opts = append(opts, sturdyc.WithEarlyRefreshes(o.UpdateAfter, o.UpdateAfter, max(o.UpdateAfter, o.ExpireAfter), retryBaseDelay))
	}
	return sturdycCache{sturdyc.New[uint64](o.Capacity, shards, o.ExpireAfter, evictionPercentage, opts...), o.Load}, nil
}

func (c sturdycCache) Get(ctx context.Context, key string) (uint64, error) {
	return c.client.GetOrFetch(ctx, key, func(ctx context.Context) (uint64, error) { return c.load(ctx, key) })
}

func (c sturdycCache) Set(key string, value uint64) { c.client.Set(key, value) }

func (c sturdycCache) Close() {}
