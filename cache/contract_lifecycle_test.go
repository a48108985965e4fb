package cache_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestC31_NewStartsNoGoroutineAndNoTimer(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		clock := &watchedClock{FakeClock: r.clock}
		for range 50 {
			open(t, one) // never closed
			open(t, one, cache.WithClock(clock), cache.WithObserver(r.events.observe), cache.WithLogger(slog.New(r.logs)),
				cache.WithEviction(eviction.NewS3FIFO[string](8)), cache.WithInvalidation(invalidation.New[string]()),
				cache.WithPostprocess(postprocess.DeepCopy[int]()), cache.WithStats())
		}
		if r.sort != inRemote { // which is not listed
			open(t, one, cache.WithClock(clock), cache.WithStorage(r.store))
		}
		synctest.Wait()
		if n := goroutinesOfCache(); n != 0 {
			t.Errorf("%d goroutines", n)
		}
		if n := clock.timers.Load(); n > 1 || n == 1 && r.sort == inMemory {
			t.Errorf("%d timers were started", n)
		}
		if hasTimer(r.clock) {
			t.Error("a timer is running")
		}
	})
}

func TestC31_IdleCacheHasNoGoroutineAndNoTimer(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(3))
		idle := func(after string) {
			t.Helper()
			settle(t, c)
			synctest.Wait()
			if n := goroutinesOfCache(); n != 0 {
				t.Errorf("after %s: %d goroutines", after, n)
			}
			if hasTimer(r.clock) {
				t.Errorf("after %s: a timer", after)
			}
		}
		idle("New")
		for n := range 10 {
			get(t, c, fmt.Sprint(n), 1)
		}
		idle("loads and evictions")
		r.advance(updateAfter)
		_, _ = c.Get(t.Context(), "9")
		idle("a refresh")
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		_, _ = c.Refresh(t.Context(), "9")
		idle("a failed refresh, whose backoff is running")
		mustSet(t, c, "set", 1)
		mustInvalidate(t, c, "set")
		idle("Set and Invalidate")
		if err := c.Reconfigure(cache.WithCapacity(1)); err != nil {
			t.Error(err)
		}
		idle("Reconfigure")
	})
}

func TestC31_FlightHasAtMostTwoGoroutines(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1))
		mustSet(t, c, "old", 50)
		var most int
		check := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			n := goroutinesOfCache()
			most = max(most, n)
			if n > want {
				t.Errorf("%d goroutines during %s, want at most %d", n, what, want)
			}
		}
		hold := func(m method) (letGo func()) {
			gate := r.gate()
			if r.faulty != nil {
				r.faulty.on(m, blockOn(gate))
			}
			return func() {
				if r.faulty != nil {
					r.faulty.on(m, nil)
				}
				r.openGate(gate)
				synctest.Wait()
			}
		}
		endRead, endWrite, endRelease := hold(onGet), hold(onOffer), hold(onRelease)
		r.source.hold("k")
		var calls []*call[int]
		for range 100 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		check("the lookup", 2)
		endRead()
		check("the load", 1)
		r.source.returns(r.source.nth(t, "k", 1), 1)
		check("the write", 2)
		endWrite()
		check("the release", 2)
		endRelease()
		check("rest", 0)
		for _, call := range calls {
			wants(t, call, 1)
		}
		if r.sort == inRemote && most != 2 {
			t.Errorf("at most %d goroutines were seen, so they are not counted right", most)
		}
	})
}

// A call of the storage that was given up on comes on top, once each.
func TestC31_GivenUpStorageCallsComeOnTop(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		for n := range 5 {
			get(t, c, fmt.Sprint(n), 1)
			r.advance(time.Second)
			if got := goroutinesOfCache(); got != n+1 {
				t.Errorf("%d goroutines with %d calls given up on", got, n+1)
			}
		}
		r.openGate(gate)
		synctest.Wait()
		if got := goroutinesOfCache(); got != 0 {
			t.Errorf("%d goroutines are left", got)
		}
	})
}

// callAll calls every method and returns their errors; Peek has none, so one of the test's own stands for nothing found.
func callAll(t *testing.T, c *cache.Cache[string, int], key string) map[string]error {
	ctx := t.Context()
	errs := map[string]error{}
	_, errs["Get"] = c.Get(ctx, key)
	_, errs["Refresh"] = c.Refresh(ctx, key)
	errs["Set"] = c.Set(ctx, key, 1)
	errs["Invalidate"] = c.Invalidate(ctx, key)
	errs["InvalidateAll"] = c.InvalidateAll(ctx)
	if _, ok := c.Peek(ctx, key); ok {
		errs["Peek"] = errors.New("found something")
	}
	return errs
}

func wantAll(t *testing.T, c *cache.Cache[string, int], key string, want error) {
	t.Helper()
	for name, err := range callAll(t, c, key) {
		if !errors.Is(err, want) {
			t.Errorf("%s returned %v, want %v", name, err, want)
		}
	}
}

func TestC32_NewCallsGetErrClosed(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		support := invalidation.New[string]()
		c := r.open(t, cache.WithInvalidation(support))
		get(t, c, "k", 1)
		settle(t, c)
		for range 3 {
			if err := c.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		before := c.Stats()
		wantAll(t, c, "k", cache.ErrClosed)
		wantAll(t, c, "new", cache.ErrClosed)
		if err := c.Reconfigure(cache.WithTimeout(time.Minute)); !errors.Is(err, cache.ErrClosed) {
			t.Errorf("Reconfigure: %v", err)
		}
		if err := support.InvalidateAll(t.Context()); err == nil {
			t.Error("the support invalidates a closed cache")
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Errorf("Wait: %v", err)
		}
		s := c.Stats()
		before.Refused += 4
		if diff := cmp.Diff(before, s); diff != "" {
			t.Errorf("Stats differ from before (-want +got):\n%s", diff)
		}
		wantHeld(t, r, map[string]int{"k": 1}) // the storage is not the cache's
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Close(ended); err != nil {
			t.Errorf("Close of a closed cache with an ended ctx: %v", err)
		}
	})
}

