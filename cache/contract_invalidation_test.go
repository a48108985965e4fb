package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
)

func TestC21_InvalidateDuringLoad(t *testing.T) {
	for how, start := range map[string]func(t *testing.T, r *rig) *call[int]{
		"of Get":     func(t *testing.T, r *rig) *call[int] { return goGet(t.Context(), r.cache, "k") },
		"of Refresh": func(t *testing.T, r *rig) *call[int] { return goRefresh(t.Context(), r.cache, "k") },
	} {
		t.Run(how, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.source.hold("k")
				early := start(t, r)
				old := r.source.nth(t, "k", 1)

				mustInvalidate(t, c, "k")
				late := goGet(t.Context(), c, "k")
				next := r.source.nth(t, "k", 2)
				forced := goRefresh(t.Context(), c, "k")
				waits(t, forced)
				r.source.returns(next, 2)
				wants(t, late, 2)
				r.source.returns(old, 1) // after the newer one
				wants(t, early, 1)
				r.source.returns(r.source.nth(t, "k", 3), 3)
				wants(t, forced, 3)
				settle(t, c)
				wantHeld(t, r, map[string]int{"k": 3})
				get(t, c, "k", 3)
			})
		})
	}
}

func TestC21_InvalidateDuringBackgroundLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.hold("k")
		get(t, c, "k", 1) // stale
		old := r.source.nth(t, "k", 2)

		mustInvalidate(t, c, "k")
		peeks(t, c, "k", 0)
		late := goGet(t.Context(), c, "k")
		next := r.source.nth(t, "k", 3)
		r.source.returns(old, 2)
		waits(t, late)
		wantHeld(t, r, map[string]int{})
		r.source.returns(next, 3)
		wants(t, late, 3)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 3})
	})
}

func TestC21_InvalidateDuringWrite(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1) // answered before the write
		synctest.Wait()

		done := goInvalidate(t, c, "k")
		waits(t, done)
		during := goGet(t.Context(), c, "k")
		wants(t, during, 2) // the flight is detached though its write is in progress
		r.openGate(gate)
		wantNil(t, "Invalidate", done)
		get(t, c, "k", 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestC21_InvalidateDuringLookup(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 100)
		gate := r.gate()
		r.faulty.onceDone(onGet, blockOn(gate)) // it has the entry, and does not return yet
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		r.faulty.onceDone(onGet, nil)

		mustInvalidate(t, c, "k")
		late := goGet(t.Context(), c, "k")
		wants(t, late, 1)
		settled := asyncErr(func() error { return c.Wait(t.Context()) })
		r.openGate(gate)
		if got, err := early.result(t); got != 100 && got != 1 || err != nil {
			t.Errorf("the call from before the invalidation returned %v, %v", got, err)
		}
		wantNil(t, "Wait", settled)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		wantHeld(t, r, map[string]int{"k": 1})
	})
}

// The lookup has read the old entry, the deletion has failed and a newer entry is loaded but not yet written: the old entry must not come
// back through the lookup.
func TestC21_LookupThatReturnsDuringTheNextLoad(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 100)
		gate := r.gate()
		r.faulty.onceDone(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		r.faulty.onceDone(onGet, nil)
		mustInvalidate(t, c, "k")
		r.source.hold("k")
		late := goGet(t.Context(), c, "k")
		next := r.source.nth(t, "k", 1)
		r.openGate(gate)
		waits(t, late)
		r.source.returns(next, 1)
		wants(t, late, 1)
		if got, err := early.result(t); got != 100 && got != 1 || err != nil {
			t.Errorf("the call from before the invalidation returned %v, %v", got, err)
		}
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 1})
		r.source.began(t, "k", 1)
	})
}

func TestC21_InvalidateWithQueuedForcedLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		early := goGet(t.Context(), c, "k")
		old := r.source.nth(t, "k", 1)
		forced := goRefresh(t.Context(), c, "k")
		r.source.began(t, "k", 1)

		mustInvalidate(t, c, "k")
		queued := r.source.nth(t, "k", 2) // it need not wait any more, and began later
		late := goGet(t.Context(), c, "k")
		waits(t, late)
		r.source.began(t, "k", 2)
		r.source.returns(queued, 2)
		wants(t, forced, 2)
		wants(t, late, 2)
		settle2 := asyncErr(func() error { return c.Wait(t.Context()) })
		r.source.returns(old, 1)
		wants(t, early, 1)
		wantNil(t, "Wait", settle2)
		wantHeld(t, r, map[string]int{"k": 2})
		get(t, c, "k", 2)
	})
}

