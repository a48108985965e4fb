package flight

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// Flight is one run of the load function for one key with the callers that share it. J is what its
// driver needs to know about it.
type Flight[K comparable, V, J any] struct {
	Key K
	Job J

	ctx  Context       // of the load function
	done chan struct{} // made under the shard's lock for the first one who waits; nil: nobody does

	// Written by the one who claims the flight, before done is closed; read after that, or under
	// the shard's lock once claimed is set.
	value V
	err   error

	// Written under the shard's lock, by whoever registers the flight, or later by whoever runs it;
	// so that one may read them without it.
	created time.Time // what counts as when the load began, see Created
	started bool

	claimed bool // the result stands; guarded by the shard's lock
}

// Context makes the ctx of the load function: with the values of caller, and an end that comes
// limit after the load began. Alone says that nobody waits for the load. It is called once, by
// whoever runs the load, when it has begun.
func (f *Flight[K, V, J]) Context(caller context.Context, limit time.Duration, alone bool) *Context {
	f.ctx.caller, f.ctx.limit = caller, limit
	f.ctx.flight, f.ctx.alone = f, alone
	return &f.ctx
}

// Cancel ends the ctx of the load function.
func (f *Flight[K, V, J]) Cancel(cause error) { f.ctx.Cancel(cause) }

// HasBegun reports whether the load has begun: that of a flight that Join or Refresh has registered
// has. This and what follows is for whoever runs the flight.
func (f *Flight[K, V, J]) HasBegun() bool { return f.started }

// Began returns when the load began, by the clock.
func (f *Flight[K, V, J]) Began() time.Time { return f.ctx.began }

// Created returns the instant from which the age of the value counts: that, or a later one, if there
// was an invalidation whose entries are still refused.
func (f *Flight[K, V, J]) Created() time.Time { return f.created }

// Done is closed when the result is there. It is for those who have been told to wait for the
// flight.
func (f *Flight[K, V, J]) Done() <-chan struct{} { return f.done }

// waitedLocked makes Done for the first one who waits.
func (f *Flight[K, V, J]) waitedLocked() *Flight[K, V, J] {
	if f.done == nil {
		f.done = make(chan struct{})
	}
	return f
}

// Publish lets the callers have the result. Only the one whose Claim stands calls it, once: nobody
// joins the flight any more.
func (f *Flight[K, V, J]) Publish() {
	hook.At("publish")
	if f.done != nil {
		close(f.done)
	}
}

// Result returns the value or the error. It may be called once Done is closed.
func (f *Flight[K, V, J]) Result() (V, error) { return f.value, f.err }

// Lookup is one storage read for one key with the callers that share it. It ends in an entry, in
// the flight that its callers have to wait for, or in an error.
type Lookup[K comparable, V, J any] struct {
	Key K
	Job J

	done chan struct{}

	// Written once, under the shard's lock, before done is closed.
	entry  *storage.Entry[V]
	flight *Flight[K, V, J]
	led    bool // flight was made for this lookup
	err    error

	left atomic.Bool // see Leave

	// Guarded by the shard's lock.
	over     bool
	detached bool      // no longer registered
	floor    time.Time // entries created up to here are refused, though their deletion may have ended meanwhile
}

// Done is closed when the lookup has ended.
func (l *Lookup[K, V, J]) Done() <-chan struct{} { return l.done }

// Result returns what the lookup ended in: exactly one of the first three is set. Led is true if
// the flight was made for this lookup. It may be called once Done is closed.
func (l *Lookup[K, V, J]) Result() (entry *storage.Entry[V], flight *Flight[K, V, J], err error, led bool) {
	return l.entry, l.flight, l.err, l.led
}

// Leave settles who counts the call that the lookup was made for: the call itself, or whoever runs
// the lookup if the call has left before its end. The first one to leave gets true.
func (l *Lookup[K, V, J]) Leave() (first bool) { return l.left.CompareAndSwap(false, true) }

func (l *Lookup[K, V, J]) endLocked(entry *storage.Entry[V], flight *Flight[K, V, J], err error) {
	l.over = true
	l.entry, l.flight, l.err = entry, flight, err
	close(l.done)
}

