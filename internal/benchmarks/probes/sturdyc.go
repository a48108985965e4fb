package probes

import (
	"context"
	"strconv"
	"time"

	"github.com/viccon/sturdyc"
)

// sturdycLibrary reads through GetOrFetch, refreshes with WithEarlyRefreshes, and invalidates with Delete. Its goroutine for
// evictions, which cannot be stopped, is left out: nothing expires here.
var sturdycLibrary = Library{
	Name:   "sturdyc",
	Module: "github.com/viccon/sturdyc",
	Open:   func(load Load) (Cache, error) { return openSturdyc(load), nil },
	OpenRefreshing: func(load Load) (Cache, error) {
		return openSturdyc(load, sturdyc.WithEarlyRefreshes(0, 0, time.Hour, 0)), nil
	},
}

type sturdycCache struct {
	client *sturdyc.Client[Value]
	load   Load
}

func openSturdyc(load Load, opts ...sturdyc.Option) Cache {
	const shards, evictionPercentage = 10, 10
	opts = append(opts, sturdyc.WithNoContinuousEvictions(), sturdyc.WithLog(&sturdyc.NoopLogger{}))
	return sturdycCache{sturdyc.New[Value](capacity, shards, lifespan, evictionPercentage, opts...), load}
}

func (c sturdycCache) Get(ctx context.Context, key int) (Value, error) {
	return c.client.GetOrFetch(ctx, strconv.Itoa(key), func(ctx context.Context) (Value, error) { return c.load(ctx, key) })
}

func (c sturdycCache) Invalidate(key int) { c.client.Delete(strconv.Itoa(key)) }

func (c sturdycCache) Close() {}
