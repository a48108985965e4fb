package storage

import (
	"context"
	"hash/maphash"
	"iter"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/internal/hash"
)

// Memory is a [Storage] in the memory of this process, on a concurrent hash table. Reads take no
// lock and write no shared memory. No operation takes time in proportion to the number of entries
// but All, and the write with which the table grows: at its end it makes the new one, while others go
// on. No method looks at its ctx or fails. It has no bound of its own; the cache's eviction strategy keeps it within capacity.
//
// Beside the entries the table takes some 20 bytes for each. When one of more than some 5,000 entries has grown it is
// up to 43, and a read looks at two places, until all entries have moved: that takes a write for every
// six to ten of them. It keeps the memory until Clear. A key that does not equal itself, as a NaN
// does not, is not stored: nobody could find it.
//
// A Memory serves one cache, because the marks of its entries belong to that cache's eviction
// strategy. Of two entries offered for one key it holds the one offered last.
type Memory[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	hash  hash.Hasher[K]
}

var (
	_ Storage[int, int] = (*Memory[int, int])(nil)
	_ Local[int, int]   = (*Memory[int, int])(nil)
	_ Lister[int, int]  = (*Memory[int, int])(nil)
	_ Clearer           = (*Memory[int, int])(nil)
)

// NewMemory returns an empty memory storage. It starts no goroutine.
func NewMemory[K comparable, V any]() *Memory[K, V] {
	m := &Memory[K, V]{hash: hash.New[K]()}
	m.table.Store(newTable[K, V](stripes, new([stripes]stripe), m.hash))
	return m
}

// Lookup returns the entry of key, or nil.
func (m *Memory[K, V]) Lookup(key K) *Entry[V] {
	return m.LookupHashed(key, m.hash.Of(key))
}

// LookupAt is Lookup, and reports whether the entry is fresh at a glance, as [Entry.SurelyFresh] does. It is
// for package cache.
func (m *Memory[K, V]) LookupAt(key K, at *Moment) (entry *Entry[V], surelyFresh bool) {
	t := m.table.Load()
	if t.prev.Load() != nil {
		return m.lookupMoving(key, m.hash.Of(key), at)
	}
	// This is find once more, and in part the hasher's Of: calls would cost as much again as what they do.
	var h uint64
	switch t.hash.Way {
	case hash.Word:
		h = hash.OfWord(key)
	case hash.Whole:
		h = maphash.Comparable(hash.Seed, key)
	default:
		h = t.hash.Of(key)
	}
	tag := tagOf(h)
	for b := t.bucket(h); b != nil; b = b.more.Load() {
		for found := matches(b.tags.Load(), tag); found != 0; found &= found - 1 {
			if n := b.slots[bits.TrailingZeros64(found)/8].Load(); n != nil && n.key == key {
				if n.entry.SurelyFresh(at) { // so it is no other one's stead
					return &n.entry, true
				}
				entry = n.stored()
				return entry, entry.SurelyFresh(at)
			}
		}
	}
	if m.table.Load() != t {
		return m.lookupMoving(key, h, at)
	}
	return nil, false
}

// lookupMoving is LookupAt while nodes move, or the table has been replaced.
func (m *Memory[K, V]) lookupMoving(key K, h uint64, at *Moment) (entry *Entry[V], surelyFresh bool) {
	entry = m.LookupHashed(key, h)
	return entry, entry != nil && entry.SurelyFresh(at)
}

// LookupHashed is Lookup for those who have the hash of the key, as a [Record] has. It is for package cache.
func (m *Memory[K, V]) LookupHashed(key K, h uint64) *Entry[V] {
	for {
		t := m.table.Load()
		var n *node[K, V]
		if prev := t.prev.Load(); prev != nil {
			n, _, _ = prev.bucket(h).find(h, key) // a node that moves is in both for a moment
		}
		if n == nil {
			n, _, _ = t.bucket(h).find(h, key)
		}
		if n != nil {
			return n.stored()
		}
		if m.table.Load() == t {
			return nil
		}
		// The node may have moved on to another table.
	}
}

