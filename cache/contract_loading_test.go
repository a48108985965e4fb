package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/storage"
)

// Life spans of most tests.
const (
	updateAfter = 10 * time.Minute
	expireAfter = 30 * time.Minute
)

func TestC01_FreshHitOnlyReads(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.events.forget()
		offered := 0
		if r.faulty != nil {
			offered = r.faulty.count(onOffer)
		}
		synctest.Wait()
		goroutines := bubbleGoroutines()

		r.advance(updateAfter - 1)
		for range 100 {
			get(t, c, "k", 1)
		}
		synctest.Wait()
		if n := bubbleGoroutines(); n > goroutines {
			t.Errorf("%d goroutines after hits, %d before", n, goroutines)
		}
		if hasTimer(r.clock) {
			t.Error("a hit has left a timer")
		}
		r.source.began(t, "k", 1)
		if r.faulty != nil && r.faulty.count(onOffer) != offered {
			t.Error("a hit has written to the storage")
		}
		if events := r.events.all(); len(events) > 0 {
			t.Errorf("a hit was reported: %v", events)
		}
		if s := c.Stats(); s.Hits != 100 || s.Led != 1 {
			t.Errorf("Stats = %+v, want 100 hits and 1 led", s)
		}
	})
}

// While the hit runs there is no goroutine or timer either: not on the way, nor for an instant.
func TestC01_LocalHitStartsNothing(t *testing.T) {
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		var goroutines, timers int
		watch := &watchedClock{FakeClock: r.clock}
		r.cache = open(t, r.source.load, cache.WithClock(watch), cache.WithStorage(r.store), cache.WithPostprocess(processorFunc[int](func(v int) int {
			goroutines = bubbleGoroutines()
			return v
		})))
		get(t, r.cache, "k", 1)
		settle(t, r.cache)
		synctest.Wait()
		before := bubbleGoroutines()
		watch.timers.Store(0)

		get(t, r.cache, "k", 1)
		timers = int(watch.timers.Load())
		if goroutines > before || timers != 0 {
			t.Errorf("during a hit there were %d goroutines, %d before; %d timers were made", goroutines, before, timers)
		}
	})
}

func TestC01_HitDoesNotAllocate(t *testing.T) {
	ctx := t.Context()
	t.Run("string", func(t *testing.T) {
		c := open(t, func(context.Context, string) (string, error) { return "v", nil })
		testNoAllocs(t, func() { _, _ = c.Get(ctx, "key") })
	})
	t.Run("int", func(t *testing.T) {
		c := open(t, func(context.Context, int) (int, error) { return 1, nil })
		testNoAllocs(t, func() { _, _ = c.Get(ctx, 1234567) })
	})
	t.Run("struct", func(t *testing.T) {
		type pair struct {
			a string
			b int
		}
		c := open(t, func(context.Context, pair) (*pair, error) { return nil, nil })
		testNoAllocs(t, func() { _, _ = c.Get(ctx, pair{"a", 1}) })
	})
	t.Run("fake clock", func(t *testing.T) {
		c := open(t, func(context.Context, string) (int, error) { return 1, nil }, cache.WithClock(clockwork.NewFakeClockAt(epoch)))
		testNoAllocs(t, func() { _, _ = c.Get(ctx, "key") })
	})
}

func testNoAllocs(t *testing.T, hit func()) {
	t.Helper()
	if n := testing.AllocsPerRun(1000, hit); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}

func TestC02_WaitersGetTheLeadersValue(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		leader := goGet(t.Context(), c, "k")
		waits(t, leader)
		var waiters []*call[int]
		for range 50 {
			waiters = append(waiters, goGet(t.Context(), c, "k"))
		}
		synctest.Wait()
		for _, w := range append(waiters, leader) {
			waits(t, w)
		}
		r.source.returns(r.source.nth(t, "k", 1), 42)
		for _, w := range append(waiters, leader) {
			wants(t, w, 42)
		}
		get(t, c, "k", 42)
		r.source.began(t, "k", 1)
	})
}