func TestC32_CloseDrainsWhatIsRunningAndQueued(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold()
		running := goGet(t.Context(), c, "k")
		one := r.source.nth(t, "k", 1)
		queued := goRefresh(t.Context(), c, "k")
		waits(t, queued)
		closing := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, closing)
		if _, err := c.Get(t.Context(), "k"); !errors.Is(err, cache.ErrClosed) {
			t.Errorf("Get during Close: %v", err)
		}
		again := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, again)
		r.source.returns(one, 1)
		wants(t, running, 1)
		waits(t, closing)
		two := r.source.nth(t, "k", 2)
		if two.ctx.Err() != nil {
			t.Errorf("the queued load was cancelled: %v", two.ctx.Err())
		}
		r.source.returns(two, 2)
		wants(t, queued, 2)
		wantNil(t, "Close", closing)
		wantNil(t, "Close, once more", again)
		wantHeld(t, r, map[string]int{"k": 2})
	})
}

func TestC32_CloseDrainsWrites(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		for _, m := range []method{onOffer, onInvalidate} {
			r.faulty.on(m, blockOn(gate))
		}
		get(t, c, "a", 1)
		set := goSet(t, c, "b", 50)
		deletion := goInvalidate(t, c, "c")
		closing := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, closing)
		r.openGate(gate)
		wantNil(t, "Set", set)
		wantNil(t, "Invalidate", deletion)
		wantNil(t, "Close", closing)
		wantHeld(t, r, map[string]int{"a": 1, "b": 50})
	})
}

func TestC32_WhenCtxEndsLoadsAreCancelledAndTheirCallersGetErrClosed(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold()
		running := goGet(t.Context(), c, "k")
		l := r.source.nth(t, "k", 1)
		queued := goRefresh(t.Context(), c, "k")
		other := goGet(t.Context(), c, "other")
		o := r.source.nth(t, "other", 1)
		detachedCaller := goGet(t.Context(), c, "detached")
		d := r.source.nth(t, "detached", 1)
		mustInvalidate(t, c, "detached")

		ctx, cancel := context.WithCancel(t.Context())
		closing := asyncErr(func() error { return c.Close(ctx) })
		waits(t, closing)
		cancel()
		fails(t, closing, context.Canceled)
		for what, call := range map[string]*call[int]{"running": running, "queued": queued, "other": other, "detached": detachedCaller} {
			if _, err := call.result(t); !errors.Is(err, cache.ErrClosed) {
				t.Errorf("the caller of the %s load got %v", what, err)
			}
		}
		for _, l := range []*load[string, int]{l, o, d} {
			if l.ctx.Err() != context.Canceled || context.Cause(l.ctx) != cache.ErrClosed {
				t.Errorf("the ctx of the load of %q: %v because of %v", l.key, l.ctx.Err(), context.Cause(l.ctx))
			}
		}
		r.source.began(t, "k", 1) // the queued one never begins

		// They ignore their ctx, so the cache is not closed yet.
		ended, cancelled := context.WithCancel(t.Context())
		cancelled()
		if err := c.Close(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Close with loads that do not end: %v", err)
		}
		if n := c.Stats().LoadsRunning; n != 3 {
			t.Errorf("%d loads running, want 3", n)
		}
		again := asyncErr(func() error { return c.Close(t.Context()) })
		r.source.returns(l, 1)
		r.source.returns(o, 1)
		waits(t, again)
		r.source.fails(d, errBackend)
		wantNil(t, "Close, when the loads have ended", again)
		wantHeld(t, r, map[string]int{})
		r.events.forget()
	})
}

func TestC32_CallersOfLookupsGetErrClosed(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		caller := goGet(t.Context(), c, "k")
		waits(t, caller)
		ctx, cancel := context.WithCancel(t.Context())
		closing := asyncErr(func() error { return c.Close(ctx) })
		waits(t, closing)
		cancel()
		fails(t, closing, context.Canceled)
		fails(t, caller, cache.ErrClosed)
		again := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, again)
		r.openGate(gate)
		wantNil(t, "Close, when the storage has answered", again)
		r.source.began(t, "k", 0)
	})
}

// Without an end of ctx the lookup goes on to its load.
func TestC32_CloseDrainsLookups(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		caller := goGet(t.Context(), c, "k")
		waits(t, caller)
		closing := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, closing)
		r.openGate(gate)
		wants(t, caller, 1)
		wantNil(t, "Close", closing)
		wantHeld(t, r, map[string]int{"k": 1})
	})
}

func TestC32_CloseWaitsForLoadsThatOutlivedTheirTimeout(t *testing.T) {
	for name, limit := range map[string]cache.Option{
		"load timeout": cache.WithTimeout(time.Second), "update-lock timeout": cache.WithUpdateLockTimeout(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, limit)
				r.source.hold()
				caller := goGet(t.Context(), c, "k")
				l := r.source.nth(t, "k", 1)
				r.advance(time.Second)
				fails(t, caller, context.DeadlineExceeded)
				closing := asyncErr(func() error { return c.Close(t.Context()) })
				waits(t, closing)
				r.source.returns(l, 1)
				wantNil(t, "Close", closing)
				wantHeld(t, r, map[string]int{})
			})
		})
	}
}

func TestC32_CloseWaitsForStorageCallsGivenUpOn(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		r.advance(time.Second)
		settle(t, c) // Wait does not
		closing := asyncErr(func() error { return c.Close(t.Context()) })
		waits(t, closing)
		r.openGate(gate)
		wantNil(t, "Close", closing)
	})
}

// Calls, Reconfigure and Close from everywhere at once: everybody gets an answer, and nothing is left.
func TestC32_CloseAmidEverything(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for seed := range uint64(10) {
			r := newRig(t, r.sort, r.clock)
			chance := newChance(seed)
			r.source.answers(func(l *load[string, int]) (int, error) {
				chance.nap(4)
				return l.ordinal, l.ctx.Err()
			})
			if r.faulty != nil {
				for _, m := range []method{onGet, onOffer, onInvalidate, onRelease, onClear} {
					r.faulty.on(m, func(context.Context, string) error {
						chance.nap(3)
						return nil
					})
				}
			}
			c := r.open(t, cache.WithCapacity(2), cache.WithUpdateAfter(0))
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					for range 10 {
						chance.nap(3)
						key := fmt.Sprint(chance.below(4))
						for name, err := range callAll(t, c, key) {
							if name != "Peek" && err != nil && !errors.Is(err, cache.ErrClosed) {
								t.Errorf("%s: %v", name, err)
							}
						}
						_ = c.Reconfigure(cache.WithCapacity(1 + chance.below(3)))
					}
				})
			}
			wg.Go(func() {
				time.Sleep(time.Duration(5+chance.below(20)) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(chance.below(3))*time.Millisecond)
				defer cancel()
				_ = c.Close(ctx)
			})
			wg.Wait()
			if err := c.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
			synctest.Wait()
			if n := goroutinesOfCache(); n != 0 {
				t.Errorf("%d goroutines are left", n)
			}
		}
	})
}

