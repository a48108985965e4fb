package cache_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// Interleavings that a review found to break a promise, each with the promise that it broke.

// panicList is a storage that cannot be listed, though it says so.
type panicList struct{ *faultyStorage[string, int] }

func (panicList) All() iter.Seq2[string, *storage.Entry[int]] { panic("no list") }

// copying is a local storage that hands out another entry on every read.
type copying struct{ *faultyStorage[string, int] }

func (s copying) Lookup(key string) *storage.Entry[int] {
	e, _ := s.faultyStorage.Get(context.Background(), key)
	return e
}

func (s copying) All() iter.Seq2[string, *storage.Entry[int]] { return maps.All(s.snapshot()) }

// A Set that waits for its turn, and whose value has been seen, is from before the deletion.
func TestC22_WaitingSetDoesNotSurviveInvalidateAll(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		goSet(t, c, "k", 100)
		goSet(t, c, "k", 200) // waits for its turn
		get(t, c, "k", 200)   // has been seen
		all := goInvalidateAll(t, c)
		r.openGate(gate)
		wantNil(t, "InvalidateAll", all)
		settle(t, c)
		get(t, c, "k", 1)
	})
}

// The removal that a value causes which is not kept is not dropped when a call comes in between.
func TestC12_UnkeptValueRemovesTheEntryFromBefore(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newRemoteStorage[string, int]()
		src := newSource(clock, func(l *load[string, int]) (int, error) { return l.ordinal, nil })
		gate := make(chan struct{})
		var slow atomic.Bool
		c := open(t, src.load, cache.WithStorage(st), cache.WithClock(clock),
			cache.WithObserver(func(e cache.Event) {
				if e.Kind == cache.LoadSucceeded && slow.Load() {
					<-gate
				}
			}),
			cache.WithEntryBuilder(entrybuilder.PerValue(func(_ string, v int) (time.Duration, time.Duration) {
				if v == 2 {
					return 0, 0
				}
				return time.Hour, time.Hour
			})))
		get(t, c, "k", 1)
		settle(t, c)
		slow.Store(true)
		ref := goRefresh(t.Context(), c, "k")
		waits(t, ref)
		get(t, c, "k", 1) // the old one is still there
		close(gate)
		wants(t, ref, 2)
		settle(t, c)
		if len(st.snapshot()) != 0 {
			t.Error("the old entry is still in the storage")
		}
		get(t, c, "k", 3)
	})
}

// A lookup that began before a Set is not joined after it, also if the Set has removed the entry.
func TestC22_SetOfAnUnkeptValueEndsLookups(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithEntryBuilder(entrybuilder.PerValue(func(_ string, v int) (time.Duration, time.Duration) {
			if v == 100 {
				return 0, 0
			}
			return time.Hour, time.Hour
		})))
		get(t, c, "k", 1)
		settle(t, c)
		gate := r.gate()
		r.faulty.onceDone(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		mustSet(t, c, "k", 100)
		late := goGet(t.Context(), c, "k") // begins after Set has returned
		waits(t, late)
		r.openGate(gate)
		wants(t, late, 2)
		settle(t, c)
	})
}

// An entry that is stored counts, whatever the storage says of it.
func TestC28_OfferThatStoredAndFailed(t *testing.T) {
	on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1))
		get(t, c, "a", 1)
		settle(t, c)
		r.faulty.onceDone(onOffer, failWith(errStore))
		get(t, c, "b", 1)
		settle(t, c)
		if n := len(r.held()); n > 1 {
			t.Errorf("holds %d at rest, capacity 1", n)
		}
	})
}

// The strategy is resized only when everything else fits.
func TestC35_FailedReconfigureKeepsTheCapacity(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		lru := eviction.NewLeastRecentlyUsed[string](10)
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithEviction[string](lru))
		for _, k := range []string{"a", "b", "c"} {
			get(t, c, k, 1)
		}
		settle(t, c)
		err := c.Reconfigure(cache.WithCapacity(1), cache.WithStorage[string, int](panicList{newRemoteStorage[string, int]()}))
		if err == nil {
			t.Fatal("no error")
		}
		if lru.Capacity() != 10 {
			t.Errorf("capacity is %d after a refused Reconfigure, was 10: %v", lru.Capacity(), err)
		}
	})
}

// A load that causes a background load does not wait for it, so that one may ask for its key.
func TestC33_BackgroundLoadIsNotWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		var c *cache.Cache[string, int]
		gate := make(chan struct{})
		rec := &recorder{}
		c = open(t, func(ctx context.Context, key string) (int, error) {
			switch key {
			case "a":
				v, err := c.Get(ctx, "b") // a stale hit: returns at once
				<-gate
				return v, err
			default:
				if clock.Now().After(epoch) {
					return c.Get(ctx, "a")
				}
				return 1, nil
			}
		}, cache.WithClock(clock), cache.WithObserver(rec.observe))
		get(t, c, "b", 1)
		clock.Advance(10 * time.Minute)
		a := goGet(t.Context(), c, "a")
		waits(t, a)
		if n := rec.count(cache.RefreshFailed); n > 0 {
			t.Errorf("refresh failed: %v", rec.all(cache.RefreshFailed)[0].Err)
		}
		close(gate)
		wants(t, a, 1)
		settle(t, c)
	})
}