func TestC02_WaitersGetTheLeadersError(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		leader := goGet(t.Context(), c, "k")
		waits(t, leader)
		var waiters []*call[int]
		for range 50 {
			waiters = append(waiters, goGet(t.Context(), c, "k"))
		}
		r.source.does(r.source.nth(t, "k", 1), func() (int, error) { return 13, errBackend })
		_, first := leader.result(t)
		for _, w := range append(waiters, leader) {
			fails(t, w, errBackend)
			if got, err := w.result(t); got != 0 || err != first {
				t.Errorf("got %v, %v; want the zero value and the error of all", got, err)
			}
		}
		r.source.began(t, "k", 1)
	})
}

func TestC02_ExpiredEntryIsWaitedFor(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		r.advance(expireAfter)
		r.source.hold("k")
		calls := []*call[int]{goGet(t.Context(), c, "k"), goGet(t.Context(), c, "k")}
		for _, w := range calls {
			waits(t, w)
		}
		r.source.returns(r.source.nth(t, "k", 2), 7)
		for _, w := range calls {
			wants(t, w, 7)
		}
	})
}

func TestC03_ErrorsAreNotCached(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.answers(func(*load[string, int]) (int, error) { return 99, errBackend })
		for n := range 3 {
			getFails(t, c, "k", errBackend)
			r.source.began(t, "k", n+1)
		}
		if _, ok := c.Peek(t.Context(), "k"); ok || len(r.held()) != 0 {
			t.Errorf("after failed loads the storage holds %v", r.held())
		}
		r.source.answers(func(l *load[string, int]) (int, error) { return l.ordinal, nil })
		get(t, c, "k", 4)
	})
}

func TestC03_ErrorKeepsEntryAndItsLifespan(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithRefreshBackoff(0))
		get(t, c, "k", 1)
		settle(t, c)
		r.source.answers(func(*load[string, int]) (int, error) { return 99, errBackend })

		r.advance(updateAfter)
		get(t, c, "k", 1)
		settle(t, c)
		r.source.began(t, "k", 2)
		if got, err := c.Refresh(t.Context(), "k"); got != 0 || !errors.Is(err, errBackend) {
			t.Errorf("Refresh = %v, %v; want error %v", got, err, errBackend)
		}
		if diff := cmp.Diff(map[string]int{"k": 1}, r.held()); diff != "" {
			t.Errorf("after failed loads the storage differs (-want +got):\n%s", diff)
		}

		r.advance(expireAfter - updateAfter - 1)
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(1)
		getFails(t, c, "k", errBackend)
	})
}

func TestC03_ErrorOfBlockingLoadDoesNotReviveExpired(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		r.advance(expireAfter)
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		for range 2 {
			getFails(t, c, "k", errBackend)
			if v, ok := c.Peek(t.Context(), "k"); ok {
				t.Errorf("Peek = %v of an expired entry", v)
			}
		}
	})
}

func TestC04_BoundariesAreInclusive(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)

		r.advance(updateAfter - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)

		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		r.advance(1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		settle(t, c)

		r.advance(expireAfter - updateAfter - 1)
		get(t, c, "k", 1)
		settle(t, c)
		if v, ok := c.Peek(t.Context(), "k"); v != 1 || !ok {
			t.Errorf("Peek 1 ns before expiry = %v, %v; want 1, true", v, ok)
		}
		r.advance(1)
		if v, ok := c.Peek(t.Context(), "k"); ok {
			t.Errorf("Peek at expiry = %v, true; want false", v)
		}
		getFails(t, c, "k", errBackend)
	})
}

