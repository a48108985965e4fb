package flight

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Errors of joining.
var (
	ErrClosed    = errors.New("flight: closed")
	ErrReentrant = errors.New("flight: would wait for itself")
)

const (
	shards = 32

	// keep is how many idle slots, with nothing but a backoff or a fence in them, a shard holds
	// before it looks for those whose time is over, and fold how many fences it holds before it
	// makes one of them all.
	keep = 64
	fold = 2048
)

// Group is the registry of one cache. It is safe for concurrent use; New makes it.
type Group[K comparable, V, J any] struct {
	Lifecycle

	seed      maphash.Seed
	shards    [shards]shard[K, V, J]
	floors    atomic.Int64  // fences with a floor, so that hits need not ask when there are none
	exclusive chan struct{} // holds one token
}

type shard[K comparable, V, J any] struct {
	// version counts the writes that have ended. Whoever looked into a local storage, found nothing
	// and sees the version unchanged under the lock, has missed nothing.
	version atomic.Uint64

	mu      sync.Mutex
	slots   map[K]*slot[K, V, J]
	sweepAt int // slots
	fence   fence
	stamp   time.Time     // the latest instant that was given to a load or a Set
	writing int           // turns that have come and not ended
	gates   int           // while there is one, no turn comes
	drained chan struct{} // closed when writing becomes 0; nil while nobody waits
}

// New returns an empty registry.
func New[K comparable, V, J any]() *Group[K, V, J] {
	g := &Group[K, V, J]{seed: maphash.MakeSeed(), exclusive: make(chan struct{}, 1)}
	for i := range g.shards {
		g.shards[i].slots = make(map[K]*slot[K, V, J])
		g.shards[i].sweepAt = keep
	}
	return g
}

func (g *Group[K, V, J]) shard(key K) *shard[K, V, J] {
	return &g.shards[maphash.Comparable(g.seed, key)%shards]
}

// slotLocked returns the slot of key, a new one if there is none.
func (sh *shard[K, V, J]) slotLocked(key K) *slot[K, V, J] {
	s := sh.slots[key]
	if s == nil {
		s = &slot[K, V, J]{key: key}
		sh.slots[key] = s
	}
	return s
}

// tidyLocked forgets a slot that has nothing in it.
func (sh *shard[K, V, J]) tidyLocked(s *slot[K, V, J]) {
	if s.isEmpty() {
		delete(sh.slots, s.key)
	}
}

// Version returns the state of the key's shard for a later Join or Refresh.
func (g *Group[K, V, J]) Version(key K) uint64 { return g.shard(key).version.Load() }

// Outcome says how a call goes on. At most one of Entry, Flight, Lookup and Err is set.
type Outcome[K comparable, V, J any] struct {
	Entry  *storage.Entry[V] // the answer
	Flight *Flight[K, V, J]  // to be waited for
	Lookup *Lookup[K, V, J]  // to be waited for
	Led    bool              // the flight or lookup is new
	Start  bool              // and the caller has to start it
	Retry  bool              // something has been written since Version: look into the storage again
	Err    error
}

// Join finds or registers the flight of a key that is not in a local storage.
func (g *Group[K, V, J]) Join(key K, version uint64, ancestors []*Flight[K, V, J], now time.Time, job J) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.version.Load() != version {
		return Outcome[K, V, J]{Retry: true}
	}
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if out, ok := s.join(ancestors, now); ok {
		return out
	}
	if !g.Begin() {
		return Outcome[K, V, J]{Err: ErrClosed}
	}
	return Outcome[K, V, J]{Flight: s.register(job), Led: true, Start: true}
}

// join returns what a call that found no entry can share, if there is anything.
func (s *slot[K, V, J]) join(ancestors []*Flight[K, V, J], now time.Time) (out Outcome[K, V, J], ok bool) {
	if s.pending != nil && !s.pending.Expired(now) {
		return Outcome[K, V, J]{Entry: s.pending}, true
	}
	f := s.load
	if f != nil && f.claimed && (f.entry == nil || f.entry.Expired(now)) {
		// Its value was for those who waited for it, and is being written or removed. The next load
		// does not wait.
		if next := s.detach(); next != nil {
			return Outcome[K, V, J]{Flight: next, Start: true}, true
		}
		f = nil
	}
	switch {
	case f == nil:
		return Outcome[K, V, J]{}, false
	case !f.claimed && slices.Contains(ancestors, f):
		return Outcome[K, V, J]{Err: ErrReentrant}, true
	default:
		return Outcome[K, V, J]{Flight: f}, true
	}
}