// A strategy that exits the goroutine that books a late write does not keep the key.
func TestC20_StrategyExitsWhenAWriteLandsLate(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newRemoteStorage[string, int]()
		gate := make(chan struct{})
		st.on(onOffer, blockOn(gate))
		hs := &hookedStrategy{Strategy: eviction.NewSIEVE[string](10)}
		c := open(t, func(ctx context.Context, _ string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithStorage(st), cache.WithEviction[string](hs))
		get(t, c, "k", 1)
		advance(clock, time.Second)
		settle(t, c)
		hs.markWritten = func(string) { runtime.Goexit() }
		close(gate)
		synctest.Wait()
		hs.markWritten = nil
		st.heal()
		set := goSet(t, c, "k", 5)
		if set.waiting() {
			clock.Advance(time.Hour)
			synctest.Wait()
			if set.waiting() {
				t.Fatal("Set hangs for ever")
			}
		}
	})
}

// The time that the observer takes is part of the timeout.
func TestC16_SlowObserverDoesNotMoveTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		gate := make(chan struct{})
		c := open(t, func(ctx context.Context, _ string) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, cache.WithClock(clock), cache.WithTimeout(time.Minute), cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.LoadStarted {
				<-gate
			}
		}))
		g := goGet(t.Context(), c, "k")
		waits(t, g)
		clock.Advance(30 * time.Second)
		close(gate)
		advance(clock, 30*time.Second)
		if g.waiting() {
			t.Error("at start + timeout the caller still waits")
			advance(clock, 30*time.Second)
		}
		fails(t, g, cache.ErrLoadTimeout)
		settle(t, c)
	})
}

// A deletion that was given up on and is carried out late is booked. Only of a Clear in a storage that cannot list what is left, the strategy
// does not hear: it knows too much until the keys have been its victims.
func TestC24_DeletionThatLandsLate(t *testing.T) {
	for _, m := range []method{onInvalidate, onClear, onRelease} {
		t.Run(string(m), func(t *testing.T) {
			sorts := []sort{inLocal, inRemote}
			if m == onClear {
				sorts = sorts[:1]
			}
			on(t, sorts, func(t *testing.T, r *rig) {
				lru := eviction.NewLeastRecentlyUsed[string](2)
				c := r.open(t, cache.WithEviction[string](lru))
				get(t, c, "a", 1)
				get(t, c, "b", 1)
				settle(t, c)
				gate := r.gate()
				r.faulty.on(m, blockOn(gate))
				switch m {
				case onInvalidate:
					goInvalidate(t, c, "a")
				case onClear:
					goInvalidateAll(t, c)
				case onRelease:
					goGet(t.Context(), c, "c")
				}
				r.advance(time.Second)
				settle(t, c)
				r.openGate(gate)
				synctest.Wait()
				settle(t, c)
				if h := len(r.held()); h != lru.Len() {
					t.Errorf("storage holds %d (%v), strategy knows %d", h, r.held(), lru.Len())
				}
			})
		})
	}
}

// An offer that was carried out in time and answers late is booked as what the storage holds then.
func TestC24_OfferThatAnswersLate(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		lru := eviction.NewLeastRecentlyUsed[string](2)
		c := r.open(t, cache.WithEviction[string](lru))
		gate := r.gate()
		r.faulty.onceDone(onOffer, blockOn(gate)) // stored, but answers late
		get(t, c, "a", 1)
		r.advance(time.Second)
		settle(t, c)
		r.faulty.onceDone(onOffer, nil)
		mustInvalidate(t, c, "a")
		r.openGate(gate)
		synctest.Wait()
		settle(t, c)
		if h := len(r.held()); h != lru.Len() {
			t.Errorf("storage holds %d (%v), strategy knows %d", h, r.held(), lru.Len())
		}
	})
}

// Contexts that the load function derives end with the same error.
func TestC07_DerivedCtxEndsWithTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		var derived error
		c := open(t, func(ctx context.Context, _ string) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, 1000*time.Hour)
			defer cancel()
			<-ctx.Done()
			derived = ctx.Err()
			return 0, ctx.Err()
		}, cache.WithClock(clock), cache.WithTimeout(time.Minute))
		g := goGet(t.Context(), c, "k")
		advance(clock, time.Minute)
		fails(t, g, cache.ErrLoadTimeout)
		settle(t, c)
		if !errors.Is(derived, context.DeadlineExceeded) {
			t.Errorf("derived ctx ended with %v", derived)
		}
	})
}

// A timeout is over when its callers have been answered.
func TestC32_CloseWaitsForTheAnswerOfATimeout(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		gate := make(chan struct{})
		c := open(t, func(ctx context.Context, _ string) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, cache.WithClock(clock), cache.WithTimeout(time.Minute), cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.LoadFailed {
				<-gate
			}
		}))
		g := goGet(t.Context(), c, "k")
		advance(clock, time.Minute)
		w := asyncErr(func() error { return c.Close(context.Background()) })
		if !w.waiting() && g.waiting() {
			t.Error("Close has returned nil while a call is waiting and the observer is running")
		}
		close(gate)
		synctest.Wait()
	})
}

// A storage call that is given up on counts as an error, and the call that waited for it has led nothing.
func TestC34_LookupGivenUpOnAtTheLockTimeout(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateLockTimeout(500*time.Millisecond))
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		g := goGet(t.Context(), c, "k")
		r.advance(500 * time.Millisecond)
		fails(t, g, cache.ErrUpdateLockTimeout)
		if s := c.Stats(); s.StorageErrors != 1 {
			t.Errorf("storage errors %d", s.StorageErrors)
		}
		if s := c.Stats(); s.Led != 0 {
			t.Errorf("led %d though there was no load", s.Led)
		}
	})
}

