package storage

import (
	"context"
	"iter"
)

// Storage is where the entries of a cache live.
//
// The cache calls it, from many goroutines at once. Calls that change one key are never made at the
// same time by one cache, and are made in the order in which they are to take effect; reads may
// overlap with anything. Each call gets a ctx that ends with the cache's storage timeout; a call
// that has not returned by then is given up on: its result is ignored, and its effect may come late
// or never.
//
// Keys and entries belong to the cache: an implementation may keep them but must not modify them.
// An entry offered is never nil, and one handed out stays as it is, whatever is offered afterwards.
// An error, a panic or an overdue call never harms the cache: a failed read counts as a miss, a
// failed write leaves the value with the callers who asked for it. A read of bytes that cannot be
// decoded returns the codec's error.
//
// An implementation must not look at the age of entries, must not hide expired ones, must not bound
// their number (unless the cache is told so, with eviction.None), and must not retry for longer
// than ctx lives: the cache does all this. It must not call back into the cache.
type Storage[K comparable, V any] interface {
	// Get returns the entry of key, or nil and no error if there is none.
	Get(ctx context.Context, key K) (*Entry[V], error)

	// Offer stores entry under key in place of what is there. It may decline, without an error, in
	// favour of an entry that was created later; a nil error means that the storage now holds entry
	// or a newer one.
	Offer(ctx context.Context, key K, entry *Entry[V]) error

	// Release says that this process needs key no more, because its eviction strategy chose it. A
	// storage that other processes share may keep the entry. There may be none; that is not an
	// error.
	Release(ctx context.Context, key K) error

	// Invalidate says that the entry of key is wrong. When it has returned nil the entry is gone
	// for every process. There may be none; that is not an error.
	Invalidate(ctx context.Context, key K) error
}

// Clearer is an optional ability of a [Storage]: to remove all entries at once. Without it the
// cache's InvalidateAll returns an error that matches [errors.ErrUnsupported].
type Clearer interface {
	// Clear removes every entry. When it has returned nil they are gone for every process.
	Clear(ctx context.Context) error
}

// Local is an optional ability of a [Storage] whose entries live in this process: the cache reads
// it on the caller's goroutine, before anything else. Without it every read is a call of Get,
// shared by the callers of a key.
type Local[K comparable, V any] interface {
	// Lookup returns the entry of key or nil. It never blocks, never fails, and sees every
	// completed Offer, Release, Invalidate and Clear. Until the next of these for key, it returns
	// the same entry.
	Lookup(key K) *Entry[V]
}

// Lister is an optional ability of a [Storage]: to name its entries. With it a cache tells its
// eviction strategy of what the storage already holds; without it a cache cannot be given another
// strategy at run time.
type Lister[K comparable, V any] interface {
	// All iterates over the entries, in no particular order. Entries that come or go meanwhile may
	// be listed or missed; all others are listed once. The body of the loop may call the storage.
	All() iter.Seq2[K, *Entry[V]]
}
