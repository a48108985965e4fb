package flight

import "time"

// InPlace changes a key without taking a turn, and reports whether it has: if no other write of the
// key is in progress or waiting, and nothing keeps writes from beginning. Change is called under
// the shard's lock, so it must not wait, call no foreign code, and not call the group. If it
// reports false, it has done nothing, and the change needs a turn.
func (g *Group[K, V, J]) InPlace(key K, change func() (what Change, done bool)) (done bool) {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(key)
	if !sh.isQuiet(s) {
		return false
	}
	what, done := change()
	if !done {
		return false
	}
	if what != Unchanged {
		sh.version.Add(1)
	}
	if s != nil {
		if what == Removed {
			s.failed, s.retry = time.Time{}, deadline{}
		}
		sh.tidyLocked(s)
	}
	return true
}

// SetInPlace is Set, with its write, for a key that nothing is in progress for and nothing is known
// of: put stores an entry created now, under the rules of [Group.InPlace]. If it reports that more
// is to be done, the caller does that, and then calls End. Hash is that of the key.
func (g *Group[K, V, J]) SetInPlace(key K, hash uint64, now time.Time, put func() (done, more bool)) (done bool, err error) {
	sh := g.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.slots.find(key) != nil || !sh.isQuiet(nil) || g.aboveForSetLocked(sh, nil, now).After(now) {
		return false, nil
	}
	if g.isClosed() { // if it is closed from now on, [Group.Idle] waits for the lock
		return false, ErrClosed
	}
	done, more := put()
	if more {
		g.Extend()
	}
	if done {
		sh.version.Add(1)
	}
	return done, nil
}

// ClaimInPlace is Claim, with the write that follows, for a flight that has loaded value: put stores
// it, under the rules of [Group.InPlace]. If it reports false, nothing has been done, and Claim has
// to be called. Hash is that of the key.
func (g *Group[K, V, J]) ClaimInPlace(f *Flight[K, V, J], hash uint64, value V, put func() (done bool)) (done bool, next *Flight[K, V, J]) {
	sh := g.shardOf(hash)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(f.Key)
	if f.claimed || s.load != f || !sh.isQuiet(s) || !s.fence.isZero() || !sh.fence.isZero() ||
		s.lookup != nil || len(s.detachedLookups) > 0 || !put() {
		return false, nil
	}
	f.claimed, f.value = true, value
	sh.version.Add(1)
	s.failed, s.retry = time.Time{}, deadline{}
	next = s.remove(f)
	sh.tidyLocked(s)
	return true, next
}

// isQuiet reports whether a write of the slot's key could begin and end here and now. The slot may
// be nil.
func (sh *shard[K, V, J]) isQuiet(s *slot[K, V, J]) bool {
	return sh.gates == 0 && (s == nil || s.owner == nil && len(s.waiting) == 0)
}