// Get returns the entry of key, or nil. The error is always nil.
func (m *Memory[K, V]) Get(_ context.Context, key K) (*Entry[V], error) {
	return m.Lookup(key), nil
}

// Offer stores entry under key: Lookup returns this very entry. The error is always nil.
func (m *Memory[K, V]) Offer(_ context.Context, key K, entry *Entry[V]) error {
	n := &node[K, V]{key: key}
	n.entry.span.from = &origin{stead: entry}
	m.store(n, m.hash.Of(key))
	m.Grow()
	return nil
}

// Put stores a copy of entry under key, in less memory and where reads find it sooner than what was
// offered. It returns the copy, which Lookup returns from now on, with a mark of its own. Where the
// entry's instants have a monotonic reading, what the copy tells of the wall clock may differ from
// them by a microsecond.
func (m *Memory[K, V]) Put(key K, entry *Entry[V]) *Entry[V] {
	defer m.Grow()
	return m.KeepCopy(key, entry)
}

// KeepCopy is Put for package cache, which calls [Memory.Grow] when it holds up nobody any more.
func (m *Memory[K, V]) KeepCopy(key K, entry *Entry[V]) *Entry[V] {
	n := &node[K, V]{key: key, entry: Entry[V]{span: entry.span, Value: entry.Value}}
	n.entry.span.compact()
	m.store(n, m.hash.Of(key))
	return &n.entry
}

// Record is a key with its entry, ready for [Memory.Keep]. It is for package cache.
type Record[K comparable, V any] struct {
	node *node[K, V]
	hash uint64
}

// NewRecord returns a record of a value whose life span counts from created; the longest duration
// means never. At is the same instant as a moment that stamps, with which the record is made sooner, or the zero Moment; that
// it is the same is not checked. It reports false if the instants lie too far away for it, and [NewEntry] has to be used.
func (m *Memory[K, V]) NewRecord(key K, value V, created time.Time, at Moment, updateAfter, expireAfter time.Duration) (r Record[K, V], ok bool) {
	n := &node[K, V]{key: key}
	n.entry.Value = value
	if !n.entry.span.set(created, at, updateAfter, expireAfter) {
		return r, false
	}
	return Record[K, V]{n, m.hash.Of(key)}, true
}

// Key returns the key.
func (r Record[K, V]) Key() K { return r.node.key }

// Hash returns the hash of the key, with which the cache's other parts need not make it again.
func (r Record[K, V]) Hash() uint64 { return r.hash }

// Entry returns the entry.
func (r Record[K, V]) Entry() *Entry[V] { return &r.node.entry }

// Keep stores a record, and reports whether its key is new. Lookup returns the record's entry from
// now on. What it takes to make the record can be done before, outside of a lock of the caller's, and
// [Memory.Grow] has to be called after. A record is kept once, by one Memory.
func (m *Memory[K, V]) Keep(r Record[K, V]) (added bool) { return m.store(r.node, r.hash) }

// Release removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Release(_ context.Context, key K) error {
	m.remove(key)
	return nil
}

// Invalidate removes the entry of key. The error is always nil.
func (m *Memory[K, V]) Invalidate(_ context.Context, key K) error {
	m.remove(key)
	return nil
}

// Drop is Release, and reports whether there was an entry. It is for package cache.
func (m *Memory[K, V]) Drop(key K) bool { return m.remove(key) }

// Clear removes all entries; one offered meanwhile may go with them. The error is always nil.
func (m *Memory[K, V]) Clear(context.Context) error {
	m.table.Store(newTable[K, V](stripes, new([stripes]stripe), m.hash))
	return nil
}

// Len returns the number of entries.
func (m *Memory[K, V]) Len() int { return m.table.Load().len() }

// All iterates over keys and entries in no particular order. It may run beside anything, and its
// body may change the storage. An entry that comes or goes meanwhile may be listed or missed; no
// key is seen twice.
func (m *Memory[K, V]) All() iter.Seq2[K, *Entry[V]] {
	return func(yield func(K, *Entry[V]) bool) {
		for n := range m.nodes() {
			if !yield(n.key, n.stored()) {
				return
			}
		}
	}
}
