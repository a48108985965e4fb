package libraries

import (
	"context"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// ristrettoLibrary is ristretto with the counters that its documentation recommends. It does not load by itself. It works off its
// writes later, and drops some of them when there are many. Of the kinds of key that it takes there are string and uint64 here.
func ristrettoLibrary[K comparable]() []Library[K] {
	return append(only[K](ristrettoOf[string]()), only[K](ristrettoOf[uint64]())...)
}

type ristrettoKey interface {
	comparable
	ristretto.Key
}

func ristrettoOf[K ristrettoKey]() Library[K] {
	return Library[K]{
		Name:    "ristretto",
		Module:  "github.com/dgraph-io/ristretto/v2",
		Open:    openRistretto[K],
		Bounded: true, Expires: true,
	}
}

type ristrettoCache[K ristrettoKey] struct {
	*ristretto.Cache[K, uint64]
	load        func(context.Context, K) (uint64, error)
	expireAfter time.Duration
}

func openRistretto[K ristrettoKey](o Options[K]) (Cache[K], error) {
	c, err := ristretto.NewCache(&ristretto.Config[K, uint64]{
		NumCounters:        10 * int64(o.Capacity),
		MaxCost:            int64(o.Capacity),
		BufferItems:        64,
		IgnoreInternalCost: true, // so that MaxCost counts entries, not bytes
	})
	return ristrettoCache[K]{c, o.Load, o.ExpireAfter}, err
}

func (c ristrettoCache[K]) Get(ctx context.Context, key K) (uint64, error) {
	if v, ok := c.Cache.Get(key); ok {
		return v, nil
	}
	v, err := c.load(ctx, key)
	if err == nil {
		c.Set(key, v)
	}
	return v, err
}

func (c ristrettoCache[K]) Set(key K, value uint64) { c.SetWithTTL(key, value, 1, c.expireAfter) }