// register makes the registered flight of the slot. It has been counted with Begin or Extend.
func (s *slot[K, V, J]) register(job J) *Flight[K, V, J] {
	s.load = &Flight[K, V, J]{Key: s.key, Job: job, done: make(chan struct{})}
	return s.load
}

// Refresh registers a background flight for a stale entry, unless one is in progress, was refused
// by the backoff or has become needless.
func (g *Group[K, V, J]) Refresh(entry *storage.Entry[V], key K, version uint64, now time.Time, job J) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.version.Load() != version {
		return Outcome[K, V, J]{Retry: true}
	}
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	f := g.refreshLocked(s, entry, now, job)
	return Outcome[K, V, J]{Flight: f, Start: f != nil}
}

func (g *Group[K, V, J]) refreshLocked(s *slot[K, V, J], entry *storage.Entry[V], now time.Time, job J) *Flight[K, V, J] {
	if s.load != nil || s.pending != nil || !s.retry.passed(now) && !entry.Created().After(s.failed) {
		return nil
	}
	if !g.Begin() {
		return nil
	}
	return s.register(job)
}

// Force finds or registers a flight whose load has not begun.
func (g *Group[K, V, J]) Force(key K, ancestors []*Flight[K, V, J], job J) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	running := s.load
	switch {
	case running != nil && !running.claimed && slices.Contains(ancestors, running):
		return Outcome[K, V, J]{Err: ErrReentrant}
	case running != nil && !running.started && !running.claimed:
		return Outcome[K, V, J]{Flight: running}
	case s.queued != nil:
		return Outcome[K, V, J]{Flight: s.queued}
	case !g.Begin():
		return Outcome[K, V, J]{Err: ErrClosed}
	case running != nil:
		s.queued = &Flight[K, V, J]{Key: key, Job: job, done: make(chan struct{})}
		return Outcome[K, V, J]{Flight: s.queued, Led: true}
	}
	return Outcome[K, V, J]{Flight: s.register(job), Led: true, Start: true}
}

// JoinLookup finds or registers the lookup of a key in a storage that is not local.
func (g *Group[K, V, J]) JoinLookup(key K, ancestors []*Flight[K, V, J], now time.Time, job J, absent func(J) bool) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if s.pending != nil || s.load != nil && (s.load.claimed || absent(s.load.Job)) {
		if out, ok := s.join(ancestors, now); ok {
			return out
		}
	}
	if s.lookup != nil {
		return Outcome[K, V, J]{Lookup: s.lookup}
	}
	if !g.Begin() {
		return Outcome[K, V, J]{Err: ErrClosed}
	}
	l := &Lookup[K, V, J]{Key: key, Job: job, done: make(chan struct{}), floor: s.fence.floor}
	if sh.fence.floor.After(l.floor) {
		l.floor = sh.fence.floor
	}
	s.lookup = l
	return Outcome[K, V, J]{Lookup: l, Led: true, Start: true}
}