func TestC33_LoadThatAsksForItsOwnKey(t *testing.T) {
	for name, ask := range map[string]func(c *cache.Cache[string, int], ctx context.Context) (int, error){
		"with Get":     func(c *cache.Cache[string, int], ctx context.Context) (int, error) { return c.Get(ctx, "k") },
		"with Refresh": func(c *cache.Cache[string, int], ctx context.Context) (int, error) { return c.Refresh(ctx, "k") },
		"with a derived ctx": func(c *cache.Cache[string, int], ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, ask{}, 1), time.Hour)
			defer cancel()
			return c.Get(ctx, "k")
		},
		"on another goroutine": func(c *cache.Cache[string, int], ctx context.Context) (v int, err error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				v, err = c.Get(ctx, "k")
			}()
			<-done
			return v, err
		},
		"with a ctx without cancellation": func(c *cache.Cache[string, int], ctx context.Context) (int, error) {
			return c.Get(context.WithoutCancel(ctx), "k")
		},
	} {
		for outer, start := range map[string]func(t *testing.T, r *rig) *call[int]{
			"in Get":     func(t *testing.T, r *rig) *call[int] { return goGet(t.Context(), r.cache, "k") },
			"in Refresh": func(t *testing.T, r *rig) *call[int] { return goRefresh(t.Context(), r.cache, "k") },
		} {
			t.Run(name+"/"+outer, func(t *testing.T) {
				onEach(t, func(t *testing.T, r *rig) {
					c := r.open(t)
					r.source.answers(func(l *load[string, int]) (int, error) {
						if _, err := ask(c, l.ctx); !errors.Is(err, cache.ErrReentrantLoad) {
							t.Errorf("the inner call: %v", err)
						}
						return 7, nil
					})
					wants(t, start(t, r), 7) // at once: no time has passed
					r.source.began(t, "k", 1)
					if s := c.Stats(); s.Refused != 1 || s.Led != 1 {
						t.Errorf("Stats = %+v, want 1 refused, 1 led", s)
					}
				})
			})
		}
	}
}

type ask struct{}

func TestC33_TheErrorOfTheInnerCallCanBeReturned(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.answers(func(l *load[string, int]) (int, error) { return c.Get(l.ctx, "k") })
		_, err := c.Get(t.Context(), "k")
		var failed *cache.LoadError
		if !errors.Is(err, cache.ErrReentrantLoad) || !errors.As(err, &failed) || failed.Key != "k" {
			t.Errorf("Get: %v", err)
		}
	})
}

// a asks for b, b for c, and c for a.
func TestC33_ThroughOtherKeys(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		next := map[string]string{"a": "b", "b": "c", "c": "a"}
		r.source.answers(func(l *load[string, int]) (int, error) {
			v, err := c.Get(l.ctx, next[l.key])
			if l.key == "c" {
				if !errors.Is(err, cache.ErrReentrantLoad) {
					t.Errorf("the innermost call: %v", err)
				}
				return 1, nil
			}
			return v + 1, err
		})
		get(t, c, "a", 3)
	})
}

// The load of one cache asks another, whose load asks the first.
func TestC33_ThroughTwoCaches(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		var inner error
		second := open(t, func(ctx context.Context, key int) (string, error) {
			_, inner = c.Get(ctx, fmt.Sprint(key))
			return "second", nil
		}, cache.WithClock(r.clock))
		r.source.answers(func(l *load[string, int]) (int, error) {
			v, err := second.Get(l.ctx, 5)
			return len(v), err
		})
		get(t, c, "5", len("second"))
		if !errors.Is(inner, cache.ErrReentrantLoad) {
			t.Errorf("the innermost call: %v", inner)
		}
		settle(t, second)
	})
}

func TestC33_UnexpiredEntryMayBeRead(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		var read atomic.Int64
		r.source.answers(func(l *load[string, int]) (int, error) {
			v, err := c.Get(l.ctx, "k")
			if p, ok := c.Peek(l.ctx, "k"); !ok || p != v {
				t.Errorf("Peek in the load = %v, %v", p, ok)
			}
			read.Store(int64(v))
			return v + 10, err
		})
		refreshes(t, c, "k", 11) // fresh, in a forced load
		settle(t, c)
		r.advance(updateAfter)
		get(t, c, "k", 11) // stale, in a background load
		settle(t, c)
		if read.Load() != 11 {
			t.Errorf("the background load read %d, want 11", read.Load())
		}
		get(t, c, "k", 21)
		r.source.began(t, "k", 3)
	})
}

// In a background load the entry expires: from then on its load would wait for itself.
func TestC33_EntryThatExpiresDuringTheLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Hour), cache.WithUpdateLockTimeout(cache.Forever))
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.hold()
		get(t, c, "k", 1)
		l := r.source.nth(t, "k", 2)
		r.advance(expireAfter - updateAfter)
		r.source.does(l, func() (int, error) { return c.Get(l.ctx, "k") })
		settle(t, c)
		failed := r.events.all(cache.RefreshFailed)
		if len(failed) != 1 || !errors.Is(failed[0].Err, cache.ErrReentrantLoad) {
			t.Errorf("events %v, want the refusal of a reentrant call", failed)
		}
		r.source.unhold()
		get(t, c, "k", 3)
	})
}

func TestC33_OtherKeysWork(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.answers(func(l *load[string, int]) (int, error) {
			if len(l.key) > 5 {
				return 0, nil
			}
			v, err := c.Get(l.ctx, l.key+"x")
			if _, err := c.Refresh(l.ctx, l.key+"x"); err != nil {
				t.Errorf("Refresh of another key: %v", err)
			}
			return v + 1, err
		})
		get(t, c, "k", 5)
	})
}