// A load that began after a Set whose write is slow is newer.
func TestC22_RefreshAfterAWaitingSet(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		goSet(t, c, "k", 100)
		refreshes(t, c, "k", 1)
		get(t, c, "k", 1)
		r.openGate(gate)
		settle(t, c)
		get(t, c, "k", 1)
	})
}

// InvalidateAll does not wait for an observer, and so nobody does.
func TestC10_StuckObserverOfAnInvalidation(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newLocalStorage[string, int]()
		gate := make(chan struct{})
		c := open(t, func(ctx context.Context, k string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithStorage[string, int](st), cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.Invalidated && e.Key == "a" {
				<-gate
			}
		}))
		goInvalidate(t, c, "a")
		goInvalidateAll(t, c)
		set := goSet(t, c, "b", 1)
		advance(clock, time.Hour)
		if set.waiting() {
			t.Error("a stuck observer of key a delays Set of b for ever")
		}
		close(gate)
		synctest.Wait()
	})
}

// The entry that a failed Set was to replace stays refused while many other keys are at work.
func TestC22_FailedSetAmongManyKeys(t *testing.T) {
	on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever), cache.WithEntryBuilder(entrybuilder.PerValue(func(_ string, v int) (time.Duration, time.Duration) {
			if v == 100 {
				return time.Minute, time.Minute
			}
			return time.Hour, time.Hour
		})))
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate, "k"))
		set := goSet(t, c, "k", 100)
		r.advance(time.Second)
		if _, err := set.result(t); err == nil {
			t.Fatal("no error")
		}
		r.faulty.on(onOffer, nil)
		mustSet(t, c, "k", 200)
		// four thousand other keys are being loaded
		r.source.hold()
		for i := range 4000 {
			goGet(t.Context(), c, fmt.Sprint(i))
		}
		r.advance(2 * time.Minute)
		r.faulty.on(onOffer, failWith(errStore, "k"))
		if err := c.Set(t.Context(), "k", 300); err == nil {
			t.Fatal("no error")
		}
		r.source.unhold()
		if v, _ := c.Get(t.Context(), "k"); v == 200 {
			t.Error("Get returned the entry that the failed Set was to replace")
		}
	})
}

// The same with the default parts, for every event that comes with a write.
func TestC10_StuckObserverAndInvalidateAll(t *testing.T) {
	for _, kind := range []cache.EventKind{cache.LoadSucceeded, cache.Invalidated, cache.Evicted} {
		t.Run(kind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				gate := make(chan struct{})
				c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithCapacity(1), cache.WithClock(clock),
					cache.WithObserver(func(e cache.Event) {
						if e.Kind == kind && e.Key == "a" {
							<-gate
						}
					}))
				goGet(t.Context(), c, "a")
				synctest.Wait()
				if kind == cache.Evicted {
					goGet(t.Context(), c, "b")
				}
				if kind == cache.Invalidated {
					goInvalidate(t, c, "a")
				}
				synctest.Wait()
				goInvalidateAll(t, c)
				g := goGet(t.Context(), c, "other")
				advance(clock, 10*time.Hour)
				if g.waiting() {
					t.Error("Get of another key hangs for ever")
				}
				close(gate)
				synctest.Wait()
			})
		})
	}
}

// A strategy that fails while it is told of another storage gets its books back.
func TestC35_FailedReconfigureKeepsTheBooks(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		lru := eviction.NewLeastRecentlyUsed[string](10)
		hs := &hookedStrategy{Strategy: lru}
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithEviction[string](hs))
		for _, k := range []string{"a", "b", "c"} {
			get(t, c, k, 1)
		}
		settle(t, c)
		hs.markWritten = func(k string) {
			if k == "x" {
				panic("x")
			}
		}
		other := newLocalStorage[string, int]()
		other.put("x", entryAt(epoch, 1))
		if err := c.Reconfigure(cache.WithStorage[string, int](other)); err == nil {
			t.Fatal("no error")
		}
		if lru.Len() != 3 {
			t.Errorf("after a refused Reconfigure the strategy knows %d keys, the storage holds 3", lru.Len())
		}
	})
}

// What is in no book does not stay in the storage.
func TestC28_StrategyThatPanicsWhenToldOfAKey(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		lru := eviction.NewLeastRecentlyUsed[string](1)
		hs := &hookedStrategy{Strategy: lru, markWritten: func(k string) {
			if k == "x" {
				panic("x")
			}
		}}
		m := storage.NewMemory[string, int]()
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithStorage(m), cache.WithEviction[string](hs))
		get(t, c, "x", 1)
		get(t, c, "y", 1)
		get(t, c, "z", 1)
		settle(t, c)
		if m.Len() > 1 {
			t.Error("over capacity for ever")
		}
	})
}

// A late write is booked also if the storage hands out another entry than it was given.
func TestC24_LocalThatHandsOutCopies(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		lru := eviction.NewLeastRecentlyUsed[string](10)
		st := copying{newRemoteStorage[string, int]()}
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithStorage[string, int](st), cache.WithEviction[string](lru))
		gate := make(chan struct{})
		st.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		advance(clock, time.Second)
		settle(t, c)
		close(gate)
		synctest.Wait()
		if len(st.snapshot()) != lru.Len() {
			t.Errorf("storage %d, strategy %d", len(st.snapshot()), lru.Len())
		}
	})
}