func TestC04_AgeCountsFromStartOfSlowLoad(t *testing.T) {
	const slow = 90 * time.Second
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		first := goGet(t.Context(), c, "k")
		r.advance(slow)
		r.source.returns(r.source.nth(t, "k", 1), 1)
		wants(t, first, 1)
		r.source.unhold()
		settle(t, c)

		r.advance(updateAfter - slow - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.source.hold("k")
		r.advance(1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)

		// The refresh is slow too; a forced load waits behind it. Its entry is as old as that load, not as the call.
		forced := goRefresh(t.Context(), c, "k")
		r.advance(slow)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		began := r.clock.Now()
		r.advance(slow)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		wants(t, forced, 3)
		settle(t, c)
		r.advance(began.Add(updateAfter).Sub(r.clock.Now()) - 1)
		get(t, c, "k", 3)
		r.source.began(t, "k", 3)
		r.advance(1)
		get(t, c, "k", 3)
		r.source.began(t, "k", 4)
	})
}

// The time that the storage takes to answer that there is nothing is not part of the age.
func TestC04_AgeDoesNotCountTheLookup(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(time.Minute))
		g := r.gate()
		r.faulty.on(onGet, func(context.Context, string) error { <-g; return nil })
		first := goGet(t.Context(), c, "k")
		r.advance(20 * time.Second)
		r.openGate(g)
		wants(t, first, 1)
		settle(t, c)
		if got := r.faulty.snapshot()["k"].Created(); !got.Equal(epoch.Add(20 * time.Second)) {
			t.Errorf("the entry was created at %v, want %v, when the load began", got, epoch.Add(20*time.Second))
		}
		r.advance(updateAfter - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.advance(1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
	})
}

func TestC04_LoadSlowerThanLifespan(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(time.Second), cache.WithExpireAfter(10*time.Second))
		r.source.hold("k")
		first := goGet(t.Context(), c, "k")
		r.advance(10 * time.Second)
		r.source.returns(r.source.nth(t, "k", 1), 5)
		wants(t, first, 5)
		settle(t, c)
		if len(r.held()) != 0 {
			t.Errorf("the storage holds %v, which had expired when it was loaded", r.held())
		}
		r.source.unhold()
		get(t, c, "k", 2)
	})
}

// An entry that expired while it was loaded takes the place of the one before it: that one has expired earlier.
func TestC04_ExpiredLoadLeavesNoOlderEntry(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(time.Second), cache.WithExpireAfter(10*time.Second))
		get(t, c, "k", 1)
		settle(t, c)
		r.source.hold("k")
		forced := goRefresh(t.Context(), c, "k")
		r.advance(10 * time.Second)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		settle(t, c)
		if len(r.held()) != 0 {
			t.Errorf("the storage holds %v, all of which has expired", r.held())
		}
	})
}

func TestC05_EmptyValuesAreValues(t *testing.T) {
	testEmptyValue[*int](t, "nil pointer", nil)
	testEmptyValue[any](t, "nil interface", nil)
	testEmptyValue[any](t, "interface with nil pointer", (*int)(nil))
	testEmptyValue[[]byte](t, "nil slice", nil)
	testEmptyValue(t, "empty slice", []byte{})
	testEmptyValue[map[string]int](t, "nil map", nil)
	testEmptyValue(t, "empty map", map[string]int{})
	testEmptyValue[error](t, "nil error", nil)
	testEmptyValue(t, "error as value", error(textError("not a failure")))
	testEmptyValue(t, "zero number", 0)
	testEmptyValue(t, "empty string", "")
	testEmptyValue(t, "empty struct", struct{}{})
	testEmptyValue[func()](t, "nil function", nil)
	testEmptyValue[chan int](t, "nil channel", nil)
}

type textError string

func (e textError) Error() string { return string(e) }

