package flight

import (
	"math"
	"slices"
	"time"

	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// Start says that the load of a flight that has not begun begins now. It reports false if the flight
// has got its result before.
func (g *Group[K, V, J]) Start(f *Flight[K, V, J], now time.Time) (ok bool) {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if f.claimed {
		return false
	}
	g.startLocked(sh, sh.slots.find(f.Key), f, now)
	return true
}

func (g *Group[K, V, J]) startLocked(sh *shard[K, V, J], s *slot[K, V, J], f *Flight[K, V, J], now time.Time) {
	f.started, f.ctx.began, f.created = true, now, g.aboveLocked(sh, s, now)
}

// Result is what a flight has come to.
type Result[V any] struct {
	Value V
	Entry *storage.Entry[V] // nil: the value is not kept
	Err   error

	Write   bool          // the storage has to be told: of Entry, or without one that the old entry is gone
	Backoff time.Duration // if there is an entry that could not be replaced: how long a background load waits
}

// Claim settles the result of a flight and reports whether it stands; it does not if the flight has
// got another one before. The flight is no longer registered then. If it was until now, and has
// something to write, turn is its place in the order of the key's writes, which has to be ended
// with EndWrite; until then its entry is the answer for callers that find none. Next is the flight
// to start now, if any. The caller publishes the result.
func (g *Group[K, V, J]) Claim(f *Flight[K, V, J], r Result[V], now time.Time) (stands bool, turn *Turn[K], next *Flight[K, V, J]) {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(f.Key)
	if f.claimed {
		return false, nil, nil
	}
	f.claimed = true
	f.value, f.err = r.Value, r.Err
	if s.load == f && r.Err == nil && r.Write {
		turn = sh.enqueueLocked(s)
		s.pending, s.pendingBy, s.pendingAt, s.pendingSet = r.Entry, turn, f.created, false
	}
	if s.load == f && r.Backoff > 0 {
		g.sweepLocked(sh, now)
		s.failed, s.retry = f.Began(), deadlineIn(now, r.Backoff)
	}
	next = s.remove(f)
	sh.tidyLocked(s)
	return true, turn, next
}

// Newest returns what the key is to hold by the latest load or Set that has not been written yet,
// nil for nothing. Own says that it is the one that has this turn, ok that there is one: it is false
// if all have been superseded by a deletion.
func (g *Group[K, V, J]) Newest(turn *Turn[K]) (entry *storage.Entry[V], own, ok bool) {
	sh := g.shard(turn.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(turn.key)
	return s.pending, s.pendingBy == turn, s.pendingBy != nil
}

// Written is what has become of a write.
type Written[V any] struct {
	Entry   *storage.Entry[V] // nil: the key was to be emptied
	OK      bool
	Booked  uint64        // if OK: when the strategy was told, on the scale of Enqueue
	GivenUp bool          // it may still land
	Backoff time.Duration // if it failed: how long a background load waits
	Refuse  bool          // if it failed: entries from before the Set are refused
}

// EndWrite ends a write whose turn had come.
func (g *Group[K, V, J]) EndWrite(turn *Turn[K], w Written[V], now time.Time) {
	sh := g.shard(turn.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(turn.key)
	if !w.OK {
		g.sweepLocked(sh, now)
	}
	had := s.fence.floor // from here on: sweeping counts for itself
	switch {
	case w.OK && w.Entry == nil:
		s.failed, s.retry = time.Time{}, deadline{}
		s.detachLookup(now)
		s.overtake(Removed, math.MaxUint64)
	case w.OK:
		s.overtake(Stored, w.Booked)
		s.storedLocked(sh, w.Entry, now)
	case w.Refuse:
		s.fence.lift(turn.refuse)
		s.fence.failed = true
	case w.Backoff > 0 && w.Entry != nil && s.pendingBy == turn:
		s.failed, s.retry = w.Entry.Created().Add(-1), deadlineIn(now, w.Backoff)
	}
	if w.GivenUp && w.Entry != nil {
		s.fence.doubtful(deadlineOf(w.Entry.ExpireAfter()))
	}
	g.countFloor(had, s.fence.floor)
	if s.pendingBy == turn {
		s.pending, s.pendingBy = nil, nil
	}
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// storedLocked draws the conclusions from an entry that the storage holds now.
func (s *slot[K, V, J]) storedLocked(sh *shard[K, V, J], entry *storage.Entry[V], now time.Time) {
	s.failed, s.retry = time.Time{}, deadline{}
	if s.fence.refuses(entry.Created()) || sh.fence.refuses(entry.Created()) {
		return
	}
	s.fence.replaced(now)
	if !s.fence.doubt.isZero() {
		s.fence.lift(entry.Created().Add(-1)) // an older write may still land on it
	}
	if !entry.Expired(now) {
		s.handOver(entry)
	}
}

// AbortAll settles every flight and ends every lookup with an error, detached ones included, and
// publishes it. Flights that were waiting for their turn to load are over with that; the ctx of the
// others ends, whether it was made or not.
func (g *Group[K, V, J]) AbortAll(err error) {
	hook.At("registry")
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		var aborted []*Flight[K, V, J]
		for s := range sh.slots.all() {
			aborted = append(aborted, g.abortLocked(s, err)...)
			sh.tidyLocked(s)
		}
		sh.mu.Unlock()
		for _, f := range aborted {
			f.Publish()
			f.Cancel(err)
		}
	}
}

func (g *Group[K, V, J]) abortLocked(s *slot[K, V, J], err error) (aborted []*Flight[K, V, J]) {
	s.detachLookup(time.Time{})
	for _, l := range s.detachedLookups {
		if !l.over {
			l.endLocked(nil, nil, err)
		}
	}
	flights := slices.Concat(s.detachedLoads, []*Flight[K, V, J]{s.load, s.queued})
	if s.queued != nil {
		s.queued = nil
		g.End()
	}
	for _, f := range flights {
		if f != nil && !f.claimed {
			f.claimed = true
			f.err = err
			s.remove(f)
			aborted = append(aborted, f)
		}
	}
	return aborted
}