// The releases of a smaller capacity are waited for.
func TestC32_CloseWaitsForReconfigure(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newLocalStorage[string, int]()
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clock), cache.WithStorage[string, int](st))
		get(t, c, "a", 1)
		get(t, c, "b", 1)
		settle(t, c)
		gate := make(chan struct{})
		st.on(onRelease, blockOn(gate))
		r := asyncErr(func() error { return c.Reconfigure(cache.WithCapacity(1)) })
		waits(t, r)
		cl := asyncErr(func() error { return c.Close(context.Background()) })
		if !cl.waiting() {
			t.Errorf("Close returned %v while a release is running", cl.err)
		}
		close(gate)
		synctest.Wait()
	})
}

// A call that begins after Reconfigure reads the new storage.
func TestC35_LookupIsNotSharedAcrossStorages(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st1, st2 := newRemoteStorage[string, int](), newRemoteStorage[string, int]()
		st1.put("k", entryAt(epoch, 1))
		st2.put("k", entryAt(epoch, 2))
		c := open(t, func(context.Context, string) (int, error) { return 3, nil }, cache.WithClock(clock), cache.WithStorage(st1))
		gate := make(chan struct{})
		st1.onceDone(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		if err := c.Reconfigure(cache.WithStorage(st2)); err != nil {
			t.Fatal(err)
		}
		late := goGet(t.Context(), c, "k")
		synctest.Wait()
		close(gate)
		wants(t, late, 2)
		settle(t, c)
	})
}

// A load whose time was over before it was begun is not begun.
func TestC16_NoLoadAfterItsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		gate := make(chan struct{})
		called := false
		c := open(t, func(ctx context.Context, _ string) (int, error) { called = true; return 1, nil }, cache.WithClock(clock), cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.LoadStarted {
				<-gate
			}
		}))
		g := goGet(t.Context(), c, "k")
		advance(clock, 2*time.Minute)
		fails(t, g, cache.ErrLoadTimeout)
		close(gate)
		synctest.Wait()
		if called {
			t.Error("the load function was called after the timeout")
		}
		settle(t, c)
	})
}

// Whoever joins a lookup after the entry has expired, which the lookup has found just before, does
// not get it.
func TestC14_JoinerOfALookupThatFoundWhatExpires(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		clock := &watchedClock{FakeClock: r.clock}
		c := r.open(t, cache.WithExpireAfter(time.Hour), cache.WithUpdateAfter(time.Hour))
		if err := c.Reconfigure(cache.WithClock(clock)); err != nil {
			t.Fatal(err)
		}
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(time.Hour - 1)
		gate := r.gate()
		overtaken := func() {
			clock.onNow.Store(nil)
			<-gate
		}
		r.faulty.onceDone(onGet, func(context.Context, string) error {
			clock.onNow.Store(&overtaken) // at the reading that tells whether the entry has expired
			return nil
		})
		waits(t, goGet(t.Context(), c, "k"))
		r.advance(1)
		late := goGet(t.Context(), c, "k")
		waits(t, late)
		r.openGate(gate)
		wants(t, late, 2)
	})
}

// A Set whose write has failed and is looked into afterwards does not wait for that, nor for the
// release of another key.
func TestC28_FailedSetWaitsForNoRelease(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1), cache.WithStorageTimeout(time.Minute))
		mustSet(t, c, "b", 1)
		settle(t, c)
		r.faulty.on(onRelease, blockOn(r.gate()))
		r.faulty.onceDone(onOffer, failWith(errStore)) // it is stored all the same, and one too many
		fails(t, goSet(t, c, "a", 1), errStore)
	})
}

// A key that was evicted, but whose entry the storage has kept for others, has its backoff again as
// soon as the entry is seen.
func TestC13_BackoffOfAKeyThatTheStorageKeeps(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithCapacity(1), cache.WithRefreshBackoff(time.Hour))
		entry := r.faulty.snapshot()["k"]
		r.faulty.onceDone(onRelease, func(_ context.Context, key string) error {
			if key == "k" {
				r.faulty.put("k", entry)
			}
			return nil
		})
		r.source.hold("k")
		get(t, c, "k", 1) // stale: load 2 runs
		get(t, c, "j", 1) // evicts k
		r.advance(1)
		for n := 2; n <= 4; n++ { // the registry never forgets the key: there is always a lookup
			if r.source.count("k") < n {
				return
			}
			gate := r.gate()
			r.faulty.on(onGet, blockOn(gate))
			reader := goGet(t.Context(), c, "k")
			waits(t, reader)
			r.source.fails(r.source.nth(t, "k", n), errBackend)
			r.advance(1)
			r.openGate(gate)
			wants(t, reader, 1)
			r.advance(1)
		}
		t.Errorf("%d loads, one after the other, though each failed and the backoff is an hour", r.source.count("k"))
	})
}

// slowBuilder builds the entry of one value when its gate opens.
func slowBuilder(slow int, gate <-chan struct{}) builderFunc {
	return func(began time.Time, _ string, value int) *storage.Entry[int] {
		if value == slow {
			<-gate
		}
		return storage.NewEntry(value, began, began.Add(time.Hour), began.Add(time.Hour))
	}
}