func TestC33_LoadOfADetachedFlightAsksLikeAnybody(t *testing.T) {
	for name, detach := range map[string]func(t *testing.T, r *rig, ctx context.Context){
		"by Invalidate": func(t *testing.T, r *rig, ctx context.Context) {
			if err := r.cache.Invalidate(ctx, "k"); err != nil {
				t.Error(err)
			}
		},
		"by InvalidateAll": func(t *testing.T, r *rig, ctx context.Context) {
			if err := r.cache.InvalidateAll(ctx); err != nil {
				t.Error(err)
			}
		},
		"by the update-lock timeout": func(t *testing.T, r *rig, ctx context.Context) { r.advance(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithUpdateLockTimeout(time.Second))
				r.source.hold("k")
				early := goGet(t.Context(), c, "k")
				l := r.source.nth(t, "k", 1)
				r.source.unhold()
				if name == "by the update-lock timeout" {
					detach(t, r, l.ctx)
				}
				r.source.does(l, func() (int, error) {
					if name != "by the update-lock timeout" {
						detach(t, r, l.ctx) // from within the load
					}
					v, err := c.Get(l.ctx, "k")
					return v * 10, err
				})
				if v, err := early.result(t); v != 20 && !errors.Is(err, cache.ErrUpdateLockTimeout) {
					t.Errorf("the first caller got %v, %v", v, err)
				}
				get(t, c, "k", 2)
				settle(t, c)
				wantHeld(t, r, map[string]int{"k": 2})
			})
		})
	}
}

// A load may set its own key: that supersedes it.
func TestC33_LoadThatSetsItsOwnKey(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.answers(func(l *load[string, int]) (int, error) {
			mustSet(t, c, "k", 50)
			get(t, c, "k", 50)
			return 1, nil
		})
		get(t, c, "k", 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 50})
	})
}

func TestC33_CyclesThatDoNotShowEndAtTheTimeout(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		next := map[string]string{"a": "b", "b": "a", "self": "self"}
		meet := r.gate()
		r.source.answers(func(l *load[string, int]) (int, error) {
			if l.key == "self" {
				return c.Get(context.Background(), "self")
			}
			<-meet // both are loading
			return c.Get(l.ctx, next[l.key])
		})
		a, b, self := goGet(t.Context(), c, "a"), goGet(t.Context(), c, "b"), goGet(t.Context(), c, "self")
		synctest.Wait()
		r.openGate(meet)
		waits(t, a)
		waits(t, b)
		waits(t, self)
		r.advance(2*time.Minute - 1)
		waits(t, a)
		r.advance(1)
		fails(t, a, cache.ErrLoadTimeout)
		fails(t, b, cache.ErrLoadTimeout)
		fails(t, self, cache.ErrLoadTimeout)
	})
}

func TestC34_CallsAndLoadsBalanceAfterAStorm(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for seed := range uint64(8) {
			stormOfCalls(t, newRig(t, r.sort, r.clock), seed)
		}
	})
}

// stormOfCalls makes calls that end in every way there is, and compares the stats with its own counts.
func stormOfCalls(t *testing.T, r *rig, seed uint64) {
	chance := newChance(seed)
	var asked, begun, inLoad, invalidated atomic.Int64
	load := func(ctx context.Context, key string) (int, error) {
		begun.Add(1)
		inLoad.Add(1)
		defer inLoad.Add(-1)
		chance.nap(8)
		switch chance.below(12) {
		case 0:
			return 0, errBackend
		case 1:
			panic("boom")
		case 2:
			runtime.Goexit()
		case 3:
			r.clock.Sleep(3 * time.Second) // longer than the timeout, and blind to ctx
		case 4:
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return 1, nil
	}
	extractor := keys.Func(func(key string) (string, error) {
		if key == "bad" {
			return "", keys.ErrUnencodable
		}
		return key, nil
	})
	if r.faulty != nil {
		for _, m := range []method{onGet, onOffer, onInvalidate, onRelease} {
			r.faulty.on(m, func(context.Context, string) error {
				chance.nap(4)
				switch chance.below(12) {
				case 0:
					return errStore
				case 1:
					panic("boom")
				case 2:
					return fmt.Errorf("bytes: %w", serde.ErrCorrupt)
				}
				return nil
			})
		}
	}
	c := openKeyed(t, load, extractor, cache.WithClock(r.clock), cache.WithStorage(r.store), cache.WithStats(), cache.WithObserver(r.events.observe),
		cache.WithCapacity(3), cache.WithTimeout(2*time.Second), cache.WithUpdateAfter(time.Second), cache.WithExpireAfter(8*time.Second))

	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { // time passes
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				r.clock.Advance(time.Duration(chance.below(400)) * time.Millisecond)
			}
		}
	})
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for range 40 {
				key := fmt.Sprint("k", chance.below(6))
				if chance.of(20) {
					key = "bad"
				}
				ctx, cancel := context.WithCancel(t.Context())
				switch chance.below(4) {
				case 0:
					cancel()
				case 1:
					time.AfterFunc(time.Duration(1+chance.below(6))*time.Millisecond, cancel)
				}
				switch chance.below(8) {
				case 0:
					asked.Add(1)
					_, _ = c.Refresh(ctx, key)
				case 1:
					if key != "bad" {
						invalidated.Add(1)
					}
					_ = c.Invalidate(ctx, key)
				case 2:
					_ = c.Set(ctx, key, 2)
					_, _ = c.Peek(ctx, key)
				default:
					asked.Add(1)
					_, _ = c.Get(ctx, key)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	settle(t, c)
	close(done)
	ticking.Wait()
	s := c.Stats()
	if got := s.Hits + s.StaleHits + s.Led + s.Joined + s.Refused; got != uint64(asked.Load()) {
		t.Errorf("seed %d: %d calls were counted, %d made: %+v", seed, got, asked.Load(), s)
	}
	if got := s.LoadsSucceeded + s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited; got != uint64(begun.Load()) || s.LoadsRunning != 0 {
		t.Errorf("seed %d: %d loads were counted, %d begun: %+v", seed, got, begun.Load(), s)
	}
	if s.Invalidations != uint64(invalidated.Load()) {
		t.Errorf("seed %d: %d invalidations counted, %d made", seed, s.Invalidations, invalidated.Load())
	}
	if r.sort != inRemote && s.Led > uint64(begun.Load()) {
		t.Errorf("seed %d: %d calls have led %d loads", seed, s.Led, begun.Load())
	}
	for kind, want := range map[cache.EventKind]uint64{
		cache.LoadStarted: uint64(begun.Load()), cache.LoadSucceeded: s.LoadsSucceeded,
		cache.StorageFailed: s.StorageErrors, cache.DecodeFailed: s.DecodeErrors,
		cache.Evicted: s.Evictions, cache.Invalidated: s.Invalidations,
	} {
		if got := uint64(r.events.count(kind)); got != want {
			t.Errorf("seed %d: %d events %q, want %d", seed, got, kind, want)
		}
	}
	failed := uint64(r.events.count(cache.LoadFailed) + r.events.count(cache.RefreshFailed))
	if want := s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited; failed != want {
		t.Errorf("seed %d: %d failed loads were reported, want %d", seed, failed, want)
	}
}

func TestC34_LoadThatTimedOutIsRunningUntilItReturns(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold()
		call := goGet(t.Context(), c, "k")
		l := r.source.nth(t, "k", 1)
		r.advance(2 * time.Minute)
		fails(t, call, cache.ErrLoadTimeout)
		if s := c.Stats(); s.LoadsRunning != 1 || s.LoadsTimedOut != 0 {
			t.Errorf("while it is running Stats = %+v", s)
		}
		r.source.returns(l, 1)
		want := cache.Stats{Led: 1, LoadsTimedOut: 1, HitsCounted: true}
		if diff := cmp.Diff(want, c.Stats()); diff != "" {
			t.Errorf("Stats differ (-want +got):\n%s", diff)
		}
	})
}

func TestC34_EachKindOfCallIsCountedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1))
		r.source.hold("k")
		first := goGet(t.Context(), c, "k") // led
		l := r.source.nth(t, "k", 1)
		second := goGet(t.Context(), c, "k") // joined
		synctest.Wait()
		forced := goRefresh(t.Context(), c, "k") // led, queued
		synctest.Wait()
		along := goRefresh(t.Context(), c, "k") // joined
		synctest.Wait()
		r.source.unhold()
		r.source.returns(l, 1)
		wants(t, first, 1)
		wants(t, second, 1)
		wants(t, forced, 2)
		wants(t, along, 2)
		settle(t, c)
		get(t, c, "k", 2) // hit
		r.advance(updateAfter)
		get(t, c, "k", 2) // stale hit
		settle(t, c)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = c.Get(ended, "new")   // refused
		_, _ = c.Refresh(ended, "k") // refused
		peeks(t, c, "k", 3)          // not counted
		mustSet(t, c, "other", 50)   // evicts
		settle(t, c)
		mustInvalidate(t, c, "other") // one
		mustInvalidate(t, c, "other") // two, though nothing is there
		_ = c.InvalidateAll(t.Context())
		settle(t, c)
		want := cache.Stats{
			Hits: 1, StaleHits: 1, Led: 2, Joined: 2, Refused: 2,
			LoadsSucceeded: 3, Evictions: 1, Invalidations: 3, HitsCounted: true,
		}
		if diff := cmp.Diff(want, c.Stats()); diff != "" {
			t.Errorf("Stats differ (-want +got):\n%s", diff)
		}
	})
}

// A call that leaves while the storage is being read has caused no load, if there turns out to be an entry.
func TestC34_CallThatLeavesALookupHasNotLed(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		ctx, cancel := context.WithCancel(t.Context())
		call := goGet(ctx, c, "k")
		waits(t, call)
		cancel()
		fails(t, call, context.Canceled)
		r.openGate(gate)
		settle(t, c)
		r.source.began(t, "k", 0)
		s := c.Stats()
		if s.Led != 0 {
			t.Errorf("Stats = %+v, want 0 led: nothing was loaded", s)
		}
		if s.Hits+s.StaleHits+s.Led+s.Joined+s.Refused != 1 {
			t.Errorf("Stats = %+v, want 1 call", s)
		}
	})
}

func TestC34_DecodeErrorsCountAlone(t *testing.T) {
	for _, err := range []error{serde.ErrCorrupt, serde.ErrVersion, serde.ErrTooLarge} {
		t.Run(err.Error(), func(t *testing.T) {
			on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.faulty.on(onGet, failWith(fmt.Errorf("reading: %w", err)))
				get(t, c, "k", 1)
				settle(t, c)
				want := cache.Stats{Led: 1, LoadsSucceeded: 1, DecodeErrors: 1, HitsCounted: true}
				if diff := cmp.Diff(want, c.Stats()); diff != "" {
					t.Errorf("Stats differ (-want +got):\n%s", diff)
				}
				if n := r.events.count(cache.DecodeFailed); n != 1 || r.events.count(cache.StorageFailed) != 0 {
					t.Errorf("%d decode errors were reported", n)
				}
			})
		})
	}
}

func TestC34_FailedInvalidationsCountPerCall(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.faulty.on(onInvalidate, failWith(errStore))
		r.faulty.on(onClear, failWith(errStore))
		_ = c.Invalidate(t.Context(), "k")
		_ = c.InvalidateAll(t.Context())
		if s := c.Stats(); s.Invalidations != 2 || s.StorageErrors != 2 {
			t.Errorf("Stats = %+v, want 2 invalidations and 2 storage errors", s)
		}
		for _, e := range r.events.all(cache.Invalidated) {
			if !errors.Is(e.Err, errStore) {
				t.Errorf("event %+v without its error", e)
			}
		}
		if n := r.events.count(cache.Invalidated); n != 2 {
			t.Errorf("%d invalidations were reported, want 2", n)
		}
	})
}

func TestC34_WithoutWithStatsHitsAreNotCounted(t *testing.T) {
	c := open(t, one)
	for range 5 {
		get(t, c, "k", 1)
	}
	settle(t, c)
	if s := c.Stats(); s.HitsCounted || s.Hits != 0 || s.StaleHits != 0 || s.LoadsSucceeded != 1 || s.Led+s.Joined == 0 {
		t.Errorf("Stats = %+v", s)
	}
	if err := c.Reconfigure(cache.WithStats()); err != nil {
		t.Fatal(err)
	}
	get(t, c, "k", 1)
	if s := c.Stats(); !s.HitsCounted || s.Hits != 1 {
		t.Errorf("Stats with WithStats = %+v", s)
	}
}

func TestC35_InvalidCombinationChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(3), cache.WithTimeout(time.Minute))
		for _, key := range []string{"a", "b", "c"} {
			get(t, c, key, 1)
		}
		settle(t, c)
		fresh := storage.NewMemory[string, int]()
		err := c.Reconfigure(cache.WithStorage(fresh), cache.WithCapacity(1), cache.WithTimeout(time.Second),
			cache.WithPostprocess(postprocess.Func(func(v int) int { return v + 1000 })),
			cache.WithUpdateAfter(time.Hour), cache.WithExpireAfter(time.Minute))
		checkRefusal(t, err, []string{"WithUpdateAfter", "1h0m0s", "WithExpireAfter", "1m0s"})
		settle(t, c)
		wantHeld(t, r, map[string]int{"a": 1, "b": 1, "c": 1})
		get(t, c, "a", 1)
		get(t, c, "d", 1)
		settle(t, c)
		if n := len(r.held()); n != 3 || fresh.Len() != 0 {
			t.Errorf("%d entries in the storage and %d in the other one, want 3 and 0", n, fresh.Len())
		}
		r.source.hold("slow")
		slow := goGet(t.Context(), c, "slow")
		r.advance(time.Minute - 1)
		waits(t, slow)
		r.advance(1)
		fails(t, slow, cache.ErrLoadTimeout)
	})
}