func testEmptyValue[V any](t *testing.T, name string, value V) {
	t.Helper()
	for _, sort := range sorts {
		t.Run(name+"/"+string(sort), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				source := newSource(clock, func(*load[string, V]) (V, error) { return value, nil })
				c := open(t, source.load, cache.WithClock(clock), cache.WithStorage(newStorageOf[string, V](sort)), cache.WithStats())
				ctx := t.Context()
				check := func(what string, got V, err error) {
					t.Helper()
					if diff := cmp.Diff(value, got); diff != "" || err != nil {
						t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
					}
				}

				source.hold("k")
				leader, waiter := goGet(ctx, c, "k"), goGet(ctx, c, "k")
				synctest.Wait()
				source.release()
				for _, w := range []*call[V]{leader, waiter} {
					got, err := w.result(t)
					check("miss", got, err)
				}
				got, err := c.Get(ctx, "k")
				check("hit", got, err)
				source.began(t, "k", 1)
				got, ok := c.Peek(ctx, "k")
				if !ok {
					t.Error("Peek finds nothing")
				}
				check("Peek", got, nil)

				advance(clock, updateAfter)
				got, err = c.Get(ctx, "k")
				check("stale hit", got, err)
				settle(t, c)
				source.began(t, "k", 2)
				got, err = c.Get(ctx, "k")
				check("hit after refresh", got, err)
				source.began(t, "k", 2)
				got, err = c.Refresh(ctx, "k")
				check("Refresh", got, err)
				if err := c.Set(ctx, "other", value); err != nil {
					t.Errorf("Set: %v", err)
				}
				got, err = c.Get(ctx, "other")
				check("hit after Set", got, err)
				source.began(t, "other", 0)
				settle(t, c)
			})
		})
	}
}

func newStorageOf[K comparable, V any](sort sort) storage.Storage[K, V] {
	switch sort {
	case inMemory:
		return storage.NewMemory[K, V]()
	case inLocal:
		return newLocalStorage[K, V]()
	default:
		return newRemoteStorage[K, V]()
	}
}

// statusError is an error with data.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

func TestC06_ErrorsOfTheLoadFunctionAreReached(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		cause := fmt.Errorf("query: %w", errors.Join(&statusError{503}, errBackend))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, cause })
		for name, call := range map[string]func(context.Context, string) (int, error){"Get": c.Get, "Refresh": c.Refresh} {
			_, err := call(t.Context(), "k")
			var status *statusError
			var failure *cache.LoadError
			switch {
			case !errors.Is(err, errBackend) || !errors.Is(err, cause):
				t.Errorf("%s: errors.Is does not find the cause in %v", name, err)
			case !errors.As(err, &status) || status.code != 503:
				t.Errorf("%s: errors.As does not find the cause in %v", name, err)
			case !errors.As(err, &failure) || failure.Err != cause || errors.Unwrap(failure) != cause || failure.Key != "k":
				t.Errorf("%s: %#v is not a LoadError of the key with the cause", name, err)
			}
			for _, ours := range []error{cache.ErrLoadTimeout, cache.ErrUpdateLockTimeout, cache.ErrClosed, cache.ErrLoaderExited, cache.ErrReentrantLoad, context.DeadlineExceeded} {
				if errors.Is(err, ours) {
					t.Errorf("%s: the error of the load function matches %v", name, ours)
				}
			}
		}
	})
}

func TestC06_ContextErrorsOfTheLoadFunctionAreItsOwn(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		for _, cause := range []error{context.DeadlineExceeded, context.Canceled} {
			r.source.answers(func(*load[string, int]) (int, error) { return 0, cause })
			_, err := c.Get(t.Context(), "k")
			var failure *cache.LoadError
			if !errors.As(err, &failure) || failure.Err != cause || !errors.Is(err, cause) {
				t.Errorf("error = %#v, want a LoadError with %v", err, cause)
			}
			if errors.Is(err, cache.ErrLoadTimeout) || errors.Is(err, cache.ErrUpdateLockTimeout) {
				t.Errorf("%v counts as a timeout of the cache", err)
			}
		}
		if s := c.Stats(); s.LoadsFailed != 2 || s.LoadsTimedOut != 0 {
			t.Errorf("Stats = %+v, want 2 loads failed, none timed out", s)
		}
	})
}

