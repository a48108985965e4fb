package storage

import (
	"context"
	"iter"

	"github.com/puzpuzpuz/xsync/v4"
)

// Memory is a [Storage] in the memory of this process, on a concurrent map. Reads take no lock and write no shared memory. No method
// looks at its ctx, blocks or fails. It has no bound of its own; the cache's eviction strategy keeps it within capacity.
//
// A Memory serves one cache, because the marks of its entries belong to that cache's eviction strategy. Of two
// entries offered for one key it holds the one offered last.
type Memory[K comparable, V any] struct {
	entries *xsync.Map[K, *Entry[V]]
}

var (
	_ Storage[int, int] = (*Memory[int, int])(nil)
	_ Local[int, int]   = (*Memory[int, int])(nil)
	_ Lister[int, int]  = (*Memory[int, int])(nil)
	_ Clearer           = (*Memory[int, int])(nil)
)

// NewMemory returns an empty memory storage. It starts no goroutine.
func NewMemory[K comparable, V any]() *Memory[K, V] {
	return &Memory[K, V]{entries: xsync.NewMap[K, *Entry[V]]()}
}

// Lookup returns the entry of key, or nil.
func (m *Memory[K, V]) Lookup(key K) *Entry[V] {
	entry, _ := m.entries.Load(key)
	return entry
}

// Get returns the entry of key, or nil. The error is always nil.
func (m *Memory[K, V]) Get(_ context.Context, key K) (*Entry[V], error) {
	return m.Lookup(key), nil
}

// Offer stores entry under key. The error is always nil.
func (m *Memory[K, V]) Offer(_ context.Context, key K, entry *Entry[V]) error {
	m.entries.Store(key, entry)
	return nil
}

// Release removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Release(_ context.Context, key K) error {
	m.entries.Delete(key)
	return nil
}

// Invalidate removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Invalidate(_ context.Context, key K) error {
	m.entries.Delete(key)
	return nil
}

// Clear removes all entries. The error is always nil.
func (m *Memory[K, V]) Clear(context.Context) error {
	m.entries.Clear()
	return nil
}

// Len returns the number of entries.
func (m *Memory[K, V]) Len() int { return m.entries.Size() }

// All iterates over keys and entries in no particular order. It may run beside anything; an entry that comes or goes
// meanwhile may be missed, and none is seen twice.
func (m *Memory[K, V]) All() iter.Seq2[K, *Entry[V]] { return m.entries.All() }
