package flight

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsComeInTheirOrder(t *testing.T) {
	g := newGroup()
	var turns []*Turn[int]
	for range 10 {
		turns = append(turns, g.Enqueue(1, 0))
	}
	other := g.Enqueue(2, 0)
	if !mayBegin(g, other) {
		t.Error("the write of one key waits for that of another")
	}
	for i, turn := range turns {
		for j := range turns {
			if ready := mayBegin(g, turns[j]); ready != (j <= i) {
				t.Errorf("after %d writes: write %d may begin: %v", i, j, ready)
			}
		}
		g.Await(turn)
		g.EndTurn(turn, false)
	}
	g.EndTurn(other, false)
	atRest(t, g)
}

// Under contention writes of one key never overlap, and come in the order of Enqueue.
func TestTurnsExcludeEachOther(t *testing.T) {
	g := newGroup()
	var mu sync.Mutex // orders Enqueue for the test
	var enqueued, ended []int
	var writing atomic.Int32
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 200 {
				id := w*1000 + n
				mu.Lock()
				turn := g.Enqueue(1, 0)
				enqueued = append(enqueued, id)
				mu.Unlock()
				g.Await(turn)
				if writing.Add(1) != 1 {
					t.Error("two writes of a key at once")
				}
				ended = append(ended, id) // guarded by the turn
				writing.Add(-1)
				g.EndTurn(turn, false)
			}
		})
	}
	wg.Wait()
	if fmt.Sprint(enqueued) != fmt.Sprint(ended) {
		t.Error("writes did not end in the order in which they were enqueued")
	}
	atRest(t, g)
}

func TestExclusivelyWaitsForWritesAndHoldsUpNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		running := g.Enqueue(1, 0)
		g.Await(running)
		behind := g.Enqueue(1, 0)
		leave := make(chan struct{})
		var inside atomic.Bool
		go g.Exclusively(func() {
			inside.Store(true)
			<-leave
		})
		synctest.Wait()
		if inside.Load() {
			t.Error("f runs during a write")
		}
		g.EndTurn(running, false)
		synctest.Wait()
		if !inside.Load() {
			t.Error("f does not run though no write does")
		}
		during := g.Enqueue(2, 0)
		if mayBegin(g, behind) || mayBegin(g, during) {
			t.Error("a write begins while f runs")
		}
		if out := join(g, 3, start); out.Flight == nil || !out.Start {
			t.Errorf("Join while f runs = %+v, want a new flight", out)
		} else {
			g.Claim(out.Flight, Result[string]{}, start)
			g.End()
		}
		close(leave)
		synctest.Wait()
		if !mayBegin(g, behind) || !mayBegin(g, during) {
			t.Error("writes do not go on after f")
		}
		g.EndTurn(behind, false)
		g.EndTurn(during, false)
		atRest(t, g)
	})
}

func TestExclusivelyOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		var inside atomic.Int32
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				g.Exclusively(func() {
					if inside.Add(1) != 1 {
						t.Error("two at once")
					}
					time.Sleep(time.Second)
					inside.Add(-1)
				})
			})
			wg.Go(func() {
				turn := g.Enqueue(1, 0)
				g.Await(turn)
				if inside.Load() != 0 {
					t.Error("a write while f runs")
				}
				time.Sleep(time.Second)
				g.EndTurn(turn, false)
			})
		}
		wg.Wait()
		atRest(t, g)
	})
}

func TestExclusivelyOutlivesAPanic(t *testing.T) {
	g := newGroup()
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic was swallowed")
			}
		}()
		g.Exclusively(func() { panic("boom") })
	}()
	turn := g.Enqueue(1, 0)
	if !mayBegin(g, turn) {
		t.Error("writes do not go on after the panic")
	}
	g.EndTurn(turn, false)
	g.Exclusively(func() {})
	atRest(t, g)
}