// A forced load that has begun before an invalidation must not answer a Refresh from after it.
func TestC21_RefreshAfterInvalidateDuringForcedLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		first := goRefresh(t.Context(), c, "k")
		one := r.source.nth(t, "k", 1)
		second := goRefresh(t.Context(), c, "k") // queued
		waits(t, second)
		mustInvalidate(t, c, "k") // starts the queued one
		two := r.source.nth(t, "k", 2)
		mustInvalidate(t, c, "k") // and detaches it
		third := goRefresh(t.Context(), c, "k")
		three := r.source.nth(t, "k", 3)
		for i, l := range []*load[string, int]{three, two, one} {
			r.source.returns(l, 3-i)
		}
		wants(t, first, 1)
		wants(t, second, 2)
		wants(t, third, 3)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 3})
	})
}

// Whoever changes the backend and then invalidates never sees the old version again, whatever goes on at the same time.
func TestC21_NobodySeesWhatWasInvalidatedBefore(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for seed := range uint64(12) {
			invalidateInAStorm(t, r, seed, 2)
		}
	})
}

// The same if all of it happens at one and the same instant, with storages that fail now and then.
func TestC21_NobodySeesWhatWasInvalidatedAtTheSameInstant(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for seed := range uint64(12) {
			invalidateInAStorm(t, r, seed, 0)
		}
	})
}

// invalidateInAStorm changes a backend, each time followed by an invalidation of its cache at a new instant, step later than
// the one before, and meanwhile asks for its version.
func invalidateInAStorm(t *testing.T, outer *rig, seed uint64, step time.Duration) {
	r := newRig(t, outer.sort, outer.clock)
	var version atomic.Int64 // of the backend
	var floor atomic.Int64   // the version that the last successful invalidation has made the least to be seen
	chance := newChance(seed)
	if r.faulty != nil {
		for _, m := range []method{onGet, onOffer, onInvalidate, onRelease, onClear} {
			r.faulty.on(m, func(context.Context, string) error {
				chance.nap(4)
				if chance.of(6) {
					return errStore
				}
				return nil
			})
			r.faulty.onceDone(m, func(context.Context, string) error {
				chance.nap(4)
				return nil
			})
		}
	}
	c := open(t, func(context.Context, string) (int, error) {
		v := int(version.Load())
		chance.nap(6)
		if chance.of(8) {
			return 0, errBackend
		}
		return v, nil
	}, cache.WithClock(r.clock), cache.WithStorage(r.store), cache.WithCapacity(1),
		cache.WithUpdateAfter(0), cache.WithRefreshBackoff(0))

	change := func() {
		r.clock.Advance(step)
		v := version.Add(1)
		var err error
		if chance.of(3) {
			err = c.InvalidateAll(t.Context())
		} else {
			err = c.Invalidate(t.Context(), "k")
		}
		for err == nil {
			was := floor.Load()
			if was >= v || floor.CompareAndSwap(was, v) {
				return
			}
		}
	}
	ask := func(what string, call func() (int, error)) {
		least := floor.Load()
		if got, err := call(); err == nil && int64(got) < least {
			t.Errorf("seed %d: %s returned version %d, invalidated up to %d before it was called", seed, what, got, least)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 60 {
				chance.nap(5)
				switch chance.below(10) {
				case 0:
					change()
				case 1:
					_, _ = c.Get(t.Context(), "other") // evicts
				case 2:
					ask("Refresh", func() (int, error) { return c.Refresh(t.Context(), "k") })
				case 3:
					ask("Peek", func() (int, error) {
						v, ok := c.Peek(t.Context(), "k")
						if !ok {
							return 0, errBackend
						}
						return v, nil
					})
				default:
					ask("Get", func() (int, error) { return c.Get(t.Context(), "k") })
				}
			}
		})
	}
	wg.Wait()
	settle(t, c)
}

func TestC22_FlightsAreDetachedFirstThenTheEntryIsDeleted(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		var j journal
		j.follow(r.faulty)
		write, deletion := r.gate(), r.gate()
		r.faulty.on(onOffer, blockOn(write, "k"))
		r.faulty.on(onInvalidate, blockOn(deletion, "k"))
		get(t, c, "k", 1)
		synctest.Wait()

		done := goInvalidate(t, c, "k")
		waits(t, done)
		if n := r.faulty.count(onInvalidate); n != 0 {
			t.Error("the deletion did not wait for the write of its key that is in progress")
		}
		mustInvalidate(t, c, "other") // another key's does not have to
		r.openGate(write)
		waits(t, done)
		if n := r.faulty.count(onInvalidate); n != 2 {
			t.Errorf("%d deletions have begun, want 2", n)
		}
		get(t, c, "k", 2) // neither the entry that is being deleted, nor a wait for the deletion
		waits(t, done)
		r.openGate(deletion)
		wantNil(t, "Invalidate", done)
		settle(t, c)
		if diff := cmp.Diff([]string{"offer k", "invalidate k", "offer k"}, j.of("k")); diff != "" {
			t.Errorf("order of writes differs (-want +got):\n%s", diff)
		}
		wantHeld(t, r, map[string]int{"k": 2})
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
	})
}

