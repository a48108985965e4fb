package storage

import (
	"reflect"
	"sync/atomic"
	"time"
)

// Entry is a value with its life span. It is immutable once it has been offered to a [Storage] or
// handed to a caller, apart from two atomic words, its [Mark] and one of the cache's own, and is
// shared between goroutines. It must not be copied.
//
// An entry is fresh until UpdateAfter, stale from UpdateAfter on and expired from ExpireAfter on,
// both boundaries included. Times that carry a monotonic reading are compared by it, so that the
// age of an entry made in this process does not jump with the wall clock.
type Entry[V any] struct {
	span       span
	mark       Mark
	refreshing atomic.Uint32

	// Value is what the load function returned. It must not be modified.
	Value V
}

// NewEntry returns an entry for value. Created is the instant before its load began; a zero
// updateAfter means that it is never refreshed, a zero expireAfter that it never expires.
func NewEntry[V any](value V, created, updateAfter, expireAfter time.Time) *Entry[V] {
	span, own := newSpan(created, updateAfter, expireAfter)
	if span.from != nil {
		return &Entry[V]{Value: value, span: span}
	}
	e := &struct {
		Entry[V]
		origin origin
	}{origin: own}
	e.Value, e.span = value, span
	e.span.from = &e.origin
	return &e.Entry
}

// Created returns the instant from which the entry's age counts.
func (e *Entry[V]) Created() time.Time { return e.span.instant(created) }

// UpdateAfter returns the instant from which the entry is stale; the zero Time means never.
func (e *Entry[V]) UpdateAfter() time.Time { return e.span.instant(updateAfter) }

// ExpireAfter returns the instant from which the entry is expired; the zero Time means never.
func (e *Entry[V]) ExpireAfter() time.Time { return e.span.instant(expireAfter) }

// Fresh reports whether the entry is neither stale nor expired at now.
func (e *Entry[V]) Fresh(now time.Time) bool { return !e.Stale(now) && !e.Expired(now) }

// SurelyFresh reports whether a glance suffices to see that the entry is fresh at m. If not, Fresh
// has to tell.
func (e *Entry[V]) SurelyFresh(m *Moment) bool { return e.span.after(m) }

// SurelyStale reports whether a glance suffices to see that the entry is stale at m, and not expired. If not, Stale and Expired
// have to tell.
func (e *Entry[V]) SurelyStale(m *Moment) bool { return e.span.between(m) }

// Stale reports whether the entry ought to be refreshed at now: whether now is at or after
// UpdateAfter.
func (e *Entry[V]) Stale(now time.Time) bool { return e.span.reached(updateAfter, now) }

// Expired reports whether the entry must not be handed out at now: whether now is at or after
// ExpireAfter.
func (e *Entry[V]) Expired(now time.Time) bool { return e.span.reached(expireAfter, now) }

// Equal reports whether both entries hold equal values, by [reflect.DeepEqual], and name the same
// instants. The atomic words do not count. It lets cmp.Diff compare entries; two nil entries are equal.
func (e *Entry[V]) Equal(other *Entry[V]) bool {
	if e == nil || other == nil {
		return e == other
	}
	return e.Created().Equal(other.Created()) &&
		e.UpdateAfter().Equal(other.UpdateAfter()) &&
		e.ExpireAfter().Equal(other.ExpireAfter()) &&
		reflect.DeepEqual(e.Value, other.Value)
}

// Mark returns the entry's mark. It belongs to the eviction strategy of the one cache that the
// entry lives in.
func (e *Entry[V]) Mark() *Mark { return &e.mark }

// Refreshing reports whether token has been set: whether the cache is loading the value of the key
// that the token is of. A token is of one key of one cache, and not 0. It lets the callers that get a
// stale entry know about the load without asking anything else. It is for package cache, like the two
// methods that follow.
func (e *Entry[V]) Refreshing(token uint32) bool { return e.refreshing.Load() == token }

// SetRefreshing sets a token. An entry that is stored more than once has room for that of one of its
// keys: the others find theirs missing, and ask.
func (e *Entry[V]) SetRefreshing(token uint32) { e.refreshing.Store(token) }

// EndRefreshing takes the token back, unless another one has taken its place.
func (e *Entry[V]) EndRefreshing(token uint32) { e.refreshing.CompareAndSwap(token, 0) }

// Mark is one atomic word that travels with an entry and that the eviction strategy may use as it
// likes, so that telling it of a read needs no lookup. It is zero in a new entry: the strategy has
// not seen it. The zero Mark is ready for use; a Mark must not be copied.
type Mark struct {
	word atomic.Uint32
}

// Load returns the mark's word.
func (m *Mark) Load() uint32 { return m.word.Load() }

// Store sets the mark's word.
func (m *Mark) Store(v uint32) { m.word.Store(v) }

// CompareAndSwap sets the mark's word to new if it is old, and reports whether it did.
func (m *Mark) CompareAndSwap(old, new uint32) bool { return m.word.CompareAndSwap(old, new) }
