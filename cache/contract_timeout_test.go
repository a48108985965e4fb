package cache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/cache"
)

// lateResults are the ways in which a load ends when nobody waits for it any more.
var lateResults = map[string]func() (int, error){
	"value": func() (int, error) { return 99, nil },
	"error": failures["error"].load,
	"panic": failures["panic"].load,
	"exit":  failures["exit"].load,
}

// The goroutine of a load gets to run some time after the load has been registered. The ctx and the callers are given the same
// instant all the same.
func TestC16_TimeoutCountsFromOneInstant(t *testing.T) {
	const timeout, delay = 10 * time.Second, 8 * time.Second
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		watch := &watchedClock{FakeClock: r.clock}
		r.cache = open(t, r.source.load, cache.WithClock(watch), cache.WithStorage(r.store), cache.WithTimeout(timeout))
		r.source.hold("k")
		g := r.gate()
		pause := func() { <-g }
		watch.onSince.Store(&pause)
		start := r.clock.Now()
		leader := goGet(t.Context(), r.cache, "k")
		waits(t, leader)
		r.source.began(t, "k", 0) // or nothing was held up
		watch.onSince.Store(nil)
		r.advance(delay)
		r.openGate(g)

		l := r.source.nth(t, "k", 1)
		if deadline, ok := l.ctx.Deadline(); !ok || !deadline.Equal(start.Add(timeout)) {
			t.Errorf("the deadline is %v after the call, %v, want %v", deadline.Sub(start), ok, timeout)
		}
		r.advance(timeout - delay - 1)
		waits(t, leader)
		if err := l.ctx.Err(); err != nil {
			t.Errorf("before the timeout: %v", err)
		}
		r.advance(1)
		fails(t, leader, cache.ErrLoadTimeout)
		if err := l.ctx.Err(); err != context.DeadlineExceeded {
			t.Errorf("the load's ctx after the timeout: %v", err)
		}
	})
}

func TestC16_TimeoutAtTheExactInstant(t *testing.T) {
	const timeout = 5 * time.Second
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(timeout))
		r.source.hold("k") // does not look at its ctx
		leader := goGet(t.Context(), c, "k")
		waits(t, leader)
		r.advance(3 * time.Second)
		joined := goGet(t.Context(), c, "k")
		r.advance(timeout - 3*time.Second - 1)
		waits(t, leader)
		waits(t, joined)
		l := r.source.nth(t, "k", 1)
		derived, cancel := context.WithCancel(l.ctx)
		defer cancel()
		after := make(chan struct{})
		stop := context.AfterFunc(l.ctx, func() { close(after) })
		defer stop()
		if l.ctx.Err() != nil || derived.Err() != nil {
			t.Errorf("the load's ctx has ended before the timeout: %v, %v", l.ctx.Err(), derived.Err())
		}

		r.advance(1)
		fails(t, leader, cache.ErrLoadTimeout)
		fails(t, joined, cache.ErrLoadTimeout)
		select {
		case <-l.ctx.Done():
		default:
			t.Error("the load's ctx has not ended")
		}
		if l.ctx.Err() != context.DeadlineExceeded {
			t.Errorf("the load's ctx says %v, want %v", l.ctx.Err(), context.DeadlineExceeded)
		}
		if !errors.Is(context.Cause(l.ctx), cache.ErrLoadTimeout) {
			t.Errorf("the cause of the end of the load's ctx is %v, want %v", context.Cause(l.ctx), cache.ErrLoadTimeout)
		}
		if derived.Err() == nil {
			t.Error("a ctx derived from the load's has not ended")
		}
		select {
		case <-after:
		default:
			t.Error("what was to follow the end of the load's ctx has not run")
		}

		// The key is free.
		r.source.unhold()
		get(t, c, "k", 2)
	})
}

// Contexts that the load function derives from its own end with it, and tell the cause.
func TestC16_DerivedContextsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Second))
		var errs []error
		r.source.answers(func(l *load[string, int]) (int, error) {
			cancelled, cancel := context.WithCancel(l.ctx)
			defer cancel()
			timed, stop := context.WithTimeout(l.ctx, time.Hour)
			defer stop()
			valued := context.WithValue(l.ctx, contextKey{}, "v")
			for _, ctx := range []context.Context{cancelled, timed, valued} {
				<-ctx.Done()
				errs = append(errs, context.Cause(ctx))
			}
			return 0, context.Cause(valued)
		})
		w := goGet(t.Context(), c, "k")
		r.advance(time.Second)
		fails(t, w, cache.ErrLoadTimeout)
		for i, err := range errs {
			if !errors.Is(err, cache.ErrLoadTimeout) {
				t.Errorf("the cause of the end of derived ctx %d is %v, want %v", i, err, cache.ErrLoadTimeout)
			}
		}
		if len(errs) != 3 {
			t.Errorf("%d derived contexts have ended, want 3", len(errs))
		}
	})
}