func TestC22_InvalidateAllReachesKeysThatAreOnlyFlights(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "stored", 100)
		r.source.hold("flying", "forced")
		flying := goGet(t.Context(), c, "flying")
		running := goGet(t.Context(), c, "forced")
		flight, front := r.source.nth(t, "flying", 1), r.source.nth(t, "forced", 1)
		queued := goRefresh(t.Context(), c, "forced")
		waits(t, queued)

		if err := c.InvalidateAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		behind := r.source.nth(t, "forced", 2)
		r.source.returns(flight, 1)
		r.source.returns(front, 1)
		wants(t, flying, 1)
		wants(t, running, 1)
		wantHeld(t, r, map[string]int{})
		r.source.returns(behind, 2)
		wants(t, queued, 2)
		r.source.unhold()
		get(t, c, "stored", 1)
		get(t, c, "flying", 2)
		get(t, c, "forced", 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{"stored": 1, "flying": 2, "forced": 2})
	})
}

func TestC22_InvalidateAllWaitsForWritesAndDelaysNoAnswer(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "stored", 100)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate, "writing"))
		get(t, c, "writing", 1)
		synctest.Wait()

		done := goInvalidateAll(t, c)
		waits(t, done)
		if n := r.faulty.count(onClear); n != 0 {
			t.Error("the storage was cleared during a write")
		}
		get(t, c, "new", 1) // answered, though it cannot be written yet
		waiting := goSet(t, c, "set", 50)
		waits(t, waiting)
		get(t, c, "set", 50)
		r.openGate(gate)
		wantNil(t, "InvalidateAll", done)
		wantNil(t, "Set", waiting)
		get(t, c, "writing", 2)
		get(t, c, "stored", 1)
		settle(t, c)
		r.source.began(t, "new", 1)
		r.source.began(t, "set", 0)
		wantHeld(t, r, map[string]int{"writing": 2, "stored": 1, "new": 1, "set": 50})
	})
}

func TestC22_InvalidateAllOutlastsAStuckWrite(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate, "stuck"))
		get(t, c, "stuck", 1)
		synctest.Wait()
		done := goInvalidateAll(t, c)
		r.advance(time.Second - 1)
		waits(t, done)
		r.advance(1)
		wantNil(t, "InvalidateAll", done)
		r.faulty.on(onOffer, failWith(errStore))
		r.openGate(gate) // the write that was given up on lands
		synctest.Wait()
		wantHeld(t, r, map[string]int{"stuck": 1})
		peeks(t, c, "stuck", 0)
		get(t, c, "stuck", 2)
	})
}

// Several InvalidateAll, with loads and Sets of many keys in between, get through.
func TestC22_InvalidateAllsDoNotBlockEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		if r.faulty != nil {
			for _, m := range []method{onOffer, onClear, onInvalidate} {
				r.faulty.on(m, func(context.Context, string) error {
					time.Sleep(time.Millisecond)
					return nil
				})
			}
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 20 {
					key := fmt.Sprint((i + n) % 5)
					switch i {
					case 0, 1:
						if err := c.InvalidateAll(t.Context()); err != nil {
							t.Error(err)
						}
					case 2:
						mustInvalidate(t, c, key)
					case 3:
						mustSet(t, c, key, n)
					default:
						if _, err := c.Get(t.Context(), key); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		if err := c.InvalidateAll(t.Context()); err != nil {
			t.Error(err)
		}
		settle(t, c)
		wantHeld(t, r, map[string]int{})
	})
}

func TestC22_SetSupersedesLoads(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		early := goGet(t.Context(), c, "k")
		l := r.source.nth(t, "k", 1)
		mustSet(t, c, "k", 50)
		get(t, c, "k", 50)
		r.source.returns(l, 1)
		wants(t, early, 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 50})
		get(t, c, "k", 50)
		r.source.began(t, "k", 1)
	})
}

func TestC22_SetSupersedesLoadThatIsBeingWritten(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		synctest.Wait()
		done := goSet(t, c, "k", 50)
		waits(t, done) // behind the write in progress
		get(t, c, "k", 50)
		r.openGate(gate)
		wantNil(t, "Set", done)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 50})
		r.source.began(t, "k", 1)
	})
}

func TestC22_SetStartsTheQueuedForcedLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		early := goGet(t.Context(), c, "k")
		one := r.source.nth(t, "k", 1)
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		mustSet(t, c, "k", 50)
		two := r.source.nth(t, "k", 2)
		get(t, c, "k", 50)
		r.source.returns(two, 2) // it began after the Set, so it is newer
		wants(t, forced, 2)
		r.source.returns(one, 1)
		wants(t, early, 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestC22_SetAnswersLookupsInProgress(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		mustSet(t, c, "k", 50)
		wants(t, early, 50)
		r.openGate(gate)
		settle(t, c)
		r.source.began(t, "k", 0)
	})
}

