package probes

import (
	"context"
	"strconv"
	"sync"

	"golang.org/x/sync/singleflight"
)

const singleflightModule = "golang.org/x/sync"

// singleflightDo is the plain cache made by hand: a map with a lock, and Group.Do around the load. The load gets the ctx of the caller
// whose flight it is, waiters do not look at theirs, and an invalidation deletes the entry.
var singleflightDo = Library{
	Name:   "singleflight.Do",
	Module: singleflightModule,
	Open:   func(load Load) (Cache, error) { return doCache{newHandMade(load)}, nil },
}

// singleflightDoChan is the same, made with care: Group.DoChan, so that a waiter can leave, a load that nobody's cancellation ends, a second
// look into the map at the start of the flight, and Group.Forget with the invalidation.
var singleflightDoChan = Library{
	Name:   "singleflight.DoChan",
	Module: singleflightModule,
	Open:   func(load Load) (Cache, error) { return doChanCache{newHandMade(load)}, nil },
}

// handMade is a map with a lock. It has no bound and no life span, which do not matter here.
type handMade struct {
	load  Load
	group singleflight.Group

	mu      sync.RWMutex
	entries map[int]Value
}

func newHandMade(load Load) *handMade { return &handMade{load: load, entries: make(map[int]Value)} }

func (c *handMade) lookup(key int) (Value, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.entries[key]
	return v, ok
}

func (c *handMade) loadAndStore(ctx context.Context, key int) (any, error) {
	v, err := c.load(ctx, key)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.entries[key] = v
	}
	return v, err
}

func (c *handMade) Invalidate(key int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}

func (c *handMade) Close() {}

type doCache struct{ *handMade }

func (c doCache) Get(ctx context.Context, key int) (Value, error) {
	if v, ok := c.lookup(key); ok {
		return v, nil
	}
	v, err, _ := c.group.Do(strconv.Itoa(key), func() (any, error) { return c.loadAndStore(ctx, key) })
	if err != nil {
		return Value{}, err
	}
	return v.(Value), nil
}

type doChanCache struct{ *handMade }

func (c doChanCache) Get(ctx context.Context, key int) (Value, error) {
	if v, ok := c.lookup(key); ok {
		return v, nil
	}
	result := c.group.DoChan(strconv.Itoa(key), func() (any, error) {
		if v, ok := c.lookup(key); ok {
			return v, nil
		}
		return c.loadAndStore(context.WithoutCancel(ctx), key)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return Value{}, r.Err
		}
		return r.Val.(Value), nil
	case <-ctx.Done():
		return Value{}, ctx.Err()
	}
}

func (c doChanCache) Invalidate(key int) {
	c.handMade.Invalidate(key)
	c.group.Forget(strconv.Itoa(key))
}