func TestC16_LateResultIsDropped(t *testing.T) {
	for name, late := range lateResults {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithTimeout(5*time.Second))
				r.source.hold("k")
				w := goGet(t.Context(), c, "k")
				r.advance(5 * time.Second)
				fails(t, w, cache.ErrLoadTimeout)
				l := r.source.nth(t, "k", 1)

				// Late, with nothing in its place.
				r.source.does(l, late)
				if _, ok := c.Peek(t.Context(), "k"); ok || len(r.held()) > 0 {
					t.Errorf("after a late result the storage holds %v", r.held())
				}
				if n := len(r.events.all(cache.LoadSucceeded, cache.LoadFailed, cache.RefreshFailed)); n != 1 {
					t.Errorf("the load was reported to have ended %d times, want once", n)
				}

				// Late, with a successor that is loading, and then with the successor's value.
				w = goGet(t.Context(), c, "k")
				r.advance(5 * time.Second)
				fails(t, w, cache.ErrLoadTimeout)
				w = goGet(t.Context(), c, "k")
				r.source.began(t, "k", 3)
				r.source.does(r.source.nth(t, "k", 2), late)
				waits(t, w)
				r.source.returns(r.source.nth(t, "k", 3), 3)
				wants(t, w, 3)
				get(t, c, "k", 3)

				forced := goRefresh(t.Context(), c, "k")
				r.advance(5 * time.Second)
				fails(t, forced, cache.ErrLoadTimeout)
				get(t, c, "k", 3)
				if err := c.Set(t.Context(), "k", 7); err != nil {
					t.Errorf("Set: %v", err)
				}
				r.source.does(r.source.nth(t, "k", 4), late)
				get(t, c, "k", 7)
				if diff := cmp.Diff(map[string]int{"k": 7}, r.held()); diff != "" {
					t.Errorf("the storage differs (-want +got):\n%s", diff)
				}
				r.source.began(t, "k", 4)
			})
		})
	}
}

// What has timed out counts as running until it returns, and Wait and Close wait for it.
func TestC16_OutlivedLoadCountsAsRunning(t *testing.T) {
	for name, late := range lateResults {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithTimeout(time.Second))
				r.source.hold("k")
				w := goGet(t.Context(), c, "k")
				r.advance(time.Second)
				fails(t, w, cache.ErrLoadTimeout)
				if s := c.Stats(); s.LoadsRunning != 1 || s.LoadsTimedOut != 0 {
					t.Errorf("Stats = %+v, want 1 load running, none timed out yet", s)
				}
				waited := asyncErr(func() error { return c.Wait(t.Context()) })
				waits(t, waited)
				r.advance(time.Hour)
				waits(t, waited)
				r.source.does(r.source.nth(t, "k", 1), late)
				if _, err := waited.result(t); err != nil {
					t.Errorf("Wait: %v", err)
				}
				if s := c.Stats(); s.LoadsRunning != 0 || s.LoadsTimedOut != 1 || s.LoadsSucceeded+s.LoadsFailed+s.LoadsPanicked+s.LoadsExited != 0 {
					t.Errorf("Stats = %+v, want 1 load timed out, nothing else", s)
				}
			})
		})
	}
}

// Each caller of a slow backend gets an answer within the timeout, and the backend is asked once per timeout.
func TestC16_EachTimeoutFreesTheKey(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Second))
		r.source.hold("k")
		for n := range 5 {
			a, b := goGet(t.Context(), c, "k"), goGet(t.Context(), c, "k")
			r.source.began(t, "k", n+1)
			r.advance(time.Second)
			fails(t, a, cache.ErrLoadTimeout)
			fails(t, b, cache.ErrLoadTimeout)
		}
		if s := c.Stats(); s.LoadsRunning != 5 || s.Led != 5 || s.Joined != 5 {
			t.Errorf("Stats = %+v, want 5 loads running, 5 calls led, 5 joined", s)
		}
	})
}