func TestC22_SetsTakeEffectInTheirOrder(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		var sets []*call[struct{}]
		for v := 50; v < 60; v++ {
			sets = append(sets, goSet(t, c, "k", v))
			get(t, c, "k", v)
		}
		deleted := goInvalidate(t, c, "k")
		sets = append(sets, goSet(t, c, "k", 60))
		r.openGate(gate)
		wantNil(t, "Invalidate", deleted)
		for _, s := range sets {
			wantNil(t, "Set", s)
		}
		wantHeld(t, r, map[string]int{"k": 60})
		get(t, c, "k", 60)
		r.source.began(t, "k", 0)
	})
}

// An invalidation also drops a Set that is still being written.
func TestC22_InvalidateDropsSetInProgress(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		set := goSet(t, c, "k", 50)
		waits(t, set)
		done := goInvalidate(t, c, "k")
		waits(t, done)
		get(t, c, "k", 1)
		r.openGate(gate)
		wantNil(t, "Set", set)
		wantNil(t, "Invalidate", done)
		get(t, c, "k", 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 1})
	})
}

func TestC22_FailedSetReturnsItsErrorAndTheOldEntryIsRefused(t *testing.T) {
	for name, f := range map[string]struct {
		fault fault[string]
		is    func(error) bool
	}{
		"error": {failWith(errStore), func(err error) bool { return errors.Is(err, errStore) }},
		"panic": {func(context.Context, string) error { panic("boom") }, func(err error) bool { return isPanic(err, "boom") }},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				c := r.open(t)
				get(t, c, "k", 1)
				settle(t, c)
				r.faulty.on(onOffer, f.fault)
				if err := c.Set(t.Context(), "k", 50); !f.is(err) {
					t.Errorf("Set: %v", err)
				}
				wantHeld(t, r, map[string]int{"k": 1})
				peeks(t, c, "k", 0)
				get(t, c, "k", 2)
				settle(t, c) // its write has failed too
				peeks(t, c, "k", 0)
				r.faulty.heal()
				get(t, c, "k", 3)
				settle(t, c)
				get(t, c, "k", 3)
				wantHeld(t, r, map[string]int{"k": 3})
			})
		})
	}
}

// A Set that hangs is given up on; when it lands after all, it is as refused as the entry that it was to replace.
func TestC22_HangingSet(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		set := goSet(t, c, "k", 50)
		r.advance(time.Second)
		fails(t, set, context.DeadlineExceeded)
		peeks(t, c, "k", 0)
		r.faulty.on(onOffer, failWith(errStore))
		r.openGate(gate)
		synctest.Wait()
		wantHeld(t, r, map[string]int{"k": 50})
		get(t, c, "k", 2)
		settle(t, c)
		r.faulty.heal()
		get(t, c, "k", 3)
		settle(t, c)
		get(t, c, "k", 3)
	})
}

func TestC22_SetWhoseCtxEnds(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		set := asyncErr(func() error { return c.Set(ctx, "k", 50) })
		waits(t, set)
		cancel()
		fails(t, set, context.Canceled)
		get(t, c, "k", 50)
		r.openGate(gate)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 50})

		if err := c.Set(ctx, "k", 60); !errors.Is(err, context.Canceled) {
			t.Errorf("Set with an ended ctx: %v", err)
		}
		get(t, c, "k", 50)
	})
}

func TestC22_SetThatIsNotKeptRemovesTheOldEntry(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithExpireAfter(time.Minute))
		get(t, c, "k", 1)
		settle(t, c)
		if err := c.Reconfigure(cache.WithUpdateAfter(0), cache.WithExpireAfter(0)); err != nil {
			t.Fatal(err)
		}
		mustSet(t, c, "k", 50)
		wantHeld(t, r, map[string]int{})
		get(t, c, "k", 2)
	})
}

// The ways in which a deletion can go wrong. None of them deletes anything.
var badDeletions = map[string]struct {
	fault func(gate <-chan struct{}) fault[string]
	is    func(error) bool
}{
	"error": {
		func(<-chan struct{}) fault[string] { return failWith(errStore) },
		func(err error) bool { return errors.Is(err, errStore) },
	},
	"panic": {
		func(<-chan struct{}) fault[string] { return func(context.Context, string) error { panic("boom") } },
		func(err error) bool { return isPanic(err, "boom") },
	},
	"hangs": {
		func(gate <-chan struct{}) fault[string] {
			return func(context.Context, string) error {
				<-gate
				return errStore
			}
		},
		func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
	},
}

