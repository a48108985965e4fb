package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
)

// What the Python library of the same name does wrong under concurrency, one test for each.

func TestPython_CancelledWaiterDisturbsNobody(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		leader := goGet(t.Context(), c, "k")
		l := r.source.nth(t, "k", 1)
		ctx, cancel := context.WithCancel(t.Context())
		leaving, staying := goGet(ctx, c, "k"), goGet(t.Context(), c, "k")
		waits(t, leaving)
		cancel()
		fails(t, leaving, context.Canceled)
		waits(t, leader)
		waits(t, staying)
		r.source.returns(l, 1)
		wants(t, leader, 1)
		wants(t, staying, 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 1})
	})
}

func TestPython_CancelledLeaderLeavesItsWaitersAlone(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		ctx, cancel := context.WithCancel(t.Context())
		leader := goGet(ctx, c, "k")
		l := r.source.nth(t, "k", 1)
		var waiters []*call[int]
		for range 10 {
			waiters = append(waiters, goGet(t.Context(), c, "k"))
		}
		synctest.Wait()
		cancel()
		fails(t, leader, context.Canceled)
		if l.ctx.Err() != nil {
			t.Errorf("the load was cancelled with its leader: %v", l.ctx.Err())
		}
		r.source.returns(l, 1)
		for _, w := range waiters {
			wants(t, w, 1)
		}
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 1})
		r.source.began(t, "k", 1)
	})
}

func TestPython_UpdateLockTimeoutIsAnErrorForEverybodyAndHarmsNobody(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute))
		r.source.hold("k")
		var calls []*call[int]
		for range 5 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		old := r.source.nth(t, "k", 1)
		r.advance(time.Minute)
		for _, call := range calls {
			fails(t, call, cache.ErrUpdateLockTimeout)
		}
		next := goGet(t.Context(), c, "k")
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, next, 2)
		r.source.returns(old, 1)
		settle(t, c)
		get(t, c, "k", 2)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestPython_LateLoadDoesNotOverwriteANewerValue(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		early := goGet(t.Context(), c, "k")
		old := r.source.nth(t, "k", 1)
		r.advance(2 * time.Minute)
		fails(t, early, cache.ErrLoadTimeout)
		next := goGet(t.Context(), c, "k")
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, next, 2)
		settled := asyncErr(func() error { return c.Wait(t.Context()) })
		r.source.returns(old, 1) // in spite of its timeout
		wantNil(t, "Wait", settled)
		get(t, c, "k", 2)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestPython_LoadDoesNotUndoAnInvalidation(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		early := goGet(t.Context(), c, "k")
		old := r.source.nth(t, "k", 1)
		mustInvalidate(t, c, "k")
		r.source.returns(old, 1)
		wants(t, early, 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{})
		r.source.unhold()
		get(t, c, "k", 2)
	})
}

func TestPython_ForcedRefreshDuringARefreshReturnsANewValue(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.hold("k")
		get(t, c, "k", 1)
		running := r.source.nth(t, "k", 2)
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		r.source.returns(running, 2)
		waits(t, forced)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		wants(t, forced, 3)
	})
}

// They come one after another while the first read is under way, which takes longer than a load.
func TestPython_ColdCallersOfASlowStorageLoadOnce(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever))
		if r.faulty != nil {
			for _, m := range []method{onGet, onOffer} {
				r.faulty.on(m, func(context.Context, string) error {
					time.Sleep(50 * time.Millisecond)
					return nil
				})
			}
		}
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(20 * time.Millisecond)
			return l.ordinal, nil
		})
		var calls []*call[int]
		for range 100 {
			calls = append(calls, goGet(t.Context(), c, "k"))
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, call := range calls {
			wants(t, call, 1)
		}
		r.source.began(t, "k", 1)
	})
}

func TestPython_FailedWriteDoesNotThrowTheValueAway(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.faulty.on(onOffer, failWith(errStore))
		get(t, c, "k", 1)
		refreshes(t, c, "k", 2)
		settle(t, c)
	})
}

func TestPython_FailingRefreshIsNotRetriedOnEveryRead(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		for range 100 {
			get(t, c, "k", 1)
			settle(t, c)
		}
		r.source.began(t, "k", 2)
		r.advance(time.Second)
		for range 100 {
			get(t, c, "k", 1)
			settle(t, c)
		}
		r.source.began(t, "k", 3)
	})
}

