package libraries

import (
	"context"
	"sync"

	"golang.org/x/sync/singleflight"
)

// singleflightLibrary is the cache made by hand: a map with a lock, and Group.Do around the load. It has neither a bound nor a life
// span. Its keys are strings, as those of a Group are.
func singleflightLibrary[K comparable]() []Library[K] {
	return only[K](Library[string]{
		Name:   "singleflight",
		Module: "golang.org/x/sync",
		Open: func(o Options[string]) (Cache[string], error) {
			return &singleflightCache{load: o.Load, entries: make(map[string]uint64)}, nil
		},
		Loads: true,
	})
}

type singleflightCache struct {
	load  func(context.Context, string) (uint64, error)
	group singleflight.Group

	mu      sync.RWMutex
	entries map[string]uint64
}

func (c *singleflightCache) lookup(key string) (uint64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[key]
	return v, ok
}

func (c *singleflightCache) Get(ctx context.Context, key string) (uint64, error) {
	if v, ok := c.lookup(key); ok {
		return v, nil
	}
	v, err, _ := c.group.Do(key, func() (any, error) {
		// Another flight may have landed since the lookup.
		if v, ok := c.lookup(key); ok {
			return v, nil
		}
		v, err := c.load(ctx, key)
		if err == nil {
			c.Set(key, v)
		}
		return v, err
	})
	if err != nil {
		return 0, err
	}
	return v.(uint64), nil
}

func (c *singleflightCache) Set(key string, value uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = value
}

func (c *singleflightCache) Close() {}