// A load that begins while the entry of a Set is built, and whose write lands late, is not
// handed out in place of what was set.
func TestC22_LoadWhileTheEntryOfASetIsBuilt(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		gate, late := r.gate(), r.gate()
		c := r.open(t, cache.WithEntryBuilder(slowBuilder(77, gate)))
		set := goSet(t, c, "k", 77)
		waits(t, set)
		r.advance(1)
		r.faulty.on(onOffer, blockOn(late))
		get(t, c, "k", 1) // its write hangs
		r.openGate(gate)
		r.advance(1)
		r.faulty.heal()
		r.advance(time.Second) // the write is given up on
		wantNil(t, "Set", set)
		get(t, c, "k", 77)
		r.openGate(late)
		r.advance(1)
		get(t, c, "k", 2) // the storage has lost what was set, and what it holds instead is refused
	})
}

// A Set that has returned nil is answered with, also if a failed invalidation came while its entry
// was built.
func TestC22_InvalidationWhileTheEntryOfASetIsBuilt(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		gate := r.gate()
		c := r.open(t, cache.WithEntryBuilder(slowBuilder(77, gate)))
		set := goSet(t, c, "k", 77)
		waits(t, set)
		r.advance(1)
		r.faulty.on(onInvalidate, failWith(errStore))
		if err := c.Invalidate(t.Context(), "k"); !errors.Is(err, errStore) {
			t.Errorf("Invalidate: %v, want %v", err, errStore)
		}
		r.faulty.heal()
		r.openGate(gate)
		wantNil(t, "Set", set)
		get(t, c, "k", 77)
	})
}

// A victim that cannot be released, however often it is named, does not hold up the others, and is not forgotten.
func TestC28_FailedReleaseDoesNotHoldUpOthers(t *testing.T) {
	cannot := func(keys ...string) fault[string] {
		return func(_ context.Context, key string) error {
			if slices.Contains(keys, key) {
				return errStore
			}
			return nil
		}
	}
	for name, test := range map[string]struct {
		strategy func() eviction.Strategy[string]
		keys     []string
	}{
		"LeastRecentlyUpdated": {func() eviction.Strategy[string] { return eviction.NewLeastRecentlyUpdated[string](20) }, []string{"0", "1"}},
		"SIEVE":                {func() eviction.Strategy[string] { return eviction.NewSIEVE[string](20) }, []string{"0", "1"}},
		"one that names the same key again": {func() eviction.Strategy[string] {
			return &leastFirst{keys: map[string]bool{}, capacity: 20}
		}, []string{"0"}},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithEviction(test.strategy()))
				for n := range 20 {
					mustSet(t, c, fmt.Sprint(n), n)
				}
				settle(t, c)
				r.faulty.on(onRelease, cannot(test.keys...))
				if err := c.Reconfigure(cache.WithCapacity(3)); err != nil {
					t.Fatal(err)
				}
				most := 3 + len(test.keys)
				if held := r.held(); len(held) > most {
					t.Errorf("a capacity of 3, and %d keys that cannot be released: the storage holds %v", len(test.keys), held)
				}
				for n := range 200 {
					mustSet(t, c, fmt.Sprint(100+n), n)
					settle(t, c)
					if _, err := c.Get(t.Context(), fmt.Sprint(100+n/2)); err != nil {
						t.Error(err)
					}
				}
				settle(t, c)
				if held := r.held(); len(held) > most {
					t.Errorf("after 200 writes the storage holds %v", held)
				}
				r.faulty.on(onRelease, nil)
				mustSet(t, c, "last", 1)
				settle(t, c)
				if held := r.held(); len(held) != 3 {
					t.Errorf("when they can be released again the storage holds %v, want 3 entries", held)
				}
			})
		})
	}
}

// leastFirst names the least key first, whatever was written last.
type leastFirst struct {
	mu       sync.Mutex
	keys     map[string]bool
	capacity int
}

func (s *leastFirst) MarkRead(string, *storage.Mark) {}

func (s *leastFirst) MarkWritten(key string, _ *storage.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = true
}

func (s *leastFirst) MarkReleased(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

func (s *leastFirst) NextToRelease() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) <= s.capacity {
		return "", false
	}
	key := slices.Min(slices.Collect(maps.Keys(s.keys)))
	delete(s.keys, key)
	return key, true
}

func (s *leastFirst) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

func (s *leastFirst) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
}

// What happens to a victim between its failed release and its return into the books is what counts.
func TestC24_VictimThatIsGoneBeforeItIsPutBack(t *testing.T) {
	for name, remove := range map[string]func(ctx context.Context, c *cache.Cache[string, int]) error{
		"Invalidate":    func(ctx context.Context, c *cache.Cache[string, int]) error { return c.Invalidate(ctx, "a") },
		"InvalidateAll": func(ctx context.Context, c *cache.Cache[string, int]) error { return c.InvalidateAll(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				s := newStrict(t, 2)
				c := r.open(t, cache.WithEviction[string](s))
				r.faulty.on(onRelease, failWith(errStore))
				for _, key := range []string{"a", "b", "c", "d"} {
					mustSet(t, c, key, 50)
					settle(t, c)
				}
				gate := r.gate() // a is the next to be released, because it was tried first
				r.faulty.on(onRelease, func(_ context.Context, key string) error {
					if key == "a" {
						return errStore
					}
					<-gate
					return nil
				})
				mustSet(t, c, "e", 50)
				synctest.Wait() // a could not be released, another one is being released
				removed := asyncErr(func() error { return remove(t.Context(), c) })
				synctest.Wait()
				r.openGate(gate)
				if _, err := removed.result(t); err != nil {
					t.Error(err)
				}
				settle(t, c)
				s.agrees(t, r)
			})
		})
	}
}