func TestC06_OurErrorsComeInLoadError(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Second))
		check := func(name string, err, want error) {
			t.Helper()
			var failure *cache.LoadError
			if !errors.As(err, &failure) || failure.Key != "k" || !errors.Is(err, want) {
				t.Errorf("%s: error = %#v, want a LoadError of the key with %v", name, err, want)
			}
		}

		r.source.hold("k")
		slow := goGet(t.Context(), c, "k")
		r.advance(time.Second)
		_, err := slow.result(t)
		check("timeout", err, cache.ErrLoadTimeout)
		check("timeout", err, context.DeadlineExceeded)
		if errors.Is(err, cache.ErrUpdateLockTimeout) {
			t.Errorf("%v is both timeouts", err)
		}
		r.source.release()

		r.source.answers(func(*load[string, int]) (int, error) { runtime.Goexit(); return 0, nil })
		_, err = c.Get(t.Context(), "k")
		check("exit", err, cache.ErrLoaderExited)

		r.source.answers(func(*load[string, int]) (int, error) { panic(errBackend) })
		_, err = c.Get(t.Context(), "k")
		check("panic", err, errBackend)
		var p *cache.PanicError
		if !errors.As(err, &p) || p.Value != errBackend {
			t.Errorf("panic: error = %#v, want a PanicError with %v", err, errBackend)
		}
	})
}

// A load function that passes on the timeout of another cache has failed; it has not timed out.
func TestC06_TimeoutOfAnotherCacheIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		source := newSource(clock, func(*load[string, int]) (int, error) { return 1, nil })
		source.hold()
		inner := open(t, source.load, cache.WithClock(clock), cache.WithTimeout(time.Second))
		outer := open(t, inner.Get, cache.WithClock(clock))
		w := goGet(t.Context(), outer, "k")
		advance(clock, time.Second)
		fails(t, w, cache.ErrLoadTimeout)
		if s := outer.Stats(); s.LoadsFailed != 1 || s.LoadsTimedOut != 0 {
			t.Errorf("Stats = %+v, want 1 load failed, none timed out", s)
		}
		source.release()
		settle(t, inner)
	})
}

func TestC06_LoadErrorHasTheCacheKey(t *testing.T) {
	type request struct {
		user    int
		comment string
	}
	for _, sort := range sorts {
		t.Run(string(sort), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				fail := func(context.Context, request) (int, error) { return 0, errBackend }
				key := keys.Func(func(r request) (string, error) { return fmt.Sprint("user-", r.user), nil })
				c := openKeyed(t, fail, key, cache.WithClock(clock), cache.WithStorage(newStorageOf[string, int](sort)))
				_, err := c.Get(t.Context(), request{7, "not part of the key"})
				var failure *cache.LoadError
				if !errors.As(err, &failure) || failure.Key != "user-7" {
					t.Errorf("error = %#v, want a LoadError of key user-7", err)
				}
			})
		})
	}
}

type contextKey struct{}

func withValue(ctx context.Context, value string) context.Context {
	return context.WithValue(ctx, contextKey{}, value)
}

// checkLoadContext checks what a load finds in its ctx.
func checkLoadContext(t *testing.T, l *load[string, int], value string, timeout time.Duration) {
	t.Helper()
	if got := l.ctx.Value(contextKey{}); got != value {
		t.Errorf("load %d finds the value %v in its ctx, want that of the first caller, %v", l.ordinal, got, value)
	}
	if err := l.ctx.Err(); err != nil {
		t.Errorf("the ctx of load %d has ended: %v", l.ordinal, err)
	}
	switch deadline, ok := l.ctx.Deadline(); {
	case timeout == cache.Forever && ok:
		t.Errorf("load %d has the deadline %v, want none", l.ordinal, deadline)
	case timeout != cache.Forever && !deadline.Equal(l.started.Add(timeout)):
		t.Errorf("load %d has the deadline %v, %v; want %v", l.ordinal, deadline, ok, l.started.Add(timeout))
	}
}

