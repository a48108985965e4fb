package flight

import (
	"time"

	"github.com/memoize-go/memoize/internal/hook"
)

// Turn is a place in the order of a key's writes.
type Turn[K comparable] struct {
	key    K
	named  uint64        // of a victim: see Enqueue
	refuse time.Time     // of a Set: if it fails, entries created up to here are refused
	ready  chan struct{} // closed when all earlier writes have ended; nil if there were none

	// Guarded by the shard's lock, and read by the writer once it has begun.
	begun     bool
	overtaken Change
}

// Change is what a write has done to its key.
type Change uint8

// The changes.
const (
	Unchanged Change = iota
	Stored
	Removed
)

// Overtaken returns the last change of the key while the turn was waited for. It may be called
// after Await.
func (t *Turn[K]) Overtaken() Change { return t.overtaken }

// Await blocks until the turn has come: all earlier writes of the key have ended, each of them
// bounded by the storage timeout, and nothing keeps writes from beginning.
func (g *Group[K, V, J]) Await(t *Turn[K]) {
	if t.ready != nil {
		<-t.ready
	}
	sh := g.shard(t.key)
	for {
		opened := sh.begin(t)
		if opened == nil {
			return
		}
		<-opened
	}
}

// begin counts the turn's write as begun, or returns what to wait for before.
func (sh *shard[K, V, J]) begin(t *Turn[K]) (opened <-chan struct{}) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case t.begun:
		return nil
	case sh.gates == 0:
		t.begun = true
		sh.writing++
		return nil
	case sh.opened == nil:
		sh.opened = make(chan struct{})
	}
	return sh.opened
}

// enqueueLocked takes the next place in the order of the slot's writes.
func (sh *shard[K, V, J]) enqueueLocked(s *slot[K, V, J]) *Turn[K] {
	t := &Turn[K]{key: s.key}
	if s.owner == nil {
		s.owner = t
		return t
	}
	t.ready = make(chan struct{})
	s.waiting = append(s.waiting, t)
	return t
}

// endTurnLocked ends the write of the slot's owner and lets the next one begin.
func (sh *shard[K, V, J]) endTurnLocked(s *slot[K, V, J]) {
	if s.owner.begun {
		sh.writing--
	}
	s.owner = nil
	sh.version.Add(1)
	if len(s.waiting) > 0 {
		s.owner = s.waiting[0]
		s.waiting = without(s.waiting, s.owner)
		close(s.owner.ready)
	}
	if sh.drained != nil && sh.writing == 0 {
		close(sh.drained)
		sh.drained = nil
	}
}

// Enqueue takes the next place in the order of the key's writes, for one that has to be ended with
// EndTurn. Named says when the key was named as a victim: a write that was booked before then does
// not overtake it.
func (g *Group[K, V, J]) Enqueue(key K, named uint64) *Turn[K] {
	sh := g.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.enqueueLocked(sh.slotLocked(key))
	t.named = named
	return t
}

// EndTurn ends a turn that has come. Removed says that the key has been emptied.
func (g *Group[K, V, J]) EndTurn(t *Turn[K], removed bool) {
	sh := g.shard(t.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.slots.find(t.key)
	if removed {
		s.failed, s.retry = time.Time{}, deadline{}
	}
	sh.endTurnLocked(s)
	sh.tidyLocked(s)
}

// halt names the writes that were in progress when new ones were stopped.
type halt []<-chan struct{}

// halt keeps new writes from beginning until resume, without waiting for those that have begun.
// Visit is called with each shard, under the shard's lock.
func (g *Group[K, V, J]) halt(visit func(*shard[K, V, J])) (busy halt) {
	hook.At("registry")
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

// alone runs f when the writes that had begun have ended, and nobody else is running something so.
// They are bounded by the storage timeout. F may panic.
func (g *Group[K, V, J]) alone(busy halt, f func()) {
	for _, drained := range busy {
		<-drained
	}
	hook.At("exclusive")
	g.exclusive <- struct{}{}
	defer func() { <-g.exclusive }()
	f()
}

// resume takes back one halt; after the last one, writes begin again.
func (g *Group[K, V, J]) resume(visit func(*shard[K, V, J])) {
	hook.At("registry")
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.gates--
		sh.version.Add(1)
		visit(sh)
		if sh.gates == 0 && sh.opened != nil {
			close(sh.opened)
			sh.opened = nil
		}
		for s := range sh.slots.all() {
			sh.tidyLocked(s)
		}
		sh.mu.Unlock()
	}
}

// Exclusively runs f while no write of any key is in progress; those that want to begin wait. F may
// panic.
func (g *Group[K, V, J]) Exclusively(f func()) {
	nothing := func(*shard[K, V, J]) {}
	busy := g.halt(nothing)
	defer g.resume(nothing)
	g.alone(busy, f)
}