// slot is what is in progress for one key. Everything in it is guarded by the shard's lock.
type slot[K comparable, V, J any] struct {
	key K

	lookup *Lookup[K, V, J] // registered
	load   *Flight[K, V, J] // registered
	queued *Flight[K, V, J] // forced, behind load

	stale *storage.Entry[V] // the latest one that was told of load; nil: none
	token uint32            // that it has

	// Those that are still at work but no longer registered.
	detachedLookups []*Lookup[K, V, J]
	detachedLoads   []*Flight[K, V, J]

	// The latest value of a load or a Set, while it is being written, and the turn that writes it.
	// It is nil if the key is being emptied.
	pending    *storage.Entry[V]
	pendingBy  *Turn[K]
	pendingAt  time.Time // what counts as the instant of that
	pendingSet bool      // it is a Set

	// Writers of the key in their order.
	owner   *Turn[K] // whose turn it is, begun or not
	waiting []*Turn[K]

	// After a failed load: background loads for entries created up to failed wait until retry.
	failed time.Time
	retry  deadline

	fence fence
}

// overtake tells the writers that are waiting that the key is changed before their turn, apart from
// those whose victim was named after that.
func (s *slot[K, V, J]) overtake(change Change, booked uint64) {
	for _, t := range s.notBegun() {
		if booked >= t.named {
			t.overtaken = change
		}
	}
}

// notBegun lists the writers that have a place but have not begun.
func (s *slot[K, V, J]) notBegun() []*Turn[K] {
	if s.owner != nil && !s.owner.begun {
		return append([]*Turn[K]{s.owner}, s.waiting...)
	}
	return s.waiting
}

func (s *slot[K, V, J]) isIdle() bool {
	return s.lookup == nil && s.load == nil && s.queued == nil &&
		len(s.detachedLookups) == 0 && len(s.detachedLoads) == 0 &&
		s.pendingBy == nil && s.owner == nil && len(s.waiting) == 0
}

func (s *slot[K, V, J]) isEmpty() bool {
	return s.isIdle() && s.retry.isZero() && s.fence.isZero()
}

// detach takes the load in progress out of the registry and returns the queued flight that takes
// its place, if any.
func (s *slot[K, V, J]) detach() (next *Flight[K, V, J]) {
	if s.load != nil {
		s.detachedLoads = append(s.detachedLoads, s.load)
		s.unregister()
	}
	return s.promote()
}

// unregister forgets the load in progress.
func (s *slot[K, V, J]) unregister() {
	s.load = nil
	s.unflag()
}

// flag makes a stale entry say that a load of its key is registered, so that other callers need not ask.
func (s *slot[K, V, J]) flag(entry *storage.Entry[V], token uint32) {
	if s.stale != entry {
		s.unflag()
		s.stale, s.token = entry, token
	}
	entry.SetRefreshing(token)
}

func (s *slot[K, V, J]) unflag() {
	if s.stale != nil {
		s.stale.EndRefreshing(s.token)
		s.stale = nil
	}
}

// detachLookup takes the lookup in progress out of the registry, and makes it and its predecessors
// refuse what was created up to now.
func (s *slot[K, V, J]) detachLookup(now time.Time) {
	if s.lookup != nil {
		s.lookup.detached = true
		s.detachedLookups = append(s.detachedLookups, s.lookup)
		s.lookup = nil
	}
	for _, l := range s.detachedLookups {
		if now.After(l.floor) {
			l.floor = now
		}
	}
}

// promote registers the queued flight in the place of the one that has ended or was detached.
func (s *slot[K, V, J]) promote() (next *Flight[K, V, J]) {
	if s.load == nil && s.queued != nil {
		s.load, s.queued = s.queued, nil
		return s.load
	}
	return nil
}

// remove forgets a flight that has ended and returns the next one to start.
func (s *slot[K, V, J]) remove(f *Flight[K, V, J]) (next *Flight[K, V, J]) {
	if s.load == f {
		s.unregister()
		return s.promote()
	}
	s.detachedLoads = without(s.detachedLoads, f)
	return nil
}

func (s *slot[K, V, J]) removeLookup(l *Lookup[K, V, J]) {
	if s.lookup == l {
		s.lookup = nil
	}
	s.detachedLookups = without(s.detachedLookups, l)
}

// handOver ends every lookup of the key with an entry that has just been written.
func (s *slot[K, V, J]) handOver(entry *storage.Entry[V]) {
	for _, l := range s.detachedLookups {
		if !l.over {
			l.endLocked(entry, nil, nil)
		}
	}
	if l := s.lookup; l != nil && !l.over {
		l.endLocked(entry, nil, nil)
		// It still has to return from the storage, but nobody joins it any more.
		s.detachedLookups = append(s.detachedLookups, l)
		s.lookup = nil
	}
}

func without[T comparable](list []T, item T) []T {
	i := slices.Index(list, item)
	if i < 0 {
		return list
	}
	if len(list) == 1 {
		return nil
	}
	return slices.Delete(list, i, i+1)
}
