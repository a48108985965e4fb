package flight

// Turn is a place in the order of a key's writes.
type Turn[K comparable] struct {
	key   K
	ready chan struct{} // closed when the turn has come; nil if it came at once

	removed bool // guarded by the shard's lock until ready is closed
}

// Wait blocks until all earlier writes of the key have ended. Each of them is bounded by the
// storage timeout.
func (t *Turn[K]) Wait() {
	if t.ready != nil {
		<-t.ready
	}
}

// Removed reports whether the last write that ended while the turn was waited for has emptied the key. It may
// be called when the turn has come.
func (t *Turn[K]) Removed() bool { return t.removed }

// enqueueLocked takes the next place in the order of the slot's writes.
func (sh *shard[K, V, J]) enqueueLocked(s *slot[K, V, J]) *Turn[K] {
	t := &Turn[K]{key: s.key}
	if s.writing || sh.gates > 0 {
		t.ready = make(chan struct{})
		s.waiting = append(s.waiting, t)
		return t
	}
	s.writing = true
	sh.writing++
	return t
}

// endTurnLocked ends the write in progress and lets the next one begin.
func (sh *shard[K, V, J]) endTurnLocked(s *slot[K, V, J]) {
	s.writing = false
	sh.writing--
	sh.version.Add(1)
	sh.grantLocked(s)
	if sh.drained != nil && sh.writing == 0 {
		close(sh.drained)
		sh.drained = nil
	}
}

// grantLocked lets the first waiting writer of the slot begin, if nothing is in its way.
func (sh *shard[K, V, J]) grantLocked(s *slot[K, V, J]) {
	if s.writing || sh.gates > 0 || len(s.waiting) == 0 {
		return
	}
	s.writing = true
	sh.writing++
	close(s.waiting[0].ready)
	s.waiting = without(s.waiting, s.waiting[0])
}

// Enqueue takes the next place in the order of the key's writes, for one that no flight stands
// behind. It has to be ended with EndTurn.
func (g *Group[K, V, J]) Enqueue(key K) *Turn[K] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.enqueueLocked(sh.slotLocked(key))
}

// EndTurn ends a write whose turn had come.
func (g *Group[K, V, J]) EndTurn(t *Turn[K]) {
	sh := g.shard(t.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots[t.key]
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// halt names the writes that were in progress when new ones were stopped.
type halt []<-chan struct{}

// halt keeps new writes from beginning until resume, without waiting for those that have begun. Visit is
// called with each shard, under the shard's lock.
func (g *Group[K, V, J]) halt(visit func(*shard[K, V, J])) (busy halt) {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.gates++
		visit(sh)
		if sh.writing > 0 {
			if sh.drained == nil {
				sh.drained = make(chan struct{})
			}
			busy = append(busy, sh.drained)
		}
		sh.mu.Unlock()
	}
	return busy
}

// alone runs f when the writes that had begun have ended, and nobody else is running something so. They
// are bounded by the storage timeout. F may panic.
func (g *Group[K, V, J]) alone(busy halt, f func()) {
	for _, drained := range busy {
		<-drained
	}
	g.exclusive <- struct{}{}
	defer func() { <-g.exclusive }()
	f()
}

// resume takes back one halt, and lets writes begin again, in their order, after the last one.
func (g *Group[K, V, J]) resume(visit func(*shard[K, V, J])) {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.gates--
		sh.version.Add(1)
		visit(sh)
		for _, s := range sh.slots {
			sh.grantLocked(s)
			sh.tidyLocked(s)
		}
		sh.mu.Unlock()
	}
}

// Exclusively runs f while no write of any key is in progress; those that want to begin wait. F may panic.
func (g *Group[K, V, J]) Exclusively(f func()) {
	nothing := func(*shard[K, V, J]) {}
	busy := g.halt(nothing)
	defer g.resume(nothing)
	g.alone(busy, f)
}
