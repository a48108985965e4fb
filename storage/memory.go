package storage

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"
)

// Memory is a [Storage] in the memory of this process, on a concurrent map. Reads take no lock and
// write no shared memory. No method looks at its ctx, blocks or fails. It has no bound of its own;
// the cache's eviction strategy keeps it within capacity.
//
// A Memory serves one cache, because the marks of its entries belong to that cache's eviction
// strategy. Of two entries offered for one key it holds the one offered last.
type Memory[K comparable, V any] struct {
	// Clear puts a new map in place of the old one. The map's own Clear does nothing while the map
	// is being resized, on behalf of whatever key, and so would leave entries behind.
	entries atomic.Pointer[xsync.Map[K, *Entry[V]]]
}

var (
	_ Storage[int, int] = (*Memory[int, int])(nil)
	_ Local[int, int]   = (*Memory[int, int])(nil)
	_ Lister[int, int]  = (*Memory[int, int])(nil)
	_ Clearer           = (*Memory[int, int])(nil)
)

// NewMemory returns an empty memory storage. It starts no goroutine.
func NewMemory[K comparable, V any]() *Memory[K, V] {
	m := &Memory[K, V]{}
	m.entries.Store(xsync.NewMap[K, *Entry[V]]())
	return m
}

// Lookup returns the entry of key, or nil.
func (m *Memory[K, V]) Lookup(key K) *Entry[V] {
	entry, _ := m.entries.Load().Load(key)
	return entry
}

// Get returns the entry of key, or nil. The error is always nil.
func (m *Memory[K, V]) Get(_ context.Context, key K) (*Entry[V], error) {
	return m.Lookup(key), nil
}

// Offer stores entry under key. The error is always nil.
func (m *Memory[K, V]) Offer(_ context.Context, key K, entry *Entry[V]) error {
	m.entries.Load().Store(key, entry)
	return nil
}

// Release removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Release(_ context.Context, key K) error {
	m.entries.Load().Delete(key)
	return nil
}

// Invalidate removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Invalidate(_ context.Context, key K) error {
	m.entries.Load().Delete(key)
	return nil
}

// Clear removes all entries; one offered meanwhile may go with them. The error is always nil.
func (m *Memory[K, V]) Clear(context.Context) error {
	m.entries.Store(xsync.NewMap[K, *Entry[V]]())
	return nil
}

// Len returns the number of entries.
func (m *Memory[K, V]) Len() int { return m.entries.Load().Size() }

// All iterates over keys and entries in no particular order. It may run beside anything, and its
// body may change the storage. An entry that comes or goes meanwhile may be listed or missed; no
// key is seen twice.
func (m *Memory[K, V]) All() iter.Seq2[K, *Entry[V]] {
	return func(yield func(K, *Entry[V]) bool) { m.entries.Load().Range(yield) }
}
