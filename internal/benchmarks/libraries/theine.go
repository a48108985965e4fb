package libraries

import (
	"context"
	"time"

	"github.com/Yiling-J/theine-go"
)

// theineLibrary is theine through its loading cache. It has no refresh.
func theineLibrary[K comparable]() []Library[K] {
	return []Library[K]{{
		Name:   "theine",
		Module: "github.com/Yiling-J/theine-go",
		Open:   openTheine[K],
		Loads:  true, Bounded: true, Expires: true,
	}}
}

type theineCache[K comparable] struct {
	*theine.LoadingCache[K, uint64]
	expireAfter time.Duration
}

func openTheine[K comparable](o Options[K]) (Cache[K], error) {
	c, err := theine.NewBuilder[K, uint64](int64(o.Capacity)).BuildWithLoader(func(ctx context.Context, key K) (theine.Loaded[uint64], error) {
		v, err := o.Load(ctx, key)
		return theine.Loaded[uint64]{Value: v, Cost: 1, TTL: o.ExpireAfter}, err
	})
	return theineCache[K]{c, o.ExpireAfter}, err
}

func (c theineCache[K]) Set(key K, value uint64) { c.SetWithTTL(key, value, 1, c.expireAfter) }