func TestC16_ForcedAndBackgroundLoadsTimeOut(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(time.Second), cache.WithRefreshBackoff(0))
		r.source.hold("k")
		get(t, c, "k", 1)
		l := r.source.nth(t, "k", 2)
		forced := goRefresh(t.Context(), c, "k")
		r.advance(time.Second)
		if l.ctx.Err() != context.DeadlineExceeded {
			t.Errorf("the ctx of the background load says %v, want %v", l.ctx.Err(), context.DeadlineExceeded)
		}
		waits(t, forced)
		r.source.began(t, "k", 3)
		r.advance(time.Second)
		fails(t, forced, cache.ErrLoadTimeout)
		get(t, c, "k", 1)
		r.source.began(t, "k", 4)
	})
}

// The time that the storage takes to answer that there is nothing is not the load's.
func TestC16_TimeoutCountsFromTheStartOfTheLoad(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(5*time.Second), cache.WithStorageTimeout(time.Minute))
		g := r.gate()
		r.faulty.on(onGet, func(context.Context, string) error { <-g; return nil })
		r.source.hold("k")
		w := goGet(t.Context(), c, "k")
		r.advance(3 * time.Second)
		r.openGate(g)
		r.advance(5*time.Second - 1)
		waits(t, w)
		r.advance(1)
		fails(t, w, cache.ErrLoadTimeout)
	})
}

// The write of a value does not count against the timeout of the load that made it: the callers have it, and it is stored.
func TestC16_SlowWriteIsNoTimeout(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Second), cache.WithStorageTimeout(time.Minute))
		g := r.gate()
		r.faulty.on(onOffer, func(context.Context, string) error { <-g; return nil })
		get(t, c, "k", 1)
		r.advance(10 * time.Second)
		r.openGate(g)
		settle(t, c)
		get(t, c, "k", 1)
		if s := c.Stats(); s.LoadsSucceeded != 1 || s.LoadsTimedOut != 0 {
			t.Errorf("Stats = %+v, want 1 load succeeded", s)
		}
	})
}

func TestC17_LeavingCallerDisturbsNobody(t *testing.T) {
	calls := map[string]func(ctx context.Context, c *cache.Cache[string, int]) *call[int]{
		"Get":     func(ctx context.Context, c *cache.Cache[string, int]) *call[int] { return goGet(ctx, c, "k") },
		"Refresh": func(ctx context.Context, c *cache.Cache[string, int]) *call[int] { return goRefresh(ctx, c, "k") },
	}
	for name, start := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.source.hold("k")
				leaderCtx, leave := context.WithCancel(t.Context())
				leader := start(leaderCtx, c)
				waits(t, leader)
				waiterCtx, leaveToo := context.WithCancel(t.Context())
				waiter := goGet(waiterCtx, c, "k")
				hurriedCtx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				hurried := goGet(hurriedCtx, c, "k")
				stays := goGet(t.Context(), c, "k")
				waits(t, stays)

				leave()
				fails(t, leader, context.Canceled)
				waits(t, waiter)
				leaveToo()
				fails(t, waiter, context.Canceled)
				time.Sleep(time.Millisecond) // of the bubble
				fails(t, hurried, context.DeadlineExceeded)
				waits(t, stays)
				l := r.source.nth(t, "k", 1)
				if l.ctx.Err() != nil {
					t.Errorf("the load's ctx has ended with its callers: %v", l.ctx.Err())
				}
				late := goGet(t.Context(), c, "k")
				waits(t, late)
				r.source.returns(l, 42)
				wants(t, stays, 42)
				wants(t, late, 42)
				get(t, c, "k", 42)
				r.source.began(t, "k", 1)
			})
		})
	}
}

func TestC17_LoadIsStoredThoughAllCallersHaveLeft(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		ctx, leave := context.WithCancel(t.Context())
		only := goGet(ctx, c, "k")
		waits(t, only)
		queuedCtx, leaveToo := context.WithCancel(t.Context())
		queued := goRefresh(queuedCtx, c, "k")
		waits(t, queued)
		leave()
		leaveToo()
		fails(t, only, context.Canceled)
		fails(t, queued, context.Canceled)
		r.source.returns(r.source.nth(t, "k", 1), 42)
		get(t, c, "k", 42)
		r.source.returns(r.source.nth(t, "k", 2), 43)
		get(t, c, "k", 43)
		r.source.began(t, "k", 2)
	})
}