// slowNamer holds up the first naming when it is armed, until goOn is closed.
type slowNamer struct {
	*eviction.LeastRecentlyUpdated[string]
	armed                atomic.Bool
	entered, goOn, named chan struct{}
	last                 string // of the keys that are told of
}

func (s *slowNamer) NextToRelease() (key string, ok bool) {
	if !s.armed.CompareAndSwap(true, false) {
		return s.LeastRecentlyUpdated.NextToRelease()
	}
	close(s.entered)
	<-s.goOn
	defer close(s.named)
	return s.LeastRecentlyUpdated.NextToRelease()
}

func (s *slowNamer) MarkWritten(key string, mark *storage.Mark) {
	s.LeastRecentlyUpdated.MarkWritten(key, mark)
	if key == s.last {
		close(s.goOn)
		<-s.named
	}
}

// A victim that is named while the strategy is told of another storage is not lost from the books.
func TestC28_VictimNamedAmidAReplacement(t *testing.T) {
	for _, to := range []sort{inMemory, inLocal} { // these can list what they hold
		t.Run("by "+string(to), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				replacement, held := newStorage(to)
				for n := range 3 {
					if err := replacement.Offer(t.Context(), fmt.Sprint("new", n), entryAt(epoch, n)); err != nil {
						t.Fatal(err)
					}
				}
				s := &slowNamer{LeastRecentlyUpdated: eviction.NewLeastRecentlyUpdated[string](2)}
				s.entered, s.goOn, s.named = make(chan struct{}), make(chan struct{}), make(chan struct{})
				for key := range replacement.(storage.Lister[string, int]).All() {
					s.last = key
				}
				c := open(t, one, cache.WithClock(clock), cache.WithEviction[string](s))
				s.armed.Store(true)
				mustSet(t, c, "old", 1)
				<-s.entered
				if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
					t.Fatal(err)
				}
				settle(t, c)
				if h := held(); len(h) != 2 || s.Len() != 2 {
					t.Errorf("a capacity of 2: the storage holds %v, the books %d keys", h, s.Len())
				}
			})
		})
	}
}

// A call that was made for a storage that has been replaced does not make others look into it.
func TestC35_LookupThatBeginsAfterTheReplacement(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st1, st2 := newRemoteStorage[string, int](), newRemoteStorage[string, int]()
		st1.put("k", entryAt(epoch, 1))
		st2.put("k", entryAt(epoch, 2))
		slow, goOn := make(chan struct{}), make(chan struct{})
		key := keys.Func(func(k string) (string, error) {
			if k == "slow" {
				close(slow)
				<-goOn
			}
			return "k", nil
		})
		c, err := cache.NewKeyed(func(context.Context, string) (int, error) { return 3, nil }, key, cache.WithClock(clock), cache.WithStorage(st1))
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		st1.onceDone(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "slow")
		<-slow // it has its settings
		if err := c.Reconfigure(cache.WithStorage(st2)); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		waits(t, early)
		wants(t, goGet(t.Context(), c, "k"), 2)
		close(gate)
		if _, err := early.result(t); err != nil {
			t.Error(err)
		}
		settle(t, c)
	})
}

// A load of a call for the storage that has been replaced does not say what the new one holds.
func TestC35_LoadOfTheOldStorageSaysNothingOfTheNew(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold()
		early := goGet(t.Context(), c, "k")
		f := r.source.nth(t, "k", 1)
		replacement := newRemoteStorage[string, int]()
		replacement.put("k", entryAt(epoch, 2))
		if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
			t.Fatal(err)
		}
		late := goGet(t.Context(), c, "k")
		synctest.Wait()
		r.source.returns(f, 1)
		wants(t, late, 2)
		wants(t, early, 1)
		settle(t, c)
	})
}

// An invalidation that began with a storage which cannot fail refuses what the one in its place still holds.
func TestC23_InvalidateAmidAReplacement(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		replacement := newRemoteStorage[string, int]()
		replacement.put("k", entryAt(epoch, 1))
		replacement.on(onInvalidate, failWith(errStore))
		slow, goOn := make(chan struct{}), make(chan struct{})
		atWork := true // of the first call
		key := keys.Func(func(k string) (string, error) {
			if atWork {
				atWork = false
				close(slow)
				<-goOn
			}
			return k, nil
		})
		c, err := cache.NewKeyed(func(context.Context, string) (int, error) { return 2, nil }, key, cache.WithClock(clock))
		if err != nil {
			t.Fatal(err)
		}
		invalidated := asyncErr(func() error { return c.Invalidate(t.Context(), "k") })
		<-slow // it has its settings
		if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if _, err := invalidated.result(t); !errors.Is(err, errStore) {
			t.Errorf("Invalidate: %v", err)
		}
		get(t, c, "k", 2)
		settle(t, c)
	})
}