func TestPython_EvictionAndInvalidationKeepTheSameBooks(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1))
		get(t, c, "a", 1)
		settle(t, c)
		mustInvalidate(t, c, "a")
		for n := range 5 {
			get(t, c, "b", n+1)
			settle(t, c)
			get(t, c, "a", n+2)
			settle(t, c)
			if held := r.held(); len(held) != 1 {
				t.Fatalf("the storage holds %v, want one key", held)
			}
			mustInvalidate(t, c, "a")
		}
		wantHeld(t, r, map[string]int{})
	})
}

// Arguments that look alike as text.
func TestPython_KeysDoNotCollide(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		type pair = keys.Args2[any, any]
		args := []pair{
			{First: 1, Second: 2}, {First: "1", Second: 2}, {First: "1", Second: "2"}, {First: 1.0, Second: 2}, {First: true, Second: 2},
			{First: "1, 2", Second: nil}, {First: "1", Second: ", 2"}, {First: nil, Second: "1, 2"}, {First: "None", Second: nil}, {First: nil, Second: nil},
			{First: []int{1, 2}, Second: 3}, {First: []int{1}, Second: []int{2, 3}}, {First: "[1 2]", Second: 3},
			{First: map[string]int{"a": 1}, Second: 0}, {First: "map[a:1]", Second: 0}, {First: "", Second: "ab"}, {First: "a", Second: "b"},
		}
		c := openKeyed(t, func(_ context.Context, a pair) (string, error) { return fmt.Sprintf("%#v", a), nil },
			keys.ByName[pair]("pair"), cache.WithClock(clock))
		for range 2 {
			for _, a := range args {
				get(t, c, a, fmt.Sprintf("%#v", a))
			}
			settle(t, c)
		}
		if s := c.Stats(); s.LoadsSucceeded != uint64(len(args)) {
			t.Errorf("%d loads of %d arguments", s.LoadsSucceeded, len(args))
		}
	})
}

// As soon as a value is evicted or invalidated nothing holds it: no timer, no flight, no mark.
func TestPython_EvictedValuesAreNotKeptAlive(t *testing.T) {
	for name, strategy := range map[string]eviction.Strategy[int]{
		"LeastRecentlyUpdated": eviction.NewLeastRecentlyUpdated[int](1),
		"LeastRecentlyUsed":    eviction.NewLeastRecentlyUsed[int](1),
		"SIEVE":                eviction.NewSIEVE[int](1),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				type big [1 << 16]byte
				c := open(t, func(context.Context, int) (*big, error) { return new(big), nil }, cache.WithClock(clock), cache.WithEviction(strategy))
				load := func(key int) weak.Pointer[big] {
					v, err := c.Get(t.Context(), key)
					if err != nil {
						t.Fatal(err)
					}
					settle(t, c)
					return weak.Make(v)
				}
				evicted := load(1)
				invalidated := load(2)
				if err := c.Invalidate(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
				kept := load(3)
				synctest.Wait()
				for range 3 {
					runtime.GC()
				}
				if evicted.Value() != nil {
					t.Error("the evicted value is alive")
				}
				if invalidated.Value() != nil {
					t.Error("the invalidated value is alive")
				}
				if kept.Value() == nil {
					t.Error("the kept value is gone")
				}
				runtime.KeepAlive(c)
			})
		})
	}
}

func TestPython_AgeCountsFromTheBeginningOfTheLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		call := goGet(t.Context(), c, "k")
		l := r.source.nth(t, "k", 1)
		r.advance(90 * time.Second)
		r.source.returns(l, 1)
		wants(t, call, 1)
		settle(t, c)
		r.source.unhold()
		r.advance(updateAfter - 90*time.Second - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.advance(1)
		get(t, c, "k", 1)
		settle(t, c)
		r.source.began(t, "k", 2)
	})
}

// A load function may fail in its own way with the errors that the Python library used for itself.
func TestPython_ErrorsOfTheLoadAreNotMistakenForOurs(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		for _, own := range []error{context.Canceled, context.DeadlineExceeded} {
			r.source.answers(func(*load[string, int]) (int, error) { return 0, own })
			_, err := c.Get(t.Context(), "k")
			var failed *cache.LoadError
			if !errors.Is(err, own) || !errors.As(err, &failed) || errors.Is(err, cache.ErrLoadTimeout) {
				t.Errorf("Get: %v", err)
			}
		}
	})
}