func TestC17_CallerLeavesALookup(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		g := r.gate()
		var storageCtx context.Context
		r.faulty.on(onGet, func(ctx context.Context, _ string) error {
			storageCtx = ctx
			<-g
			return nil
		})
		ctx, leave := context.WithCancel(withValue(t.Context(), "leader"))
		leader := goGet(ctx, c, "k")
		waits(t, leader)
		stays := goGet(t.Context(), c, "k")
		waits(t, stays)
		leave()
		fails(t, leader, context.Canceled)
		waits(t, stays)
		if storageCtx.Err() != nil || storageCtx.Value(contextKey{}) != "leader" {
			t.Errorf("the storage's ctx says %v and has the value %v", storageCtx.Err(), storageCtx.Value(contextKey{}))
		}
		r.openGate(g)
		wants(t, stays, 1)
		if n := r.faulty.count(onGet); n != 1 {
			t.Errorf("%d reads of the storage, want 1", n)
		}
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
	})
}

func TestC17_HitInLocalStorageDoesNotLookAtCtx(t *testing.T) {
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if v, err := c.Get(ctx, "k"); v != 1 || err != nil {
			t.Errorf("fresh hit = %v, %v; want 1", v, err)
		}
		r.advance(updateAfter)
		if v, err := c.Get(ctx, "k"); v != 1 || err != nil {
			t.Errorf("stale hit = %v, %v; want 1", v, err)
		}
		settle(t, c)
		get(t, c, "k", 2) // the refresh is not the caller's, and not ended with its ctx
		if s := c.Stats(); s.Refused != 0 {
			t.Errorf("Stats = %+v, want none refused", s)
		}
	})
}

func TestC17_MissWithEndedCtxLoadsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		overdue, stop := context.WithTimeout(t.Context(), time.Nanosecond)
		defer stop()
		time.Sleep(time.Nanosecond) // of the bubble
		synctest.Wait()
		calls := uint64(0)
		refused := func(when string) {
			t.Helper()
			for _, ctx := range []context.Context{cancelled, overdue} {
				if v, err := c.Get(ctx, "k"); err != ctx.Err() {
					t.Errorf("%s: Get = %v, %v; want %v", when, v, err, ctx.Err())
				}
				if v, err := c.Refresh(ctx, "k"); err != ctx.Err() {
					t.Errorf("%s: Refresh = %v, %v; want %v", when, v, err, ctx.Err())
				}
				calls += 2
			}
			if s := c.Stats(); s.Refused != calls {
				t.Errorf("%s: Stats = %+v, want %d refused", when, s, calls)
			}
		}
		refused("nothing there")
		r.source.began(t, "k", 0)
		if r.sort == inRemote && r.faulty.count(onGet) != 0 {
			t.Error("the storage was read for a caller that had left")
		}
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(expireAfter)
		refused("expired")
		r.source.began(t, "k", 1)
		r.source.hold("k")
		w := goGet(t.Context(), c, "k")
		waits(t, w)
		refused("being loaded")
		r.source.began(t, "k", 2)
	})
}

func TestC18_UpdateLockTimeoutAtTheExactInstant(t *testing.T) {
	timeouts := map[string]time.Duration{"no load timeout": cache.Forever, "longer load timeout": time.Hour}
	for name, timeout := range timeouts {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithTimeout(timeout), cache.WithUpdateLockTimeout(time.Minute))
				r.source.hold("k")
				leader, joined := goGet(t.Context(), c, "k"), goGet(t.Context(), c, "k")
				waits(t, leader)
				r.advance(time.Minute - 1)
				waits(t, leader)
				waits(t, joined)
				r.advance(1)
				for _, w := range []*call[int]{leader, joined} {
					fails(t, w, cache.ErrUpdateLockTimeout)
					if _, err := w.result(t); errors.Is(err, cache.ErrLoadTimeout) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("error = %v; want no load timeout, but a context.DeadlineExceeded", err)
					}
				}

				// The next call starts a new flight, and the old one ends without a trace.
				next := goGet(t.Context(), c, "k")
				r.source.began(t, "k", 2)
				r.source.returns(r.source.nth(t, "k", 1), 99)
				waits(t, next)
				r.source.returns(r.source.nth(t, "k", 2), 2)
				wants(t, next, 2)
				get(t, c, "k", 2)
			})
		})
	}
}