func TestC07_ContextOfTheLoad(t *testing.T) {
	const timeout = 2 * time.Minute
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")

		// The first caller has a deadline of its own, in the bubble's time, and leaves.
		ctx, cancel := context.WithTimeout(withValue(t.Context(), "first"), time.Hour)
		first := goGet(ctx, c, "k")
		waits(t, first)
		second := goGet(withValue(t.Context(), "second"), c, "k")
		waits(t, second)
		l := r.source.nth(t, "k", 1)
		checkLoadContext(t, l, "first", timeout)
		cancel()
		fails(t, first, context.Canceled)
		checkLoadContext(t, l, "first", timeout)
		r.source.returns(l, 1)
		wants(t, second, 1)
		if l.ctx.Err() != context.Canceled {
			t.Errorf("the ctx of a load that has returned says %v, want %v", l.ctx.Err(), context.Canceled)
		}
		settle(t, c)

		// In the background.
		r.advance(updateAfter)
		ctx, cancel = context.WithCancel(withValue(t.Context(), "reader"))
		if v, err := c.Get(ctx, "k"); v != 1 || err != nil {
			t.Errorf("stale hit = %v, %v; want 1", v, err)
		}
		cancel()
		l = r.source.nth(t, "k", 2)
		checkLoadContext(t, l, "reader", timeout)

		// Queued: the deadline counts from the load's own start.
		ctx, cancel = context.WithCancel(withValue(t.Context(), "forcing"))
		forced := goRefresh(ctx, c, "k")
		waits(t, forced)
		other := goRefresh(withValue(t.Context(), "forcing too"), c, "k")
		waits(t, other)
		r.advance(time.Minute)
		cancel()
		fails(t, forced, context.Canceled)
		r.source.returns(l, 2)
		l = r.source.nth(t, "k", 3)
		if want := epoch.Add(updateAfter + time.Minute); !l.started.Equal(want) {
			t.Errorf("the queued load began at %v, want %v", l.started, want)
		}
		checkLoadContext(t, l, "forcing", timeout)
		r.source.returns(l, 3)
		wants(t, other, 3)
	})
}

func TestC07_NoTimeoutNoDeadline(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever))
		r.source.hold("k")
		w := goGet(withValue(t.Context(), "v"), c, "k")
		waits(t, w)
		checkLoadContext(t, r.source.nth(t, "k", 1), "v", cache.Forever)
		r.advance(1000 * time.Hour)
		waits(t, w)
		checkLoadContext(t, r.source.nth(t, "k", 1), "v", cache.Forever)
		r.source.returns(r.source.nth(t, "k", 1), 1)
		wants(t, w, 1)
	})
}

// A deadline that the first caller brings along does not end the load, and is not seen by it.
func TestC07_DeadlineOfTheCallerIsNotInherited(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		ctx, cancel := context.WithTimeout(withValue(t.Context(), "hurried"), time.Millisecond)
		defer cancel()
		w := goGet(ctx, c, "k")
		waits(t, w)
		time.Sleep(time.Second) // of the bubble
		fails(t, w, context.DeadlineExceeded)
		if _, err := w.result(t); errors.Is(err, cache.ErrLoadTimeout) {
			t.Errorf("the caller's own deadline comes as %v", err)
		}
		checkLoadContext(t, r.source.nth(t, "k", 1), "hurried", 2*time.Minute)
	})
}

// A nil ctx is as good as one that never ends, for a miss, a fresh hit, a stale one and all other calls.
func TestNilCtx(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		var none context.Context
		c := r.open(t)
		for _, age := range []time.Duration{0, 0, updateAfter} {
			r.advance(age)
			if got, err := c.Get(none, "k"); err != nil || got != 1 {
				t.Errorf("Get = %d, %v, want 1", got, err)
			}
			settle(t, c)
		}
		if got, err := c.Refresh(none, "k"); err != nil || got != 3 {
			t.Errorf("Refresh = %d, %v, want 3", got, err)
		}
		if got, ok := c.Peek(none, "k"); !ok || got != 3 {
			t.Errorf("Peek = %d, %v, want 3", got, ok)
		}
		for what, err := range map[string]error{
			"Set": c.Set(none, "k", 0), "Invalidate": c.Invalidate(none, "k"), "InvalidateAll": c.InvalidateAll(none),
			"Wait": c.Wait(none), "Close": c.Close(none),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