// brokenList is a local storage that panics when it is asked for its entries.
type brokenList struct{ *storage.Memory[string, int] }

func (brokenList) All() iter.Seq2[string, *storage.Entry[int]] { panic("boom") }

// What only shows when the settings are about to be adopted changes nothing either.
func TestC35_FailureWhileAdoptingChangesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(3))
		for _, key := range []string{"a", "b", "c"} {
			get(t, c, key, 1)
		}
		settle(t, c)
		other := brokenList{storage.NewMemory[string, int]()}
		if err := c.Reconfigure(cache.WithStorage[string, int](other), cache.WithCapacity(1)); !isBoom(err) {
			t.Errorf("Reconfigure: %v", err)
		}
		get(t, c, "d", 1)
		settle(t, c)
		if n := len(r.held()); n != 3 {
			t.Errorf("%d entries, want 3: the capacity was changed by a Reconfigure that failed", n)
		}
	})
}

func TestC35_WhatIsNotNamedKeepsItsValue(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(2), cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(5*time.Minute),
			cache.WithTimeout(time.Second), cache.WithPostprocess(postprocess.Func(func(v int) int { return -v })))
		get(t, c, "a", -1)
		settle(t, c)
		if err := c.Reconfigure(cache.WithName("another")); err != nil {
			t.Fatal(err)
		}
		if err := c.Reconfigure(); err != nil {
			t.Fatal(err)
		}
		get(t, c, "a", -1)
		get(t, c, "b", -1)
		get(t, c, "c", -1)
		settle(t, c)
		if n := len(r.held()); n != 2 {
			t.Errorf("%d entries, want 2", n)
		}
		r.advance(time.Minute)
		get(t, c, "c", -1)
		settle(t, c)
		get(t, c, "c", -2)
		r.advance(5 * time.Minute)
		get(t, c, "c", -3)
		r.source.hold("slow")
		slow := goGet(t.Context(), c, "slow")
		r.advance(time.Second)
		fails(t, slow, cache.ErrLoadTimeout)
	})
}

func TestC35_LoneLifeSpanIsTakenWithTheOther(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		opts                   []cache.Option
		wantUpdate, wantExpire time.Duration
		wantErr                bool
	}{
		{"expire_after alone", []cache.Option{cache.WithExpireAfter(5 * time.Minute)}, time.Minute, 5 * time.Minute, false},
		{"expire_after alone, much", []cache.Option{cache.WithExpireAfter(100 * time.Hour)}, time.Minute, 100 * time.Hour, false},
		{"update_after alone", []cache.Option{cache.WithUpdateAfter(time.Second)}, time.Second, 10 * time.Minute, false},
		{"both", []cache.Option{cache.WithUpdateAfter(time.Hour), cache.WithExpireAfter(2 * time.Hour)}, time.Hour, 2 * time.Hour, false},
		{"expire_after below update_after", []cache.Option{cache.WithExpireAfter(time.Second)}, time.Minute, 10 * time.Minute, true},
		{"update_after above expire_after", []cache.Option{cache.WithUpdateAfter(time.Hour)}, time.Minute, 10 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			memory := storage.NewMemory[string, int]()
			c := open(t, one, cache.WithStorage(memory), cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(10*time.Minute))
			if err := c.Reconfigure(tt.opts...); (err != nil) != tt.wantErr {
				t.Fatalf("Reconfigure: %v", err)
			}
			mustSet(t, c, "k", 1)
			e := memory.Lookup("k")
			if u, x := e.UpdateAfter().Sub(e.Created()), e.ExpireAfter().Sub(e.Created()); u != tt.wantUpdate || x != tt.wantExpire {
				t.Errorf("life span %v and %v, want %v and %v", u, x, tt.wantUpdate, tt.wantExpire)
			}
		})
	}
}

// unresizable is a strategy whose capacity cannot be changed.
type unresizable struct{ eviction.Strategy[string] }

func TestC35_FigureOfAPartThatWasReplacedIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithEntryBuilder(lifespanOf[string, int](t, time.Minute, time.Hour)),
			cache.WithEviction[string](unresizable{eviction.NewSIEVE[string](2)}))
		checkRefusal(t, c.Reconfigure(cache.WithUpdateAfter(time.Second)), []string{"WithUpdateAfter", "1s", "WithEntryBuilder"})
		checkRefusal(t, c.Reconfigure(cache.WithExpireAfter(9*time.Hour)), []string{"WithExpireAfter", "9h0m0s", "WithEntryBuilder"})
		checkRefusal(t, c.Reconfigure(cache.WithCapacity(7)), []string{"WithCapacity", "7", "WithEviction", "Resize"})
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(time.Minute - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.advance(1)
		get(t, c, "k", 1)
		settle(t, c)
		r.source.began(t, "k", 2)
	})
}

func TestC35_SmallerCapacityIsReachedOnReturn(t *testing.T) {
	for name, opts := range map[string][]cache.Option{
		"default strategy": {cache.WithCapacity(50)},
		"one with Resize":  {cache.WithEviction(eviction.NewLeastRecentlyUsed[string](50))},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, opts...)
				for n := range 50 {
					mustSet(t, c, fmt.Sprint(n), n)
				}
				settle(t, c)
				if err := c.Reconfigure(cache.WithCapacity(3)); err != nil {
					t.Fatal(err)
				}
				wantHeld(t, r, map[string]int{"47": 47, "48": 48, "49": 49})
				if err := c.Reconfigure(cache.WithCapacity(5)); err != nil {
					t.Fatal(err)
				}
				for n := range 10 {
					mustSet(t, c, fmt.Sprint("new", n), n)
				}
				settle(t, c)
				if n := len(r.held()); n != 5 {
					t.Errorf("%d entries, want 5", n)
				}
			})
		})
	}
}