func TestC18_LateFinishLeavesNoTrace(t *testing.T) {
	for name, late := range lateResults {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute), cache.WithRefreshBackoff(cache.Forever))
				r.source.hold("k")
				first := goGet(t.Context(), c, "k")
				r.advance(time.Minute)
				fails(t, first, cache.ErrUpdateLockTimeout)
				second := goGet(t.Context(), c, "k")
				r.source.returns(r.source.nth(t, "k", 2), 2)
				wants(t, second, 2)
				successes := r.events.count(cache.LoadSucceeded)
				before := r.held()

				r.source.does(r.source.nth(t, "k", 1), late)
				get(t, c, "k", 2)
				if diff := cmp.Diff(before, r.held()); diff != "" {
					t.Errorf("the storage differs (-before +after the late finish):\n%s", diff)
				}
				if n := r.events.count(cache.LoadSucceeded); n != successes {
					t.Error("the late finish was reported as a success")
				}

				// No backoff either.
				r.advance(updateAfter)
				get(t, c, "k", 2)
				r.source.began(t, "k", 3)
			})
		})
	}
}

// With an entry in the storage the callers of Get keep getting it; those of Refresh get the error.
func TestC18_LockOfForcedAndBackgroundLoads(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute), cache.WithRefreshBackoff(0))
		r.source.hold("k")
		get(t, c, "k", 1)
		r.advance(30 * time.Second)
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		r.advance(30 * time.Second)
		if n := r.events.count(cache.RefreshFailed); n != 1 {
			t.Errorf("%d failed refreshes were reported, want 1", n)
		}
		r.source.began(t, "k", 3)
		r.advance(time.Minute - 1)
		waits(t, forced)
		r.advance(1)
		fails(t, forced, cache.ErrUpdateLockTimeout)
		get(t, c, "k", 1)
		r.source.began(t, "k", 4)
		r.source.returns(r.source.nth(t, "k", 2), 92)
		r.source.returns(r.source.nth(t, "k", 3), 93)
		get(t, c, "k", 1)
		r.source.returns(r.source.nth(t, "k", 4), 4)
		get(t, c, "k", 4)
	})
}

func TestC18_LoadTimeoutComesFirst(t *testing.T) {
	for name, lock := range map[string]time.Duration{"longer": 2 * time.Second, "same": time.Second, "none": cache.Forever} {
		t.Run(name, func(t *testing.T) {
			on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithTimeout(time.Second), cache.WithUpdateLockTimeout(lock))
				r.source.hold("k")
				w := goGet(t.Context(), c, "k")
				r.advance(time.Second)
				fails(t, w, cache.ErrLoadTimeout)
			})
		})
	}
}

// A read of the storage that never returns is guarded too, if the storage timeout does not do it.
func TestC18_HangingLookup(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"none": cache.Forever, "longer": time.Hour} {
		t.Run(name, func(t *testing.T) {
			on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithStorageTimeout(timeout), cache.WithUpdateLockTimeout(time.Minute))
				g := r.gate()
				var storageCtx context.Context
				r.faulty.on(onGet, func(ctx context.Context, _ string) error {
					storageCtx = ctx
					<-g
					return nil
				})
				calls := []*call[int]{goGet(t.Context(), c, "k"), goGet(t.Context(), c, "k")}
				r.advance(time.Minute - 1)
				for _, w := range calls {
					waits(t, w)
				}
				r.advance(1)
				for _, w := range calls {
					fails(t, w, cache.ErrUpdateLockTimeout)
				}
				if storageCtx.Err() == nil {
					t.Error("the ctx of the storage call has not ended")
				}
				r.source.began(t, "k", 0)

				r.faulty.on(onGet, nil)
				get(t, c, "k", 1)
				settle(t, c)
				r.openGate(g)
				synctest.Wait()
				get(t, c, "k", 1)
				r.source.began(t, "k", 1)
			})
		})
	}
}

// Lookup and load of a flight share its time.
func TestC18_LookupCountsAgainstTheLock(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(cache.Forever), cache.WithStorageTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute))
		g := r.gate()
		r.faulty.on(onGet, func(context.Context, string) error { <-g; return nil })
		r.source.hold("k")
		w := goGet(t.Context(), c, "k")
		r.advance(40 * time.Second)
		r.openGate(g)
		r.source.began(t, "k", 1)
		r.advance(20*time.Second - 1)
		waits(t, w)
		r.advance(1)
		fails(t, w, cache.ErrUpdateLockTimeout)
	})
}

// A write that never returns keeps the key no longer than the lock does, either: whoever asks for a later load gets it, or an error.
func TestC18_HangingWriteDoesNotHoldTheKey(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute))
		g := r.gate()
		r.faulty.on(onOffer, func(context.Context, string) error { <-g; return nil })
		get(t, c, "k", 1)
		forced := goRefresh(t.Context(), c, "k")
		r.advance(time.Minute)
		if forced.waiting() {
			t.Error("a Refresh behind a hanging write is still waiting when the update lock has timed out")
		}
	})
}