// The capacity of a strategy that fails when it is told of another storage stays what it was.
func TestC35_FailureOfTheStrategyKeepsTheCapacity(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		lru := eviction.NewLeastRecentlyUpdated[string](5)
		s := &resizable{hookedStrategy{Strategy: lru}, lru}
		c := open(t, one, cache.WithClock(clock), cache.WithEviction[string](s))
		s.markWritten = func(k string) {
			if k == "x" {
				panic("x")
			}
		}
		other := newLocalStorage[string, int]()
		other.put("x", entryAt(epoch, 1))
		if err := c.Reconfigure(cache.WithStorage[string, int](other), cache.WithCapacity(1)); err == nil {
			t.Fatal("no error")
		}
		if n := lru.Capacity(); n != 5 {
			t.Errorf("after a refused Reconfigure the capacity is %d, want 5", n)
		}
	})
}

// resizable is a hookedStrategy whose capacity can be changed.
type resizable struct {
	hookedStrategy
	eviction.Resizer
}

// What cannot be encoded has not been decoded.
func TestC34_FailureToEncodeIsNoDecodeError(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.faulty.on(onOffer, failWith(fmt.Errorf("encoding: %w", serde.ErrTooLarge)))
		get(t, c, "k", 1)
		settle(t, c)
		if s := c.Stats(); s.StorageErrors != 1 || s.DecodeErrors != 0 || r.events.count(cache.StorageFailed) != 1 {
			t.Errorf("%d storage errors and %d decode errors, want 1 and 0", s.StorageErrors, s.DecodeErrors)
		}
	})
}

// A lone life span is completed by the proportion for as long as the cache has not been in use.
func TestC35_LoneLifeSpanOfACacheThatAwaitsConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		c := open(t, one, cache.WithClock(clock), cache.AwaitConfiguration())
		if err := c.Reconfigure(cache.WithExpireAfter(3 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		get(t, c, "k", 1)
		advance(clock, time.Minute)
		get(t, c, "k", 1)
		settle(t, c)
		if s := c.Stats(); s.LoadsSucceeded != 2 {
			t.Errorf("%d loads, want 2: stale after a third of the life span", s.LoadsSucceeded)
		}

		c = open(t, one, cache.WithClock(clock), cache.AwaitConfiguration(), cache.WithUpdateAfter(time.Hour))
		if err := c.Reconfigure(cache.WithExpireAfter(time.Minute)); err == nil {
			t.Error("what New was told is no longer in force")
		}
	})
}

// An entry builder that hangs does not hold its key for longer than a load function that does.
func TestC16_EntryBuilderThatHangs(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		gate, hangs := r.gate(), true
		builder := entrybuilder.PerValue(func(string, int) (updateAfter, expireAfter time.Duration) {
			if hangs {
				hangs = false
				<-gate
			}
			return time.Hour, time.Hour
		})
		c := r.open(t, cache.WithEntryBuilder(builder), cache.WithTimeout(time.Minute))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		r.advance(time.Minute)
		fails(t, early, cache.ErrLoadTimeout)
		get(t, c, "k", 2)
		r.openGate(gate)
		settle(t, c)
		get(t, c, "k", 2)
		if s := c.Stats(); s.LoadsTimedOut != 1 || s.LoadsSucceeded != 1 {
			t.Errorf("Stats = %+v, want one load that timed out and one that succeeded", s)
		}
	})
}

// What an observer or a strategy does while one key is put back does not keep the others out of the books.
func TestC28_ExitWhileAVictimIsPutBack(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newRemoteStorage[string, int]()
		lru := eviction.NewLeastRecentlyUpdated[string](5)
		s := &resizable{hookedStrategy{Strategy: lru}, lru}
		armed := false
		c := open(t, one, cache.WithClock(clock), cache.WithStorage(st), cache.WithEviction[string](s), cache.WithObserver(func(e cache.Event) {
			if p := (*cache.PanicError)(nil); armed && errors.As(e.Err, &p) {
				runtime.Goexit()
			}
		}))
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			mustSet(t, c, key, 1)
		}
		settle(t, c)
		st.on(onRelease, failWith(errStore))
		lru.Resize(2)
		armed = true
		s.markWritten = func(key string) {
			if key == "c" {
				panic(key)
			}
		}
		mustSet(t, c, "f", 1)
		settle(t, c)
		if held := len(st.snapshot()); lru.Len() != held-1 { // c is lost to the strategy's own fault
			t.Errorf("the storage holds %d keys, the books %d, want one less", held, lru.Len())
		}
	})
}

// A Set that the strategy is not told of well, because that panics, leaves a key aside that was aside.
func TestC28_PanicWhileAVictimIsAside(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newRemoteStorage[string, int]()
		lru := eviction.NewLeastRecentlyUpdated[string](3)
		s := &resizable{hookedStrategy{Strategy: lru}, lru}
		c := open(t, one, cache.WithClock(clock), cache.WithStorage(st), cache.WithEviction[string](s), cache.WithStorageTimeout(time.Hour))
		for _, key := range []string{"a", "b", "c"} {
			mustSet(t, c, key, 1)
		}
		settle(t, c)
		gate := make(chan struct{})
		st.on(onRelease, func(_ context.Context, key string) error {
			if key == "a" {
				return errStore
			}
			<-gate
			return nil
		})
		lru.Resize(1)
		mustSet(t, c, "d", 1)
		synctest.Wait() // a is aside, b is being released
		panicked := false
		s.markWritten = func(key string) {
			if key == "a" && !panicked {
				panicked = true
				panic(key)
			}
		}
		if err := c.Set(t.Context(), "a", 2); err == nil {
			t.Error("Set: no error")
		}
		close(gate)
		settle(t, c)
		if held := st.snapshot(); len(held) != lru.Len() {
			t.Errorf("the storage holds %v, the books %d keys", held, lru.Len())
		}
	})
}

