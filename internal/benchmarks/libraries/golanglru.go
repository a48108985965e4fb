package libraries

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
)

// golangLRU is the LRU cache of hashicorp: a map and a list with a lock. It does not load by itself, and nothing expires.
func golangLRU[K comparable]() []Library[K] {
	return []Library[K]{{
		Name:    "golang-lru",
		Module:  "github.com/hashicorp/golang-lru/v2",
		Open:    openGolangLRU[K],
		Bounded: true,
	}}
}

type golangLRUCache[K comparable] struct {
	cache *lru.Cache[K, uint64]
	load  func(context.Context, K) (uint64, error)
}

func openGolangLRU[K comparable](o Options[K]) (Cache[K], error) {
	c, err := lru.New[K, uint64](o.Capacity)
	return golangLRUCache[K]{c, o.Load}, err
}

func (c golangLRUCache[K]) Get(ctx context.Context, key K) (uint64, error) {
	if v, ok := c.cache.Get(key); ok {
		return v, nil
	}
	v, err := c.load(ctx, key)
	if err == nil {
		c.cache.Add(key, v)
	}
	return v, err
}

func (c golangLRUCache[K]) Set(key K, value uint64) { c.cache.Add(key, value) }

func (c golangLRUCache[K]) Close() {}
