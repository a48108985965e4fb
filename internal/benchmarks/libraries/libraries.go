package libraries

import (
	"context"
	"time"
)

// Cache is what a library looks like to the benchmarks. It is safe for concurrent use.
type Cache[K comparable] interface {
	// Get reads through the cache: it returns what is stored, or loads it. A library that does not load by itself is used as its
	// users do it: look, load, store.
	Get(ctx context.Context, key K) (uint64, error)

	// Set stores a value.
	Set(key K, value uint64)

	// Close ends what the library runs in the background, if it can.
	Close()
}

// Waiter is what a Cache is too if its writes take effect later.
type Waiter interface {
	// Wait returns when all writes so far have taken effect, and what is too much is gone.
	Wait()
}

// Options are what a cache is made with.
type Options[K comparable] struct {
	Capacity    int
	Load        func(ctx context.Context, key K) (uint64, error)
	UpdateAfter time.Duration // ignored by libraries that do not refresh
	ExpireAfter time.Duration // ignored by libraries whose entries do not expire
}

// Library is one way to make caches, with one kind of key.
type Library[K comparable] struct {
	Name   string
	Module string // whose version is told; empty for the standard library
	Open   func(Options[K]) (Cache[K], error)

	Loads     bool // misses of one key at the same time make one load
	Bounded   bool // keeps to Capacity
	Expires   bool // obeys ExpireAfter
	Refreshes bool // obeys UpdateAfter, and answers with the old value meanwhile
}

// All returns the libraries that take keys of type K, this one first.
func All[K comparable]() []Library[K] {
	var all []Library[K]
	for _, some := range [][]Library[K]{
		memoize[K](),
		otterLibraries[K](),
		theineLibrary[K](),
		ristrettoLibrary[K](),
		sturdycLibrary[K](),
		ttlcacheLibrary[K](),
		golangLRU[K](),
		singleflightLibrary[K](),
		maps[K](),
	} {
		all = append(all, some...)
	}
	return all
}

// only returns a library of keys of type T if that is what K is, and none otherwise.
func only[K, T comparable](library Library[T]) []Library[K] {
	if l, ok := any(library).(Library[K]); ok {
		return []Library[K]{l}
	}
	return nil
}

// The compiler hands the bodies of the libraries' small functions on to the benchmarks, so that it can put them in place there as it
// does in a program that uses a library directly, only if it has done so in this package, too.
var _ = All[string]