// lateNamer holds up a victim that has been named, once it is armed.
type lateNamer struct {
	*eviction.LeastRecentlyUpdated[string]
	armed       atomic.Bool
	named, goOn chan struct{}
}

func (s *lateNamer) NextToRelease() (string, bool) {
	key, ok := s.LeastRecentlyUpdated.NextToRelease()
	if ok && s.armed.CompareAndSwap(true, false) {
		close(s.named)
		<-s.goOn
	}
	return key, ok
}

// A victim that was named from the books of one storage is not taken out of another one that the strategy has not been told of.
func TestC28_VictimOfTheReplacedStorage(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st1, st2 := newRemoteStorage[string, int](), newRemoteStorage[string, int]()
		st2.put("a", entryAt(epoch, 2))
		s := &lateNamer{LeastRecentlyUpdated: eviction.NewLeastRecentlyUpdated[string](1), named: make(chan struct{}), goOn: make(chan struct{})}
		c := open(t, one, cache.WithClock(clock), cache.WithStorage(st1), cache.WithEviction[string](s))
		mustSet(t, c, "a", 1)
		s.armed.Store(true)
		mustSet(t, c, "b", 1)
		<-s.named
		if err := c.Reconfigure(cache.WithStorage(st2)); err != nil {
			t.Fatal(err)
		}
		close(s.goOn)
		settle(t, c)
		if held := st2.snapshot(); len(held) != 1 || c.Stats().Evictions != 0 {
			t.Errorf("the new storage holds %v, %d evictions; nothing had to go", held, c.Stats().Evictions)
		}
	})
}

// A strategy whose Resize panics keeps the books of a storage that could not tell them anew.
func TestC35_FailedResizeKeepsTheBooks(t *testing.T) {
	for _, in := range []sort{inLocal, inRemote} {
		t.Run(string(in), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				store, held := newStorage(in)
				lru := eviction.NewLeastRecentlyUpdated[string](2)
				c := open(t, one, cache.WithClock(clock), cache.WithStorage(store), cache.WithEviction[string](panicResize{lru}))
				mustSet(t, c, "a", 1)
				mustSet(t, c, "b", 1)
				settle(t, c)
				replacement, _ := newStorage(in)
				if err := c.Reconfigure(cache.WithStorage(replacement), cache.WithCapacity(3)); err == nil {
					t.Error("no error")
				}
				if n := len(held()); n != 2 || lru.Len() != 2 {
					t.Errorf("the storage holds %d keys, the books %d, want 2", n, lru.Len())
				}
			})
		})
	}
}

// panicResize is a strategy that cannot be resized, though it says so.
type panicResize struct{ eviction.Strategy[string] }

func (panicResize) Resize(int) { panic("no") }

// A load that began before its storage was replaced is not stored by a Set that was waiting behind it either.
func TestC35_SetDoesNotStoreTheLoadOfTheReplacedStorage(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st1, st2 := newRemoteStorage[string, int](), newRemoteStorage[string, int]()
		c := open(t, func(context.Context, string) (int, error) { return 99, nil }, cache.WithClock(clock), cache.WithStorage(st1), cache.WithStorageTimeout(time.Hour))
		gate := make(chan struct{})
		st1.on(onOffer, blockOn(gate))
		first := asyncErr(func() error { return c.Set(t.Context(), "k", 1) })
		waits(t, first)
		second := asyncErr(func() error { return c.Set(t.Context(), "k", 2) })
		waits(t, second)
		refreshes(t, c, "k", 99)
		replaced := asyncErr(func() error { return c.Reconfigure(cache.WithStorage(st2)) })
		waits(t, replaced)
		close(gate)
		for _, call := range []*call[struct{}]{first, second, replaced} {
			if _, err := call.result(t); err != nil {
				t.Error(err)
			}
		}
		settle(t, c)
		if e := st2.snapshot()["k"]; e != nil && e.Value == 99 {
			t.Error("the new storage holds what was loaded with the old one")
		}
	})
}

// A lookup in a storage that has been replaced loads nothing: it would not be stored.
func TestC35_OutdatedLookupRefreshesNothing(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		settle(t, c)
		r.advance(updateAfter)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		if err := c.Reconfigure(cache.WithStorage(newRemoteStorage[string, int]())); err != nil {
			t.Fatal(err)
		}
		r.openGate(gate)
		wants(t, early, 50)
		settle(t, c)
		r.source.began(t, "k", 0)
	})
}

// An observer that exits the goroutine of a load does not keep what was stored after all out of the books.
func TestC24_ObserverExitsAfterAFailedOffer(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		st := newRemoteStorage[string, int]()
		lru := eviction.NewLeastRecentlyUpdated[string](2)
		c := open(t, one, cache.WithClock(clock), cache.WithStorage(st), cache.WithEviction[string](lru), cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.StorageFailed {
				runtime.Goexit()
			}
		}))
		st.onceDone(onOffer, failWith(errStore))
		get(t, c, "k", 1)
		settle(t, c)
		if held := st.snapshot(); len(held) != 1 || lru.Len() != 1 {
			t.Errorf("the storage holds %v, the books %d keys", held, lru.Len())
		}
	})
}
