package flight

import (
	"math"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Above returns the instant that counts for a Set of now: a later one if entries of key created now
// are refused, or if one is being written that the Set replaces.
func (g *Group[K, V, J]) Above(key K, now time.Time) time.Time {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return g.aboveForSetLocked(sh, sh.slots.find(key), now)
}

func (g *Group[K, V, J]) aboveForSetLocked(sh *shard[K, V, J], s *slot[K, V, J], now time.Time) time.Time {
	if s != nil && s.pendingBy != nil {
		now = after(now, s.pendingAt)
	}
	return g.aboveLocked(sh, s, now)
}

// after returns now, or the next instant after t if that is later.
func after(now, t time.Time) time.Time {
	if now.After(t) {
		return now
	}
	return t.Add(1)
}

// aboveLocked returns the instant that counts for a load that begins now.
func (g *Group[K, V, J]) aboveLocked(sh *shard[K, V, J], s *slot[K, V, J], now time.Time) time.Time {
	if s != nil {
		now = s.fence.above(now)
		if s.pendingBy != nil && s.pendingSet {
			now = after(now, s.pendingAt)
		}
	}
	now = sh.fence.above(now)
	if now.After(sh.stamp) {
		sh.stamp = now
	}
	return now
}

// Set supersedes what is in progress for key by an entry from outside, created now: the flight is
// detached, and the entry is the answer for callers that find none, until EndWrite. The caller
// writes it when the turn has come, and starts next, if any. The turn is nil, and nothing has been
// done, if created does not count any more: Above has to be asked again.
func (g *Group[K, V, J]) Set(key K, entry *storage.Entry[V], created time.Time) (turn *Turn[K], next *Flight[K, V, J], err error) {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if g.aboveForSetLocked(sh, s, created).After(created) {
		return nil, nil, nil
	}
	if !g.Begin() {
		return nil, nil, ErrClosed
	}
	next = s.detach()
	turn = sh.enqueueLocked(s)
	s.pending, s.pendingBy, s.pendingAt, s.pendingSet = entry, turn, sh.latest(created), true
	turn.refuse = s.pendingAt
	return turn, next, nil
}

// Invalidate detaches what is in progress for key. Entries created up to now are refused until the
// deletion has ended well. The caller deletes when the turn has come, and starts next, if any.
func (g *Group[K, V, J]) Invalidate(key K, now time.Time) (turn *Turn[K], next *Flight[K, V, J], err error) {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !g.Begin() {
		return nil, nil, ErrClosed
	}
	s := sh.slotLocked(key)
	now = sh.latest(now)
	next = g.invalidateLocked(s, now)
	had := s.fence.floor
	s.fence.raise(now)
	g.countFloor(had, s.fence.floor)
	return sh.enqueueLocked(s), next, nil
}

func (g *Group[K, V, J]) invalidateLocked(s *slot[K, V, J], now time.Time) (next *Flight[K, V, J]) {
	s.detachLookup(now)
	s.pending, s.pendingBy = nil, nil
	s.failed, s.retry = time.Time{}, deadline{}
	return s.detach()
}

// latest returns now, or the latest instant that an entry may have been created at, if that is
// later: by a clock that stands still or was set back.
func (sh *shard[K, V, J]) latest(now time.Time) time.Time {
	if sh.stamp.After(now) {
		return sh.stamp
	}
	return now
}

// EndInvalidate ends the deletion.
func (g *Group[K, V, J]) EndInvalidate(turn *Turn[K], ok bool, now time.Time) {
	sh := g.shard(turn.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(turn.key)
	if ok {
		s.overtake(Removed, math.MaxUint64)
	}
	g.sweepLocked(sh, now)
	had := s.fence.floor
	s.fence.doubtful(sh.fence.doubt)
	s.fence.deleted(ok, now)
	g.countFloor(had, s.fence.floor)
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// Deletion is the removal of all entries, on its way.
type Deletion[K comparable, V, J any] struct {
	group *Group[K, V, J]
	halt  halt
	now   time.Time
}

// InvalidateAll detaches what is in progress for every key, and keeps new writes from beginning
// until the deletion has run. Entries created up to now are refused until it has ended well. Start is
// called with the flights to start now.
func (g *Group[K, V, J]) InvalidateAll(now time.Time, start func(*Flight[K, V, J])) *Deletion[K, V, J] {
	d := &Deletion[K, V, J]{group: g, now: now}
	d.halt = g.halt(func(sh *shard[K, V, J]) {
		now := sh.latest(now)
		for s := range sh.slots.all() {
			if next := g.invalidateLocked(s, now); next != nil {
				start(next)
			}
		}
		had := sh.fence.floor
		sh.fence.raise(now)
		g.countFloor(had, sh.fence.floor)
	})
	return d
}

// Run waits for the writes that had begun, and calls remove while there are none. It has to be
// called, once.
func (d *Deletion[K, V, J]) Run(remove func() (ok bool)) {
	g, ok := d.group, false
	defer g.resume(func(sh *shard[K, V, J]) {
		for s := range sh.slots.all() {
			if ok {
				s.overtake(Removed, math.MaxUint64)
			}
			had := s.fence.floor
			if !s.fence.doubt.isZero() {
				s.fence.lift(sh.fence.floor) // a write from before may still land
			}
			if ok {
				s.fence.replaced(d.now)
			}
			g.countFloor(had, s.fence.floor)
		}
		had := sh.fence.floor
		sh.fence.deleted(ok, d.now)
		g.countFloor(had, sh.fence.floor)
	})
	g.alone(d.halt, func() { ok = remove() })
}

// Pending returns the latest value of key that is still being written, or nil.
func (g *Group[K, V, J]) Pending(key K) *storage.Entry[V] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s := sh.slots.find(key); s != nil {
		return s.pending
	}
	return nil
}

// Fenced reports whether there is a key with a Floor.
func (g *Group[K, V, J]) Fenced() bool { return g.floors.Load() != 0 }

// Floor returns the instant up to which entries of key must have been created to be refused, or
// zero. It has to be asked for before the storage is read: by the end of that the fence may be
// gone.
func (g *Group[K, V, J]) Floor(key K, now time.Time) time.Time {
	if !g.Fenced() {
		return time.Time{}
	}
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	g.lowerLocked(&sh.fence, now)
	floor := sh.fence.floor
	if s := sh.slots.find(key); s != nil {
		g.lowerLocked(&s.fence, now)
		if s.fence.floor.After(floor) {
			floor = s.fence.floor
		}
	}
	return floor
}

func (g *Group[K, V, J]) refusesLocked(sh *shard[K, V, J], s *slot[K, V, J], entry *storage.Entry[V], now time.Time) bool {
	g.lowerLocked(&sh.fence, now)
	if sh.fence.refuses(entry.Created()) {
		return true
	}
	if s == nil {
		return false
	}
	g.lowerLocked(&s.fence, now)
	return s.fence.refuses(entry.Created())
}

func (g *Group[K, V, J]) lowerLocked(f *fence, now time.Time) {
	had := f.floor
	f.lower(now)
	g.countFloor(had, f.floor)
}

func (g *Group[K, V, J]) countFloor(had, has time.Time) {
	switch {
	case had.IsZero() && !has.IsZero():
		g.floors.Add(1)
	case !had.IsZero() && has.IsZero():
		g.floors.Add(-1)
	}
}