func TestC35_FlightKeepsTheSettingsItBeganWith(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Minute), cache.WithPostprocess(postprocess.Func(func(v int) int { return v * 10 })))
		r.source.hold()
		slow, quick := goGet(t.Context(), c, "slow"), goGet(t.Context(), c, "quick")
		l := r.source.nth(t, "quick", 1)
		if err := c.Reconfigure(cache.WithTimeout(time.Second), cache.WithExpireAfter(time.Hour), cache.WithUpdateAfter(time.Hour),
			cache.WithPostprocess(postprocess.Func(func(v int) int { return v * 100 }))); err != nil {
			t.Fatal(err)
		}
		late := goGet(t.Context(), c, "quick") // joins, with settings of its own
		r.advance(time.Second)
		waits(t, slow)
		r.source.returns(l, 1)
		wants(t, quick, 10)
		wants(t, late, 100)
		r.advance(time.Minute - time.Second - 1)
		waits(t, slow)
		r.advance(1)
		fails(t, slow, cache.ErrLoadTimeout)

		r.source.release()
		r.advance(updateAfter - time.Minute)
		get(t, c, "quick", 100) // stale: built with the life span of before
		settle(t, c)
		get(t, c, "quick", 200)
		r.advance(time.Hour - 1)
		get(t, c, "quick", 200)
	})
}

func TestC35_EntriesKeepTheirLifeSpan(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		if err := c.Reconfigure(cache.WithEntryBuilder(lifespanOf[string, int](t, 1, 2))); err != nil {
			t.Fatal(err)
		}
		r.advance(updateAfter - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
	})
}

// newStorage returns another storage of a sort.
func newStorage(s sort) (store storage.Storage[string, int], held func() map[string]int) {
	if s == inMemory {
		m := storage.NewMemory[string, int]()
		return m, func() map[string]int {
			got := map[string]int{}
			for key, entry := range m.All() {
				got[key] = entry.Value
			}
			return got
		}
	}
	f := newRemoteStorage[string, int]()
	if s == inLocal {
		store = &localStorage[string, int]{f}
	} else {
		store = f
	}
	return store, func() map[string]int {
		got := map[string]int{}
		for key, entry := range f.snapshot() {
			got[key] = entry.Value
		}
		return got
	}
}

func TestC35_FlightDoesNotStoreIfTheStorageWasReplaced(t *testing.T) {
	for _, to := range sorts {
		t.Run("by "+string(to), func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				mustSet(t, c, "stale", 50)
				r.advance(updateAfter)
				r.source.hold()
				get(t, c, "stale", 50)
				call := goGet(t.Context(), c, "k")
				background, foreground := r.source.nth(t, "stale", 1), r.source.nth(t, "k", 1)

				replacement, held := newStorage(to)
				if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
					t.Fatal(err)
				}
				r.source.returns(foreground, 1)
				r.source.returns(background, 1)
				wants(t, call, 1)
				settle(t, c)
				if diff := cmp.Diff(map[string]int{}, held()); diff != "" {
					t.Errorf("the new storage holds (-want +got):\n%s", diff)
				}
				wantHeld(t, r, map[string]int{"stale": 50})
				r.source.unhold()
				get(t, c, "k", 2)
				settle(t, c)
				if diff := cmp.Diff(map[string]int{"k": 2}, held()); diff != "" {
					t.Errorf("the new storage holds (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A call from after the replacement has nothing to do with a read of the old storage that is still in progress.
func TestC35_CallDoesNotJoinALookupInTheReplacedStorage(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		early := goGet(t.Context(), c, "k")
		waits(t, early)
		replacement, _ := newStorage(inRemote)
		if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
			t.Fatal(err)
		}
		late := goGet(t.Context(), c, "k")
		wants(t, late, 1)
		r.openGate(gate)
		if v, err := early.result(t); v != 50 && v != 1 || err != nil {
			t.Errorf("the call from before got %v, %v", v, err)
		}
		settle(t, c)
		get(t, c, "k", 1)
	})
}

// The strategy forgets what was in the old storage, and learns what is in the new one.
func TestC35_ReplacedStorageReplacesTheBooks(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		s := newStrict(t, 3)
		c := r.open(t, cache.WithEviction[string](s))
		for n := range 3 {
			mustSet(t, c, fmt.Sprint("old", n), 50)
		}
		replacement := storage.NewMemory[string, int]()
		for n := range 5 {
			if err := replacement.Offer(t.Context(), fmt.Sprint("new", n), entryAt(r.clock.Now(), n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Reconfigure(cache.WithStorage(replacement)); err != nil {
			t.Fatal(err)
		}
		if n := replacement.Len(); n != 3 {
			t.Errorf("%d entries in the new storage on return, want 3", n)
		}
		if n := len(r.held()); n != 3 {
			t.Errorf("%d entries in the old storage, want 3 as before", n)
		}
		var keys []string
		for key := range replacement.All() {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		if diff := cmp.Diff(keys, slices.Sorted(maps.Keys(s.booked))); diff != "" {
			t.Errorf("keys in the storage and in the books differ (-storage +strategy):\n%s", diff)
		}
	})
}

func TestC35_NewStrategyIsToldOfTheKeys(t *testing.T) {
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t)
		for n := range 6 {
			mustSet(t, c, fmt.Sprint(n), n)
		}
		s := newStrict(t, 4)
		if err := c.Reconfigure(cache.WithEviction[string](s)); err != nil {
			t.Fatal(err)
		}
		if n := len(r.held()); n != 4 {
			t.Errorf("%d entries on return, want 4", n)
		}
		s.agrees(t, r)
		for n := range 6 {
			if got := s.count(fmt.Sprint("written ", n)); got != 1 {
				t.Errorf("the strategy was told %d times of key %d, want once", got, n)
			}
		}
		for n := range 10 {
			mustSet(t, c, fmt.Sprint("more", n), n)
		}
		settle(t, c)
		s.agrees(t, r)
		if err := c.Reconfigure(cache.WithEviction(eviction.NewSIEVE[string](2))); err != nil {
			t.Fatal(err)
		}
		if n := len(r.held()); n != 2 {
			t.Errorf("%d entries on return, want 2", n)
		}
	})
}