// EndLookup ends a lookup with what the storage returned, nil for nothing, unless it has been ended
// before. If there is a load to start, it is returned: in the foreground with the job given for
// that, or behind a stale entry with the other one. The flight is counted for itself: the caller
// calls End for the lookup in any case.
func (g *Group[K, V, J]) EndLookup(l *Lookup[K, V, J], entry *storage.Entry[V], now time.Time, foreground, background J) (start *Flight[K, V, J]) {
	sh := g.shard(l.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[l.Key]
	defer sh.tidyLocked(s)
	defer s.removeLookup(l)
	if l.over {
		return nil
	}
	refused := entry != nil && (!entry.Created().After(l.floor) && !l.floor.IsZero() || g.refusesLocked(sh, s, entry, now))
	if entry != nil && !entry.Expired(now) && !refused {
		if entry.Stale(now) && !l.detached {
			start = g.refreshLocked(s, entry, now, background)
		}
		l.endLocked(entry, nil, nil)
		return start
	}
	out, ok := s.join(nil, now)
	if !ok {
		g.Extend()
		out = Outcome[K, V, J]{Flight: s.register(foreground), Led: true, Start: true}
	}
	l.led = out.Led
	l.endLocked(out.Entry, out.Flight, nil)
	if out.Start {
		return out.Flight
	}
	return nil
}

// AbortLookup ends a lookup with an error, unless it has been ended before.
func (g *Group[K, V, J]) AbortLookup(l *Lookup[K, V, J], err error) {
	sh := g.shard(l.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[l.Key]
	s.removeLookup(l)
	if !l.over {
		l.endLocked(nil, nil, err)
	}
	sh.tidyLocked(s)
}

// Start says that the flight's load begins now, and how to cancel it. It returns the instant that
// counts for it: later than every invalidation whose entries are still refused. It reports false if
// the flight has got its result before.
func (g *Group[K, V, J]) Start(f *Flight[K, V, J], now time.Time, cancel context.CancelCauseFunc) (time.Time, bool) {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if f.claimed {
		return now, false
	}
	f.started = true
	f.cancel = cancel
	return g.aboveLocked(sh, sh.slots[f.Key], now), true
}

// Above returns now, or if entries of key created then are refused, the next instant at which they
// are not.
func (g *Group[K, V, J]) Above(key K, now time.Time) time.Time {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return g.aboveLocked(sh, sh.slots[key], now)
}

func (g *Group[K, V, J]) aboveLocked(sh *shard[K, V, J], s *slot[K, V, J], now time.Time) time.Time {
	if s != nil {
		now = s.fence.above(now)
	}
	now = sh.fence.above(now)
	if now.After(sh.stamp) {
		sh.stamp = now
	}
	return now
}

// Result is what a flight has come to.
type Result[V any] struct {
	Value V
	Entry *storage.Entry[V] // nil: the value is not kept
	Err   error

	Write   bool          // the storage has to be told: of Entry, or without one that the old entry is gone
	Started time.Time     // with Err: when the load began
	Backoff time.Duration // with Err: how long a background load waits, for an entry that there is
}

// Claim settles the result of a flight and reports whether it stands; it does not if the flight has
// got another one before. If the flight is still registered and has something to write, it is next
// in the order of its key's writes, and turn is its place. Otherwise the flight has ended, and next
// is the one to start now, if any. The caller publishes the result.
func (g *Group[K, V, J]) Claim(f *Flight[K, V, J], r Result[V], now time.Time) (stands bool, turn *Turn[K], next *Flight[K, V, J]) {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[f.Key]
	if f.claimed {
		return false, nil, nil
	}
	f.claimed = true
	f.value, f.entry, f.err = r.Value, r.Entry, r.Err
	if s.load == f && r.Err == nil && r.Write {
		return true, sh.enqueueLocked(s), nil
	}
	if s.load == f {
		g.backOffLocked(sh, s, r, now)
	}
	next = s.remove(f)
	sh.tidyLocked(s)
	return true, nil, next
}

func (g *Group[K, V, J]) backOffLocked(sh *shard[K, V, J], s *slot[K, V, J], r Result[V], now time.Time) {
	if r.Err == nil || r.Backoff == 0 {
		return
	}
	g.sweepLocked(sh, now)
	s.failed, s.retry = r.Started, deadlineIn(now, r.Backoff)
}

// Owns reports whether a claimed flight is still the registered one of its key, so that its result
// may be written.
func (g *Group[K, V, J]) Owns(f *Flight[K, V, J]) bool {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return !f.detached
}

// Written is what has become of a write.
type Written struct {
	OK      bool
	Removed bool          // the key was emptied
	GivenUp bool          // it may still land
	Backoff time.Duration // if it failed: how long a background load waits
}

// Finish ends the write of a flight, and the flight. It returns the next one to start, if any.
func (g *Group[K, V, J]) Finish(f *Flight[K, V, J], turn *Turn[K], w Written, now time.Time) (next *Flight[K, V, J]) {
	sh := g.shard(f.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[f.Key]
	g.writtenLocked(sh, s, f.entry, w, now)
	if !w.OK && w.Backoff > 0 && s.load == f && f.entry != nil {
		g.sweepLocked(sh, now)
		s.failed, s.retry = f.entry.Created().Add(-1), deadlineIn(now, w.Backoff)
	}
	next = s.remove(f)
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
	return next
}

// writtenLocked draws the conclusions from a write of entry; nil says that the key was to be
// emptied.
func (g *Group[K, V, J]) writtenLocked(sh *shard[K, V, J], s *slot[K, V, J], entry *storage.Entry[V], w Written, now time.Time) {
	had := s.fence.floor
	if w.GivenUp && entry != nil {
		g.sweepLocked(sh, now)
		s.fence.doubtful(deadlineOf(entry.ExpireAfter()))
	}
	if w.OK {
		s.failed, s.retry = time.Time{}, deadline{}
		s.setRemoved(w.Removed)
	}
	if w.OK && entry != nil && !s.fence.refuses(entry.Created()) && !sh.fence.refuses(entry.Created()) {
		s.fence.replaced(now)
		if !entry.Expired(now) {
			s.handOver(entry)
		}
	}
	g.countFloor(had, s.fence.floor)
}

// Set supersedes what is in progress for key by an entry from outside: the flight is detached, and
// the entry is the answer for callers that find none. The caller writes it when the turn has come,
// and starts next, if any.
func (g *Group[K, V, J]) Set(key K, entry *storage.Entry[V]) (turn *Turn[K], next *Flight[K, V, J], err error) {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !g.Begin() {
		return nil, nil, ErrClosed
	}
	s := sh.slotLocked(key)
	next = s.detach()
	turn = sh.enqueueLocked(s)
	s.pending, s.pendingBy = entry, turn
	return turn, next, nil
}

// EndSet ends the write of a Set. If it failed, what was created up to it is refused.
func (g *Group[K, V, J]) EndSet(turn *Turn[K], entry *storage.Entry[V], created time.Time, w Written, now time.Time) {
	sh := g.shard(turn.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[turn.key]
	if s.pendingBy == turn {
		s.pending, s.pendingBy = nil, nil
	}
	had := s.fence.floor
	if !w.OK {
		g.sweepLocked(sh, now)
		s.fence.lift(created)
		s.fence.failed = true
		g.countFloor(had, s.fence.floor)
	}
	g.writtenLocked(sh, s, entry, w, now)
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// Invalidate detaches what is in progress for key. With fenced, entries created up to now are
// refused until the deletion has ended well. The caller deletes when the turn has come, and starts
// next, if any.
func (g *Group[K, V, J]) Invalidate(key K, now time.Time, fenced bool) (turn *Turn[K], next *Flight[K, V, J], err error) {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !g.Begin() {
		return nil, nil, ErrClosed
	}
	s := sh.slotLocked(key)
	now = sh.latest(now)
	next = g.invalidateLocked(s, now)
	if fenced {
		had := s.fence.floor
		s.fence.raise(now)
		g.countFloor(had, s.fence.floor)
	}
	return sh.enqueueLocked(s), next, nil
}

func (g *Group[K, V, J]) invalidateLocked(s *slot[K, V, J], now time.Time) (next *Flight[K, V, J]) {
	s.detachLookup(now)
	s.pending, s.pendingBy = nil, nil
	s.failed, s.retry = time.Time{}, deadline{}
	return s.detach()
}

// latest returns now, or the latest instant that an entry may have been created at, if that is later: by a
// clock that stands still or was set back.
func (sh *shard[K, V, J]) latest(now time.Time) time.Time {
	if sh.stamp.After(now) {
		return sh.stamp
	}
	return now
}

// EndInvalidate ends the deletion.
func (g *Group[K, V, J]) EndInvalidate(turn *Turn[K], fenced, ok bool, now time.Time) {
	sh := g.shard(turn.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[turn.key]
	if ok {
		s.setRemoved(true)
	}
	if fenced {
		g.sweepLocked(sh, now)
		had := s.fence.floor
		s.fence.doubtful(sh.fence.doubt)
		s.fence.deleted(ok, now)
		g.countFloor(had, s.fence.floor)
	}
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// Deletion is the removal of all entries, on its way.
type Deletion[K comparable, V, J any] struct {
	group  *Group[K, V, J]
	halt   halt
	now    time.Time
	fenced bool
}

// InvalidateAll detaches what is in progress for every key, and keeps new writes from beginning until the
// deletion has run. With fenced, entries created up to now are refused until it has ended well. Start is
// called with the flights to start now.
func (g *Group[K, V, J]) InvalidateAll(now time.Time, fenced bool, start func(*Flight[K, V, J])) *Deletion[K, V, J] {
	d := &Deletion[K, V, J]{group: g, now: now, fenced: fenced}
	d.halt = g.halt(func(sh *shard[K, V, J]) {
		now := sh.latest(now)
		for _, s := range sh.slots {
			if next := g.invalidateLocked(s, now); next != nil {
				start(next)
			}
		}
		if fenced {
			had := sh.fence.floor
			sh.fence.raise(now)
			g.countFloor(had, sh.fence.floor)
		}
	})
	return d
}

// Run waits for the writes that had begun, and calls remove while there are none. It has to be called, once.
func (d *Deletion[K, V, J]) Run(remove func() (ok bool)) {
	g, ok := d.group, false
	defer g.resume(func(sh *shard[K, V, J]) {
		for _, s := range sh.slots {
			if ok {
				s.setRemoved(true)
			}
			if d.fenced {
				sh.fence.doubtful(s.fence.doubt)
				if ok {
					had := s.fence.floor
					s.fence.replaced(d.now)
					g.countFloor(had, s.fence.floor)
				}
			}
		}
		if d.fenced {
			had := sh.fence.floor
			sh.fence.deleted(ok, d.now)
			g.countFloor(had, sh.fence.floor)
		}
	})
	g.alone(d.halt, func() { ok = remove() })
}

// Fenced reports whether there are entries that Refuses would refuse.
func (g *Group[K, V, J]) Fenced() bool { return g.floors.Load() != 0 }

// Refuses reports whether an entry found in the storage must not be handed out.
func (g *Group[K, V, J]) Refuses(key K, entry *storage.Entry[V], now time.Time) bool {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return g.refusesLocked(sh, sh.slots[key], entry, now)
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

// sweepLocked forgets, when many slots have piled up, the backoffs and fences whose time is over.
// If too many fences are left, the shard's own takes their place: it refuses more than it has to,
// in bounded memory. It is called before a slot gets something that outlives its work.
func (g *Group[K, V, J]) sweepLocked(sh *shard[K, V, J], now time.Time) {
	if len(sh.slots) < sh.sweepAt {
		return
	}
	fences := 0
	for _, s := range sh.slots {
		if s.retry.passed(now) {
			s.failed, s.retry = time.Time{}, deadline{}
		}
		g.lowerLocked(&s.fence, now)
		if !s.fence.isZero() {
			fences++
		}
	}
	for key, s := range sh.slots {
		if fences > fold && s.fence.deletions == 0 && !s.fence.isZero() {
			had := sh.fence.floor
			sh.fence.merge(&s.fence)
			g.countFloor(had, sh.fence.floor)
			g.countFloor(s.fence.floor, time.Time{})
			s.fence = fence{}
		}
		if s.isEmpty() {
			delete(sh.slots, key)
		}
	}
	sh.sweepAt = max(keep, 2*len(sh.slots))
}

// AbortAll settles every flight and ends every lookup with an error, detached ones included, and
// publishes it. Flights that were waiting for their turn to load are over with that; the loads of
// the others are cancelled.
func (g *Group[K, V, J]) AbortAll(err error) {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		var aborted []*Flight[K, V, J]
		for _, s := range sh.slots {
			aborted = append(aborted, g.abortLocked(s, err)...)
			sh.tidyLocked(s)
		}
		sh.mu.Unlock()
		for _, f := range aborted {
			f.Publish()
			if f.cancel != nil {
				f.cancel(err)
			}
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