func TestC23_FailedDeletionReturnsItsErrorAndTheOldEntryIsRefused(t *testing.T) {
	for name, bad := range badDeletions {
		t.Run(name, func(t *testing.T) {
			for what, begin := range map[string]func(*testing.T, *rig) *call[struct{}]{
				"Invalidate":    func(t *testing.T, r *rig) *call[struct{}] { return goInvalidate(t, r.cache, "k") },
				"InvalidateAll": func(t *testing.T, r *rig) *call[struct{}] { return goInvalidateAll(t, r.cache) },
			} {
				t.Run(what, func(t *testing.T) {
					on(t, staged, func(t *testing.T, r *rig) {
						c := r.open(t)
						get(t, c, "k", 1)
						settle(t, c)
						gate := r.gate()
						r.faulty.on(onInvalidate, bad.fault(gate))
						r.faulty.on(onClear, bad.fault(gate))
						done := begin(t, r)
						if name == "hangs" {
							waits(t, done)
							r.advance(time.Second)
						}
						if _, err := done.result(t); !bad.is(err) {
							t.Errorf("%s: %v", what, err)
						}
						wantHeld(t, r, map[string]int{"k": 1})
						peeks(t, c, "k", 0)

						// It stays refused while what replaces it cannot be written.
						r.faulty.on(onOffer, failWith(errStore))
						get(t, c, "k", 2)
						settle(t, c)
						r.advance(time.Minute)
						peeks(t, c, "k", 0)
						get(t, c, "k", 3)
						settle(t, c)
						wantHeld(t, r, map[string]int{"k": 1})

						r.faulty.on(onOffer, nil)
						get(t, c, "k", 4)
						settle(t, c)
						get(t, c, "k", 4)
						peeks(t, c, "k", 4)
						r.source.began(t, "k", 4)
					})
				})
			}
		})
	}
}

func TestC23_InvalidateWithEndedCtxTakesEffect(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = c.Invalidate(ended, "k") // its error depends on how quick the storage is
		get(t, c, "k", 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestC23_InvalidateAllWithEndedCtxTakesEffect(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = c.InvalidateAll(ended)
		get(t, c, "k", 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

// pausingLookup is a local storage whose reads a test can hold up when they have been made.
type pausingLookup struct {
	*localStorage[string, int]
	pause func()
}

func (s pausingLookup) Lookup(key string) *storage.Entry[int] {
	entry := s.localStorage.Lookup(key)
	s.pause()
	return entry
}

// The call of Invalidate has returned because its ctx had ended, and the deletion goes on. A call that starts then has read the old entry when the deletion ends:
// it must refuse it though there is nothing left to be refused.
func TestC23_ReadDuringWhichTheDeletionEnds(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, r *rig) (int, error){
		"Get": func(t *testing.T, r *rig) (int, error) { return r.cache.Get(t.Context(), "k") },
		"Peek": func(t *testing.T, r *rig) (int, error) {
			v, _ := r.cache.Peek(t.Context(), "k")
			return v, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				deletion, read := r.gate(), r.gate()
				var paused atomic.Bool
				pause := func() {
					if paused.Load() {
						<-read
					}
				}
				if r.sort == inLocal {
					r.store = pausingLookup{r.store.(*localStorage[string, int]), pause}
				} else {
					r.faulty.onceDone(onGet, func(context.Context, string) error {
						pause()
						return nil
					})
				}
				c := r.open(t)
				mustSet(t, c, "k", 50)
				settle(t, c)
				r.faulty.on(onInvalidate, blockOn(deletion))
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if err := c.Invalidate(ended, "k"); !errors.Is(err, context.Canceled) {
					t.Fatalf("Invalidate: %v", err)
				}
				synctest.Wait()
				paused.Store(true)
				call := async(func() (int, error) { return ask(t, r) })
				waits(t, call)
				paused.Store(false)
				r.openGate(deletion)
				synctest.Wait()
				r.openGate(read)
				if got, err := call.result(t); got == 50 || err != nil {
					t.Errorf("%s = %v, %v: the value from before", name, got, err)
				}
			})
		})
	}
}

// With a foreign strategy not even the removal from a Memory is done on the caller's goroutine.
func TestC23_InvalidateWithEndedCtxAndForeignStrategy(t *testing.T) {
	for what, invalidate := range map[string]func(*rig, context.Context) error{
		"Invalidate":    func(r *rig, ctx context.Context) error { return r.cache.Invalidate(ctx, "k") },
		"InvalidateAll": func(r *rig, ctx context.Context) error { return r.cache.InvalidateAll(ctx) },
	} {
		t.Run(what, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				s := newStrict(t, 2)
				c := r.open(t, cache.WithEviction[string](s))
				for n := range 20 { // whether it is seen depends on the scheduler
					get(t, c, "k", n+1)
					settle(t, c)
					_ = invalidate(r, ended)
					peeks(t, c, "k", 0)
					settle(t, c)
				}
				s.agrees(t, r)
			})
		})
	}
}

