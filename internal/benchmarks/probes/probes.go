package probes

import (
	"context"
	"time"
)

// Value is what loads return. It tells its own age.
type Value struct {
	Key     int
	Version int64 // of the key's data when the load began
	Load    int64 // which load it was, from 1
}

// Load is a load function.
type Load func(ctx context.Context, key int) (Value, error)

// Cache is what a library looks like to the probes.
type Cache interface {
	// Get reads through the cache.
	Get(ctx context.Context, key int) (Value, error)
	// Invalidate throws away the entry of key, and whatever else the library throws away with it.
	Invalidate(key int)
	// Close ends the goroutines of the cache, if the library can.
	Close()
}

// Library is a way to make caches.
type Library struct {
	Name   string
	Module string // whose version is told
	// Open returns a new cache that holds 10,000 entries for half an hour.
	Open func(load Load) (Cache, error)
	// OpenRefreshing is Open for a cache in which every hit is due for a refresh in the background. It is nil if the library
	// refreshes nothing.
	OpenRefreshing func(load Load) (Cache, error)
	// NoContext says that the library takes no ctx.
	NoContext bool
}

const (
	capacity = 10_000
	lifespan = 30 * time.Minute
)

// Libraries returns all libraries, this one first.
func Libraries() []Library {
	return []Library{memoize, otterLibrary, sturdycLibrary, theineLibrary, ttlcacheLibrary, singleflightDo, singleflightDoChan}
}
