package flight

import (
	"slices"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Version returns the state of the shard of a key with this hash, for a later Join or Refresh.
func (g *Group[K, V, J]) Version(hash uint64) uint64 { return g.shards[hash%shards].version.Load() }

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

// Join finds or registers the flight of a key that is not in a local storage. The load of one that
// it registers begins now, and has a copy of job.
func (g *Group[K, V, J]) Join(key K, hash, version uint64, ancestors []*Flight[K, V, J], now time.Time, job *J) Outcome[K, V, J] {
	sh := g.shardOf(hash)
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
	f := s.register(job).waitedLocked()
	g.startLocked(sh, s, f, now)
	return Outcome[K, V, J]{Flight: f, Led: true, Start: true}
}

// JoinLoad is Join for a load in progress, and returns nil if Join has something else to say. It needs little of a stack.
func (g *Group[K, V, J]) JoinLoad(key K, hash, version uint64, ancestors []*Flight[K, V, J]) (f *Flight[K, V, J]) {
	sh := g.shardOf(hash)
	sh.mu.Lock()
	if s := sh.slots.find(key); s != nil && s.pending == nil && s.load != nil &&
		sh.version.Load() == version && !slices.Contains(ancestors, s.load) {
		f = s.load.waitedLocked()
	}
	sh.mu.Unlock()
	return f
}

// join returns what a call that found no entry can share, if there is anything.
func (s *slot[K, V, J]) join(ancestors []*Flight[K, V, J], now time.Time) (out Outcome[K, V, J], ok bool) {
	switch {
	case s.pending != nil && !s.pending.Expired(now):
		return Outcome[K, V, J]{Entry: s.pending}, true
	case s.load == nil:
		return Outcome[K, V, J]{}, false
	case slices.Contains(ancestors, s.load):
		return Outcome[K, V, J]{Err: ErrReentrant}, true
	default:
		return Outcome[K, V, J]{Flight: s.load.waitedLocked()}, true
	}
}

// register makes the registered flight of the slot. It has been counted with Begin or Extend.
func (s *slot[K, V, J]) register(job *J) *Flight[K, V, J] {
	s.load = &Flight[K, V, J]{Key: s.key, Job: *job}
	return s.load
}

// Refresh registers a background flight for a stale entry, whose load begins now, unless one is in
// progress, was refused by the backoff or has become needless. If one is registered then, the
// entry has the key's token for as long as it is.
func (g *Group[K, V, J]) Refresh(entry *storage.Entry[V], key K, hash, version uint64, now time.Time, job *J) Outcome[K, V, J] {
	sh := g.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.version.Load() != version {
		return Outcome[K, V, J]{Retry: true}
	}
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	f := g.refreshLocked(s, entry, now, job)
	if f != nil {
		g.startLocked(sh, s, f, now)
	}
	if s.load != nil {
		s.flag(entry, g.Token(hash))
	}
	return Outcome[K, V, J]{Flight: f, Start: f != nil}
}

func (g *Group[K, V, J]) refreshLocked(s *slot[K, V, J], entry *storage.Entry[V], now time.Time, job *J) *Flight[K, V, J] {
	if s.load != nil || s.pending != nil || !s.retry.passed(now) && !entry.Created().After(s.failed) {
		return nil
	}
	if !g.Begin() {
		return nil
	}
	return s.register(job)
}

// Force finds or registers a flight whose load has not begun.
func (g *Group[K, V, J]) Force(key K, ancestors []*Flight[K, V, J], job *J) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	running := s.load
	switch {
	case running != nil && slices.Contains(ancestors, running):
		return Outcome[K, V, J]{Err: ErrReentrant}
	case running != nil && !running.started:
		return Outcome[K, V, J]{Flight: running.waitedLocked()}
	case s.queued != nil:
		return Outcome[K, V, J]{Flight: s.queued}
	case !g.Begin():
		return Outcome[K, V, J]{Err: ErrClosed}
	case running != nil:
		s.queued = &Flight[K, V, J]{Key: key, Job: *job}
		return Outcome[K, V, J]{Flight: s.queued.waitedLocked(), Led: true}
	}
	return Outcome[K, V, J]{Flight: s.register(job).waitedLocked(), Led: true, Start: true}
}

// JoinLookup finds or registers the lookup of a key in a storage that is not local. Absent tells from the job of a flight
// whether that storage was seen to hold nothing, outdated from that of a lookup whether it is of a storage that has
// been replaced: other calls do not join it any more. Other parts of the jobs may be changed meanwhile.
func (g *Group[K, V, J]) JoinLookup(key K, ancestors []*Flight[K, V, J], now time.Time, job *J, absent, outdated func(*J) bool) Outcome[K, V, J] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if s.pending != nil || s.load != nil && absent(&s.load.Job) {
		if out, ok := s.join(ancestors, now); ok {
			return out
		}
	}
	if s.lookup != nil && outdated(&s.lookup.Job) {
		s.detachLookup(time.Time{})
	}
	if s.lookup != nil {
		return Outcome[K, V, J]{Lookup: s.lookup}
	}
	if !g.Begin() {
		return Outcome[K, V, J]{Err: ErrClosed}
	}
	l := &Lookup[K, V, J]{Key: key, Job: *job, done: make(chan struct{}), floor: s.fence.floor}
	if sh.fence.floor.After(l.floor) {
		l.floor = sh.fence.floor
	}
	s.lookup = l
	return Outcome[K, V, J]{Lookup: l, Led: true, Start: true}
}

// JoinShared is JoinLookup for what is in progress, and returns neither if JoinLookup has something else to say. It
// needs little of a stack.
func (g *Group[K, V, J]) JoinShared(key K, ancestors []*Flight[K, V, J], absent, outdated func(*J) bool) (l *Lookup[K, V, J], f *Flight[K, V, J]) {
	sh := g.shard(key)
	sh.mu.Lock()
	s := sh.slots.find(key)
	switch {
	case s == nil || s.pending != nil:
	case s.load != nil && absent(&s.load.Job):
		if !slices.Contains(ancestors, s.load) {
			f = s.load.waitedLocked()
		}
	case s.lookup != nil && !outdated(&s.lookup.Job):
		l = s.lookup
	}
	sh.mu.Unlock()
	return l, f
}

// EndLookup ends a lookup with what the storage returned, nil for nothing, unless it has been ended
// before. If there is a load to start, it is returned: in the foreground with the job given for
// that, or behind a stale entry with the other one, if it is to be refreshed. The flight is counted for itself: the caller
// calls End for the lookup in any case.
func (g *Group[K, V, J]) EndLookup(l *Lookup[K, V, J], entry *storage.Entry[V], now time.Time, refresh bool, foreground, background J) (start *Flight[K, V, J]) {
	sh := g.shard(l.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(l.Key)
	defer sh.tidyLocked(s)
	defer s.removeLookup(l)
	if l.over {
		return nil
	}
	refused := entry != nil && (!entry.Created().After(l.floor) && !l.floor.IsZero() || g.refusesLocked(sh, s, entry, now))
	if entry != nil && !entry.Expired(now) && !refused {
		if refresh && entry.Stale(now) && !l.detached {
			start = g.refreshLocked(s, entry, now, &background)
		}
		l.endLocked(entry, nil, nil)
		return start
	}
	out, ok := s.join(nil, now)
	if !ok {
		g.Extend()
		out = Outcome[K, V, J]{Flight: s.register(&foreground).waitedLocked(), Led: true, Start: true}
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
	s := sh.slots.find(l.Key)
	s.removeLookup(l)
	if !l.over {
		l.endLocked(nil, nil, err)
	}
	sh.tidyLocked(s)
}