func TestC23_InvalidateAllWithoutClearerIsUnsupportedAndRefuses(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(10))
		if err := c.Reconfigure(cache.WithStorage[string, int](unclearable{r.faulty})); err != nil {
			t.Fatal(err)
		}
		mustSet(t, c, "a", 50)
		mustSet(t, c, "b", 60)
		r.advance(1)
		if err := c.InvalidateAll(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("InvalidateAll: %v, want it to be unsupported", err)
		}
		peeks(t, c, "a", 0)
		get(t, c, "a", 1)
		get(t, c, "b", 1)
		settle(t, c)
		get(t, c, "a", 1)
		get(t, c, "b", 1)
		if n := c.Stats().StorageErrors; n != 0 {
			t.Errorf("%d storage errors for what the storage does not claim to do", n)
		}
	})
}

// A write that was given up on lands after the invalidation, before or after a newer entry was stored: it is refused until it would have expired.
func TestC23_LateWriteIsRefusedAfterInvalidate(t *testing.T) {
	for what, invalidate := range map[string]func(*testing.T, *rig) error{
		"Invalidate":    func(t *testing.T, r *rig) error { return r.cache.Invalidate(t.Context(), "k") },
		"InvalidateAll": func(t *testing.T, r *rig) error { return r.cache.InvalidateAll(t.Context()) },
	} {
		for _, when := range []string{"before the newer entry", "after the newer entry"} {
			t.Run(what+"/"+when, func(t *testing.T) {
				on(t, staged, func(t *testing.T, r *rig) {
					c := r.open(t)
					gate := r.gate()
					r.faulty.on(onOffer, blockOn(gate))
					get(t, c, "k", 1)
					r.advance(time.Second) // its write is given up on
					r.faulty.on(onOffer, nil)
					if err := invalidate(t, r); err != nil {
						t.Fatal(err)
					}
					want := 2
					if when == "before the newer entry" {
						r.openGate(gate)
						synctest.Wait()
						wantHeld(t, r, map[string]int{"k": 1})
						peeks(t, c, "k", 0)
						get(t, c, "k", want)
					} else {
						get(t, c, "k", want)
						settle(t, c)
						get(t, c, "k", want)
						r.openGate(gate)
						synctest.Wait()
						wantHeld(t, r, map[string]int{"k": 1})
						want++
						get(t, c, "k", want)
					}
					settle(t, c)
					get(t, c, "k", want)
					peeks(t, c, "k", want)
					r.source.began(t, "k", want)
				})
			})
		}
	}
}

// Until it would have expired, however long that is after the invalidation.
func TestC23_LateWriteThatLandsMuchLater(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		r.advance(time.Second)
		r.faulty.on(onOffer, nil)
		mustInvalidate(t, c, "k")
		r.advance(expireAfter - time.Second - 1) // the last instant at which it would be handed out
		r.openGate(gate)
		synctest.Wait()
		wantHeld(t, r, map[string]int{"k": 1})
		peeks(t, c, "k", 0)
		get(t, c, "k", 2)
		settle(t, c)
		r.advance(1)
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
	})
}

// The value of a load that begins at the very instant of an invalidation is from after it.
func TestC23_LoadAtTheInstantOfAnInvalidation(t *testing.T) {
	for what, fail := range map[string]bool{"that succeeds": false, "that fails": true} {
		t.Run(what, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				if fail && r.faulty == nil {
					t.Skip("a Memory does not fail")
				}
				c := r.open(t)
				mustSet(t, c, "k", 50)
				if fail {
					r.faulty.on(onInvalidate, failWith(errStore))
				}
				if err := c.Invalidate(t.Context(), "k"); (err != nil) != fail {
					t.Fatalf("Invalidate: %v", err)
				}
				get(t, c, "k", 1)
				settle(t, c)
				get(t, c, "k", 1)
				peeks(t, c, "k", 1)
				r.source.began(t, "k", 1)
				wantHeld(t, r, map[string]int{"k": 1})
				if fail {
					entry := r.faulty.snapshot()["k"]
					if got := entry.Created().Sub(r.clock.Now()); got != 1 {
						t.Errorf("the entry was created %v after the invalidation, want 1ns", got)
					}
					if got := entry.ExpireAfter().Sub(entry.Created()); got != expireAfter {
						t.Errorf("the entry lives for %v, want %v", got, expireAfter)
					}
				}
				mustInvalidateOr(t, c, fail)
				mustSet(t, c, "k", 60) // a Set at that instant likewise
				get(t, c, "k", 60)
			})
		})
	}
}

func mustInvalidateOr(t *testing.T, c *cache.Cache[string, int], fail bool) {
	t.Helper()
	if err := c.Invalidate(t.Context(), "k"); (err != nil) != fail {
		t.Fatalf("Invalidate: %v", err)
	}
}

// A load that begins at the very instant of a Set whose write then fails is from after it, too.
func TestC23_LoadAtTheInstantOfASetThatFails(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, func(context.Context, string) error {
			<-gate
			return errStore
		})
		set := goSet(t, c, "k", 50)
		waits(t, set)
		refreshed := goRefresh(t.Context(), c, "k")
		wants(t, refreshed, 1)
		r.faulty.on(onOffer, nil)
		r.openGate(gate)
		fails(t, set, errStore)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 1})
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
	})
}