func TestC35_NewStrategyNeedsAStorageThatCanListItsEntries(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		store := r.store
		if r.sort == inLocal {
			local := r.store.(*localStorage[string, int])
			store = struct {
				storage.Storage[string, int]
				storage.Local[string, int]
			}{local, local}
		}
		c := r.open(t, cache.WithCapacity(2))
		if err := c.Reconfigure(cache.WithStorage(store)); err != nil {
			t.Fatal(err)
		}
		mustSet(t, c, "a", 1)
		checkRefusal(t, c.Reconfigure(cache.WithEviction(eviction.NewSIEVE[string](1))), []string{"WithEviction", "All"})
		mustSet(t, c, "b", 2)
		wantHeld(t, r, map[string]int{"a": 1, "b": 2})
		mustSet(t, c, "c", 3)
		settle(t, c)
		wantHeld(t, r, map[string]int{"b": 2, "c": 3})
		if err := c.Reconfigure(cache.WithEviction(eviction.None[string]())); err != nil {
			t.Errorf("None, which has no books: %v", err)
		}
	})
}

// What a storage holds already counts from the beginning.
func TestC35_NewTellsTheStrategyOfAFilledStorage(t *testing.T) {
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		for n := range 9 {
			if err := r.store.Offer(t.Context(), fmt.Sprint(n), entryAt(r.clock.Now(), n)); err != nil {
				t.Fatal(err)
			}
		}
		s := newStrict(t, 5)
		c := r.open(t, cache.WithEviction[string](s))
		if n := len(r.held()); n != 5 {
			t.Errorf("%d entries after New, want 5", n)
		}
		s.agrees(t, r)
		mustSet(t, c, "more", 1)
		settle(t, c)
		if n := len(r.held()); n != 5 {
			t.Errorf("%d entries, want 5", n)
		}
		s.agrees(t, r)
	})
}

func TestC35_AwaitConfiguration(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.AwaitConfiguration(), cache.WithCapacity(2))
		wantAll(t, c, "k", cache.ErrNotConfigured)
		if err := c.Reconfigure(cache.WithCapacity(0)); err == nil {
			t.Error("Reconfigure accepted capacity 0")
		}
		wantAll(t, c, "k", cache.ErrNotConfigured)
		checkRefusal(t, c.Reconfigure(cache.AwaitConfiguration()), []string{"AwaitConfiguration"})
		wantAll(t, c, "k", cache.ErrNotConfigured)
		if s := c.Stats(); s.Refused != 6 {
			t.Errorf("Stats = %+v, want 6 refused", s)
		}
		settle(t, c)
		r.source.began(t, "k", 0)

		if err := c.Reconfigure(); err != nil {
			t.Fatal(err)
		}
		wantAll(t, c, "k", nil)
		checkRefusal(t, c.Reconfigure(cache.AwaitConfiguration()), []string{"AwaitConfiguration"})
		for n := range 5 { // what New was told is still in force
			mustSet(t, c, fmt.Sprint(n), n)
		}
		settle(t, c)
		if n := len(r.held()); n != 2 {
			t.Errorf("%d entries, want 2", n)
		}
	})
}

func TestC35_CloseOfACacheThatAwaitsConfiguration(t *testing.T) {
	c := open(t, one, cache.AwaitConfiguration())
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Reconfigure(); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("Reconfigure: %v", err)
	}
	wantAll(t, c, "k", cache.ErrClosed)
}

// Two figures that are set together are seen together: with one snapshot per call there is no value from between.
func TestC35_EveryCallWorksWithOneSnapshot(t *testing.T) {
	memory := storage.NewMemory[string, int]()
	c := open(t, one, cache.WithStorage(memory), cache.WithUpdateAfter(time.Hour), cache.WithExpireAfter(time.Hour))
	done := make(chan struct{})
	var wg, writers sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				d := time.Duration(1+n%5) * time.Hour
				if err := c.Reconfigure(cache.WithUpdateAfter(d), cache.WithExpireAfter(d), cache.WithCapacity(1+n%4)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for n := range 500 {
				key := fmt.Sprint(w, n%7)
				if n%2 == 0 {
					mustSet(t, c, key, n)
				} else if _, err := c.Refresh(t.Context(), key); err != nil {
					t.Error(err)
				}
				if e := memory.Lookup(key); e != nil && !e.UpdateAfter().Equal(e.ExpireAfter()) {
					t.Errorf("stale from %v, expired from %v: half of one configuration and half of another", e.UpdateAfter(), e.ExpireAfter())
				}
			}
		})
	}
	writers.Wait()
	close(done)
	wg.Wait()
	settle(t, c)
}

// Calls, and replacements of every part, at once.
func TestC35_ReconfigureAmidCalls(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		for seed := range uint64(5) {
			r := newRig(t, r.sort, r.clock)
			chance := newChance(seed)
			r.source.answers(func(l *load[string, int]) (int, error) {
				chance.nap(3)
				return l.ordinal, nil
			})
			c := r.open(t, cache.WithUpdateAfter(0))
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for range 40 {
						chance.nap(3)
						key := fmt.Sprint(chance.below(5))
						if _, err := c.Get(t.Context(), key); err != nil {
							t.Error(err)
						}
						switch chance.below(4) {
						case 0:
							mustSet(t, c, key, 1)
						case 1:
							mustInvalidate(t, c, key)
						}
					}
				})
			}
			var last func() map[string]int
			wg.Go(func() {
				for range 20 {
					chance.nap(4)
					store, held := newStorage(sorts[chance.below(len(sorts))])
					last = held
					opts := []cache.Option{cache.WithStorage(store), cache.WithTimeout(time.Minute)}
					if chance.of(2) {
						opts = append(opts, cache.WithEviction(eviction.NewLeastRecentlyUsed[string](1+chance.below(3))))
					} else {
						opts = append(opts, cache.WithCapacity(1+chance.below(3)))
					}
					if err := c.Reconfigure(opts...); err != nil {
						t.Errorf("Reconfigure: %v", err)
					}
				}
				if err := c.Reconfigure(cache.WithCapacity(2)); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			settle(t, c)
			if n := len(last()); n > 2 {
				t.Errorf("%d entries at rest, capacity 2", n)
			}
		}
	})
}

// A load that Close has cancelled before its goroutine got to run is not reported as started. On one processor the goroutine mostly
// comes later.
func TestC32_NothingIsReportedToStartThatDoesNot(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		c := openStale(t, r)
		loads := r.source.count("k")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if v, err := c.Get(t.Context(), "k"); v != 1 || err != nil {
			t.Errorf("Get = %v, %v", v, err)
		}
		_ = c.Close(ended)
		synctest.Wait()
		if reported, begun := r.events.count(cache.LoadStarted), r.source.count("k")-loads; reported != begun {
			t.Errorf("%d loads were reported to start, %d have", reported, begun)
		}
	})
}
