package flight

// Turn is a place in the order of a key's writes.
type Turn[K comparable] struct {
	key   K
	ready chan struct{} // closed when the turn has come; nil if it came at once
}

// Wait blocks until all earlier writes of the key have ended. Each of them is bounded by the
// storage timeout.
func (t *Turn[K]) Wait() {
	if t.ready != nil {
		<-t.ready
	}
}

// enqueueLocked takes the next place in the order of the slot's writes.
func (sh *shard[K, V, J]) enqueueLocked(s *slot[K, V, J]) *Turn[K] {
	t := &Turn[K]{key: s.key}
	if s.writing || sh.gated {
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
	if s.writing || sh.gated || len(s.waiting) == 0 {
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

// stop keeps every write from beginning and waits for those that have begun; they are bounded by
// the storage timeout. Only one caller at a time is let in, until resume. Visit is called with each
// shard that is stopped, under the shard's lock.
func (g *Group[K, V, J]) stop(visit func(*shard[K, V, J])) {
	g.exclusive <- struct{}{}
	var busy []chan struct{}
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.gated = true
		visit(sh)
		if sh.writing > 0 {
			sh.drained = make(chan struct{})
			busy = append(busy, sh.drained)
		}
		sh.mu.Unlock()
	}
	for _, drained := range busy {
		<-drained
	}
}

// resume lets writes begin again, in their order.
func (g *Group[K, V, J]) resume(visit func(*shard[K, V, J])) {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.gated = false
		sh.version.Add(1)
		visit(sh)
		for _, s := range sh.slots {
			sh.grantLocked(s)
			sh.tidyLocked(s)
		}
		sh.mu.Unlock()
	}
	<-g.exclusive
}

// Exclusively runs f while no write of any key is in progress; those that want to begin wait. F may
// panic.
func (g *Group[K, V, J]) Exclusively(f func()) {
	nothing := func(*shard[K, V, J]) {}
	g.stop(nothing)
	defer g.resume(nothing)
	f()
}