// Two invalidations at one instant, both with a deletion that fails, and a load between them: its entry is refused by the second.
func TestC23_SecondFailedInvalidationAtTheSameInstant(t *testing.T) {
	for what, invalidate := range map[string]func(*testing.T, *rig) error{
		"Invalidate":    func(t *testing.T, r *rig) error { return r.cache.Invalidate(t.Context(), "k") },
		"InvalidateAll": func(t *testing.T, r *rig) error { return r.cache.InvalidateAll(t.Context()) },
	} {
		t.Run(what, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.faulty.on(onInvalidate, failWith(errStore))
				r.faulty.on(onClear, failWith(errStore))
				get(t, c, "k", 1)
				settle(t, c)
				for n := 2; n < 5; n++ {
					if err := invalidate(t, r); !errors.Is(err, errStore) {
						t.Fatalf("%s: %v", what, err)
					}
					peeks(t, c, "k", 0)
					get(t, c, "k", n)
					settle(t, c)
					get(t, c, "k", n)
				}
			})
		})
	}
}

func TestC24_EachRemovalIsToldExactlyOnce(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		s := newStrict(t, 2)
		c := r.open(t, cache.WithEviction[string](s))
		told := func(what string, want int) {
			t.Helper()
			settle(t, c)
			if got := s.count(what); got != want {
				t.Errorf("the strategy was told %d times %q, want %d", got, what, want)
			}
		}
		get(t, c, "a", 1)
		told("written a", 1)
		refreshes(t, c, "a", 2)
		told("written a", 2)
		mustSet(t, c, "b", 50)
		told("written b", 1)
		get(t, c, "c", 1) // a has to go
		told("written c", 1)
		told("named a", 1)
		told("released a", 1)
		mustInvalidate(t, c, "b")
		told("released b", 1)
		s.agrees(t, r)
		get(t, c, "d", 1)
		settle(t, c)
		if err := c.InvalidateAll(t.Context()); err != nil {
			t.Error(err)
		}
		told("clear", 2) // once before, when New told it of an empty storage
		told("released c", 0)
		told("released d", 0)
		s.agrees(t, r)
		if n := c.Stats().Evictions; n != 1 {
			t.Errorf("%d evictions, want 1", n)
		}
	})
}

// A load whose value is not kept removes what was there, and the strategy is told.
func TestC24_RemovalByALoadThatIsNotKept(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		s := newStrict(t, 2)
		c := r.open(t, cache.WithEviction[string](s))
		get(t, c, "k", 1)
		settle(t, c)
		if err := c.Reconfigure(cache.WithUpdateAfter(0), cache.WithExpireAfter(0)); err != nil {
			t.Fatal(err)
		}
		refreshes(t, c, "k", 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{})
		s.agrees(t, r)
		if n := s.count("released k"); n != 1 {
			t.Errorf("the removal was told %d times, want once", n)
		}
	})
}

// At rest the storage and the strategy's books hold the same keys, whatever went on, and the strategy heard of the writes of a key in their order.
func TestC24_StorageAndStrategyAgreeAfterAnything(t *testing.T) {
	for _, trouble := range []string{"healthy storage", "failing storage", "storage that fails after it has done its work"} {
		t.Run(trouble, func(t *testing.T) {
			for seed := range uint64(6) {
				onEach(t, func(t *testing.T, r *rig) {
					if trouble != "healthy storage" && r.faulty == nil {
						t.Skip("a Memory does not fail")
					}
					if trouble == "storage that fails after it has done its work" && r.sort == inRemote {
						t.Skip("nobody can know")
					}
					agreeAfterStorm(t, r, trouble, seed)
				})
			}
		})
	}
}

