package probes

import (
	"context"

	"github.com/Yiling-J/theine-go"
)

// theineLibrary reads through a loading cache and invalidates with Delete. It has no refresh.
var theineLibrary = Library{
	Name:   "theine",
	Module: "github.com/Yiling-J/theine-go",
	Open:   openTheine,
}

type theineCache struct {
	*theine.LoadingCache[int, Value]
}

func openTheine(load Load) (Cache, error) {
	c, err := theine.NewBuilder[int, Value](capacity).Loading(func(ctx context.Context, key int) (theine.Loaded[Value], error) {
		v, err := load(ctx, key)
		return theine.Loaded[Value]{Value: v, Cost: 1, TTL: lifespan}, err
	}).Build()
	return theineCache{c}, err
}

func (c theineCache) Invalidate(key int) { c.Delete(key) }