func agreeAfterStorm(t *testing.T, r *rig, trouble string, seed uint64) {
	const capacity = 3
	s := newStrict(t, capacity)
	var j journal
	s.journal = &j
	chance := newChance(seed)
	if r.faulty != nil {
		words := map[method]string{onOffer: "offer ", onRelease: "release ", onInvalidate: "invalidate "}
		for _, m := range []method{onGet, onOffer, onRelease, onInvalidate, onClear} {
			r.faulty.on(m, func(_ context.Context, key string) error {
				chance.nap(3)
				// A remote storage that fails to release what it does not hold is a test of its own.
				gone := m == onRelease && r.faulty.snapshot()[key] == nil
				if trouble == "failing storage" && !gone && chance.of(4) {
					return errStore
				}
				return nil
			})
			r.faulty.onceDone(m, func(_ context.Context, key string) error {
				if word := words[m]; word != "" {
					j.add(word + key)
				}
				chance.nap(3)
				if trouble == "storage that fails after it has done its work" && m != onClear && chance.of(4) {
					return errStore
				}
				return nil
			})
		}
	}
	r.source.answers(func(l *load[string, int]) (int, error) {
		chance.nap(4)
		if chance.of(6) {
			return 0, errBackend
		}
		return l.ordinal, nil
	})
	c := r.open(t, cache.WithEviction[string](s), cache.WithUpdateAfter(time.Minute), cache.WithRefreshBackoff(0),
		cache.WithStorageTimeout(cache.Forever)) // so that no write is given up on, to land behind others
	cleared := s.count("clear")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 80 {
				key := fmt.Sprint("k", chance.below(7))
				chance.nap(3)
				switch chance.below(12) {
				case 0:
					_ = c.Set(t.Context(), key, 50)
				case 1:
					_ = c.Invalidate(t.Context(), key)
				case 2:
					_, _ = c.Refresh(t.Context(), key)
				case 3:
					r.clock.Advance(20 * time.Second)
				case 4:
					if seed%2 == 0 && chance.of(6) {
						_ = c.InvalidateAll(t.Context())
					}
				default:
					_, _ = c.Get(t.Context(), key)
				}
			}
		})
	}
	wg.Wait()
	settle(t, c)
	if trouble == "healthy storage" && r.faulty != nil && s.count("clear") == cleared {
		wantAlternation(t, &j)
	}
	if r.faulty != nil {
		r.faulty.heal()
	}
	s.agrees(t, r)
	mustSet(t, c, "last", 1) // the write that retries what failed before
	settle(t, c)
	s.agrees(t, r)
	if n := len(r.held()); n > capacity {
		t.Errorf("%d entries at rest, capacity %d", n, capacity)
	}
}

// wantAlternation checks that each write of a key was told to the strategy before the next write of that key began. The removal of what is not
// there may be told or not, and a victim that was not released after all is told of again.
func wantAlternation(t *testing.T, j *journal) {
	t.Helper()
	telling := map[string]string{"offer": "written", "release": "released", "invalidate": "released"}
	for n := range 7 {
		key := fmt.Sprint("k", n)
		owed, held := "", false
		for i, line := range j.of(key) {
			word, _, _ := strings.Cut(line, " ")
			switch {
			case word == owed:
				owed = ""
			case word == "written" && owed == "" && held:
			case telling[word] != "" && (owed == "" || owed == "released" && !held):
				owed, held = telling[word], held || word == "offer"
			default:
				t.Errorf("event %d of %q is %q, out of turn (owed: %q), after %q", i, key, word, owed, j.of(key)[max(0, i-6):i])
				return
			}
			if word == "released" {
				held = false
			}
		}
		if owed != "" && held {
			t.Errorf("the last write of %q was not told: want %q", key, owed)
		}
	}
}

// A write that was given up on and lands late is in the books from then on, and counts for the capacity.
func TestC24_LateWriteIsTold(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		s := newStrict(t, 1)
		c := r.open(t, cache.WithEviction[string](s))
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate, "late"))
		get(t, c, "late", 1)
		r.advance(time.Second)
		settle(t, c)
		s.agrees(t, r)
		mustSet(t, c, "k", 50)
		r.openGate(gate)
		settle(t, c)
		synctest.Wait()
		s.agrees(t, r)
		if held := r.held(); len(held) != 1 {
			t.Errorf("the storage holds %v, want one key", held)
		}
	})
}

// A victim that was invalidated while it waited for its turn must not come back into the books because its release failed.
func TestC24_FailedReleaseOfAKeyThatIsGone(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		s := newStrict(t, 1)
		c := r.open(t, cache.WithEviction[string](s))
		mustSet(t, c, "a", 50)
		gate := r.gate()
		r.faulty.on(onInvalidate, blockOn(gate))
		r.faulty.on(onRelease, failWith(errStore))
		deleted := goInvalidate(t, c, "a")
		mustSet(t, c, "b", 60) // names a as its victim
		r.openGate(gate)
		wantNil(t, "Invalidate", deleted)
		settle(t, c)
		wantHeld(t, r, map[string]int{"b": 60})
		s.agrees(t, r)
	})
}

// Capacity 1 and two keys, at all times and on all storages: never two entries at rest.
func TestC24_EvictionAndInvalidationKeepTheSameBooks(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		s := newStrict(t, 1)
		c := r.open(t, cache.WithEviction[string](s))
		for range 3 {
			get(t, c, "a", r.source.count("a")+1)
			settle(t, c)
			mustInvalidate(t, c, "a")
			get(t, c, "b", r.source.count("b")+1)
			settle(t, c)
			get(t, c, "a", r.source.count("a")+1)
			settle(t, c)
			if got := r.held(); len(got) != 1 {
				t.Errorf("the storage holds %v, want one key", got)
			}
			s.agrees(t, r)
			mustInvalidate(t, c, "a")
		}
	})
}
