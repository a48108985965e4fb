package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestC08_OneRunningAndOneQueued(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		first := goGet(t.Context(), c, "k")
		r.source.began(t, "k", 1)

		var forced []*call[int]
		for range 50 {
			forced = append(forced, goRefresh(t.Context(), c, "k"))
		}
		for _, w := range forced {
			waits(t, w)
		}
		r.source.began(t, "k", 1)
		r.source.returns(r.source.nth(t, "k", 1), 1)
		wants(t, first, 1)
		r.source.began(t, "k", 2)

		// The queued load has begun, so it is too early for these.
		var late []*call[int]
		for range 50 {
			late = append(late, goRefresh(t.Context(), c, "k"))
		}
		for _, w := range late {
			waits(t, w)
		}
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		for _, w := range forced {
			wants(t, w, 2)
		}
		r.source.began(t, "k", 3)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		for _, w := range late {
			wants(t, w, 3)
		}
		get(t, c, "k", 3)
		r.source.began(t, "k", 3)
	})
}

func TestC08_NeverTwoAtOnceInAStorm(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(time.Second), cache.WithExpireAfter(3*time.Second), cache.WithRefreshBackoff(0))
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(time.Duration(l.ordinal%4) * time.Millisecond) // of the bubble
			if l.ordinal%5 == 0 {
				return 0, errBackend
			}
			return l.ordinal, nil
		})
		if r.faulty != nil {
			slow := func(context.Context, string) error { time.Sleep(time.Millisecond); return nil }
			r.faulty.on(onOffer, slow)
			r.faulty.on(onGet, slow)
		}
		var wg sync.WaitGroup
		for worker := range uint64(16) {
			random := rand.New(rand.NewPCG(1, worker))
			wg.Go(func() {
				for range 100 {
					time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
					var err error
					if random.IntN(4) == 0 {
						_, err = c.Refresh(t.Context(), "k")
					} else {
						_, err = c.Get(t.Context(), "k")
					}
					if err != nil && !errors.Is(err, errBackend) {
						t.Errorf("unexpected error %v", err)
					}
				}
			})
		}
		for range 100 {
			time.Sleep(time.Millisecond)
			r.clock.Advance(300 * time.Millisecond)
		}
		wg.Wait()
		settle(t, c)
		if n := r.source.mostAtOnce("k"); n != 1 {
			t.Errorf("%d loads of the key were running at once, want 1", n)
		}
		if n := r.source.count("k"); n < 20 {
			t.Errorf("only %d loads: the test shows nothing", n)
		}
	})
}

// stampede makes n concurrent calls of Get for the key, which all have to return want.
func stampede(t *testing.T, c *cache.Cache[string, int], n int, key string, want int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { get(t, c, key, want) })
	}
	wg.Wait()
}

func TestC09_ThousandCallersOneLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		const callers = 1000
		c := r.open(t)
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(50 * time.Millisecond) // of the bubble
			return l.ordinal, nil
		})
		if r.faulty != nil {
			slow := func(context.Context, string) error { time.Sleep(20 * time.Millisecond); return nil }
			r.faulty.on(onGet, slow)
			r.faulty.on(onOffer, slow)
		}
		stampede(t, c, callers, "k", 1)
		r.source.began(t, "k", 1)
		settle(t, c)

		r.advance(expireAfter)
		stampede(t, c, callers, "k", 2)
		r.source.began(t, "k", 2)
		settle(t, c)

		r.advance(updateAfter)
		stampede(t, c, callers, "k", 2)
		settle(t, c)
		r.source.began(t, "k", 3)

		stampede(t, c, callers, "k", 3)
		r.source.began(t, "k", 3)
	})
}

// Callers that come one after the other, at every stage of the flight, cause no second load either.
func TestC09_CallersAtEveryStageOfASlowFlight(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(50 * time.Millisecond) // of the bubble
			return l.ordinal, nil
		})
		if r.faulty != nil {
			slow := func(context.Context, string) error { time.Sleep(20 * time.Millisecond); return nil }
			r.faulty.on(onGet, slow)
			r.faulty.onceDone(onGet, slow)
			r.faulty.on(onOffer, slow)
			r.faulty.onceDone(onOffer, slow)
		}
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() { get(t, c, "k", 1) })
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		settle(t, c)
		r.source.began(t, "k", 1)
	})
}

func TestC09_EveryColdKeyLoadedOnceForReal(t *testing.T) {
	const workers, keys = 8, 100_000
	loads := make([]atomic.Int32, keys)
	c := open(t, func(_ context.Context, key int) (int, error) {
		loads[key].Add(1)
		return key, nil
	}, cache.WithCapacity(keys))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for key := range keys {
				if v, err := c.Get(context.Background(), key); v != key || err != nil {
					t.Errorf("Get(%d) = %v, %v", key, v, err)
					return
				}
			}
		})
	}
	wg.Wait()
	settle(t, c)
	for key := range loads {
		if n := loads[key].Load(); n != 1 {
			t.Fatalf("key %d was loaded %d times, want once", key, n)
		}
	}
}

// The same on storages whose reads and writes take the long way round. There are fewer keys, because each of them costs goroutines.
func TestC09_EveryColdKeyLoadedOnceOnOtherStorages(t *testing.T) {
	const workers, keys = 8, 3000
	for _, sort := range []sort{inLocal, inRemote} {
		t.Run(string(sort), func(t *testing.T) {
			loads := make([]atomic.Int32, keys)
			c := open(t, func(_ context.Context, key int) (int, error) {
				loads[key].Add(1)
				return key, nil
			}, cache.WithCapacity(keys), cache.WithStorage(newStorageOf[int, int](sort)), cache.WithStorageTimeout(cache.Forever))
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for key := range keys {
						if v, err := c.Get(context.Background(), key); v != key || err != nil {
							t.Errorf("Get(%d) = %v, %v", key, v, err)
							return
						}
					}
				})
			}
			wg.Wait()
			settle(t, c)
			for key := range loads {
				if n := loads[key].Load(); n != 1 {
					t.Fatalf("key %d was loaded %d times, want once", key, n)
				}
			}
		})
	}
}

// What cannot be stored has to be loaded again, once for each crowd that comes.
func TestC09_OneMoreLoadForAFailedWrite(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.faulty.on(onOffer, func(context.Context, string) error { return errStore })
		for n := range 3 {
			r.source.hold("k")
			var crowd []*call[int]
			for range 100 {
				crowd = append(crowd, goGet(t.Context(), c, "k"))
			}
			r.source.began(t, "k", n+1)
			r.source.release()
			for _, w := range crowd {
				wants(t, w, n+1)
			}
			settle(t, c)
			r.source.began(t, "k", n+1)
		}
	})
}

// No more loads than the law allows, under a storm of everything that causes some.
func TestC09_LawOfTheNumberOfLoads(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		var failures, invalidations, forced atomic.Int64
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(time.Duration(l.ordinal%3) * time.Millisecond) // of the bubble
			if l.ordinal%7 == 0 {
				failures.Add(1)
				return 0, errBackend
			}
			return l.ordinal, nil
		})
		if r.faulty != nil {
			slow := func(context.Context, string) error { time.Sleep(time.Millisecond); return nil }
			for _, m := range []method{onGet, onOffer, onInvalidate} {
				r.faulty.on(m, slow)
				r.faulty.onceDone(m, slow)
			}
		}
		var wg sync.WaitGroup
		for worker := range uint64(20) {
			random := rand.New(rand.NewPCG(2, worker))
			wg.Go(func() {
				for range 100 {
					time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
					switch random.IntN(20) {
					case 0:
						invalidations.Add(1)
						if err := c.Invalidate(t.Context(), "k"); err != nil {
							t.Errorf("Invalidate: %v", err)
						}
					case 1:
						forced.Add(1)
						_, _ = c.Refresh(t.Context(), "k")
					default:
						_, _ = c.Get(t.Context(), "k")
					}
				}
			})
		}
		wg.Wait()
		settle(t, c)
		most := 1 + failures.Load() + invalidations.Load() + forced.Load()
		if n := int64(r.source.count("k")); n > most || n < 20 {
			t.Errorf("%d loads; want at least 20, and at most 1 + %d failures + %d invalidations + %d forced", n, failures.Load(), invalidations.Load(), forced.Load())
		}
	})
}

// others is how many other keys a test uses, enough to meet every lock that a key may share with others.
const others = 300

// checkOthers uses other keys in every way; everything has to be done without the clock moving. Writes that are not per key are left out.
func checkOthers(t *testing.T, c *cache.Cache[string, int]) {
	t.Helper()
	ctx := t.Context()
	done := asyncErr(func() error {
		for i := range others {
			key := fmt.Sprint("other-", i)
			_, miss := c.Get(ctx, key)
			_, hit := c.Get(ctx, key)
			_, forced := c.Refresh(ctx, key)
			_, peeked := c.Peek(ctx, key)
			set := c.Set(ctx, key, -i)
			v, again := c.Get(ctx, key)
			gone := c.Invalidate(ctx, key)
			if err := errors.Join(miss, hit, forced, set, again, gone); err != nil || !peeked || v != -i {
				return fmt.Errorf("key %s: peeked %v, got %v: %w", key, peeked, v, err)
			}
		}
		return nil
	})
	if done.waiting() {
		t.Fatal("a stuck key delays other keys")
	}
	if _, err := done.result(t); err != nil {
		t.Error(err)
	}
}

// stuckOn blocks until the gate opens, if it is called for the key "stuck".
func stuckOn(g chan struct{}) fault[string] {
	return func(_ context.Context, key string) error {
		if key == "stuck" {
			<-g
		}
		return nil
	}
}

func TestC10_StuckLoaderDelaysNoOtherKey(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("stuck")
		w := goGet(t.Context(), c, "stuck")
		queued := goRefresh(t.Context(), c, "stuck")
		waits(t, w)
		checkOthers(t, c)
		waits(t, w)
		waits(t, queued)
	})
}

func TestC10_StuckStorageDelaysNoOtherKey(t *testing.T) {
	tests := []struct {
		stuck method
		call  func(ctx context.Context, c *cache.Cache[string, int]) error
		sorts []sort
	}{
		{onGet, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Get(ctx, "stuck")
			return err
		}, []sort{inRemote}},
		{onGet, func(ctx context.Context, c *cache.Cache[string, int]) error { c.Peek(ctx, "stuck"); return nil }, []sort{inRemote}},
		{onOffer, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Get(ctx, "stuck")
			return err
		}, []sort{inLocal, inRemote}},
		{onOffer, func(ctx context.Context, c *cache.Cache[string, int]) error { return c.Set(ctx, "stuck", 1) }, []sort{inLocal, inRemote}},
		{onInvalidate, func(ctx context.Context, c *cache.Cache[string, int]) error { return c.Invalidate(ctx, "stuck") }, []sort{inLocal, inRemote}},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i, tt.stuck), func(t *testing.T) {
			on(t, tt.sorts, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithStorageTimeout(cache.Forever))
				r.faulty.on(tt.stuck, stuckOn(r.gate()))
				w := asyncErr(func() error { return tt.call(t.Context(), c) })
				synctest.Wait()
				if r.faulty.count(tt.stuck) == 0 {
					t.Fatal("the storage was not called: the test shows nothing")
				}
				checkOthers(t, c)
				for len(r.gates) > 0 {
					r.openGate(r.gates[0])
				}
				if _, err := w.result(t); err != nil {
					t.Errorf("the stuck call failed: %v", err)
				}
			})
		})
	}
}

func TestC10_StuckReleaseDelaysNoOtherKey(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever), cache.WithCapacity(2))
		r.faulty.on(onRelease, stuckOn(r.gate()))
		get(t, c, "stuck", 1)
		for i := range 3 {
			get(t, c, fmt.Sprint(i), 1)
		}
		synctest.Wait()
		if r.faulty.count(onRelease) == 0 {
			t.Fatal("nothing was released: the test shows nothing")
		}
		checkOthers(t, c)
	})
}

// While a Clear is stuck, writes wait, but callers get what is loaded for them.
func TestC10_StuckClearDelaysNoLoad(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever))
		get(t, c, "k", 1)
		settle(t, c)
		g := r.gate()
		r.faulty.on(onClear, func(context.Context, string) error { <-g; return nil })
		w := asyncErr(func() error { return c.InvalidateAll(t.Context()) })
		waits(t, w)
		done := asyncErr(func() error {
			for i := range others {
				if _, err := c.Get(t.Context(), fmt.Sprint(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if _, err := done.result(t); err != nil {
			t.Error(err)
		}
		waits(t, w)
		r.openGate(g)
		if _, err := w.result(t); err != nil {
			t.Errorf("InvalidateAll: %v", err)
		}
	})
}

func TestC10_StuckObserverDelaysNoOtherKey(t *testing.T) {
	for _, kind := range []cache.EventKind{cache.LoadStarted, cache.LoadSucceeded, cache.LoadFailed, cache.Invalidated, cache.Evicted, cache.StorageFailed} {
		t.Run(kind.String(), func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				if r.sort == inMemory && kind == cache.StorageFailed {
					t.Skip("a memory does not fail")
				}
				g := r.gate()
				var stuck atomic.Int32
				r.cache = open(t, r.source.load, cache.WithClock(r.clock), cache.WithStorage(r.store), cache.WithCapacity(20),
					cache.WithObserver(func(e cache.Event) {
						if e.Key == "stuck" && e.Kind == kind {
							stuck.Add(1)
							<-g
						}
					}))
				r.source.answers(func(l *load[string, int]) (int, error) {
					if l.key == "stuck" && kind == cache.LoadFailed {
						return 0, errBackend
					}
					return l.ordinal, nil
				})
				if kind == cache.StorageFailed {
					r.faulty.on(onOffer, failWithKey(errStore, "stuck"))
				}
				asyncErr(func() error {
					_, err := r.cache.Get(context.Background(), "stuck")
					if kind == cache.Invalidated {
						err = r.cache.Invalidate(context.Background(), "stuck")
					}
					return err
				})
				synctest.Wait()
				if kind == cache.Evicted {
					// On a memory the observer is called on the goroutine of the flight that evicts.
					for i := range 21 {
						goGet(context.Background(), r.cache, fmt.Sprint(i))
						synctest.Wait()
					}
				}
				if stuck.Load() == 0 {
					t.Fatal("the observer was not called: the test shows nothing")
				}
				checkOthers(t, r.cache)
			})
		})
	}
}

func TestC10_StuckPartsDelayNoOtherKey(t *testing.T) {
	// Each part is stuck with the key "stuck", or with its value.
	const stuckValue = 1_000_000
	lru := func() eviction.Strategy[string] { return eviction.NewLeastRecentlyUsed[string](100) }
	tests := map[string]func(stuck func(key string)) cache.Option{
		"post-processing": func(stuck func(string)) cache.Option {
			return cache.WithPostprocess(processorFunc[int](func(v int) int {
				if v == stuckValue {
					stuck("stuck")
				}
				return v
			}))
		},
		"entry builder": func(stuck func(string)) cache.Option {
			return cache.WithEntryBuilder(builderFunc(func(began time.Time, key string, v int) *storage.Entry[int] {
				stuck(key)
				return entryAt(began, v)
			}))
		},
		"MarkRead": func(stuck func(string)) cache.Option {
			return cache.WithEviction(&hookedStrategy{Strategy: lru(), markRead: stuck})
		},
		"MarkWritten": func(stuck func(string)) cache.Option {
			return cache.WithEviction(&hookedStrategy{Strategy: lru(), markWritten: stuck})
		},
		"MarkReleased": func(stuck func(string)) cache.Option {
			return cache.WithEviction(&hookedStrategy{Strategy: lru(), markReleased: stuck})
		},
		"logger": func(stuck func(string)) cache.Option {
			return cache.WithLogger(slog.New(handlerFunc(func(record slog.Record) {
				record.Attrs(func(a slog.Attr) bool { stuck(a.Value.String()); return true })
			})))
		},
	}
	for name, part := range tests {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				if name == "logger" && r.sort == inMemory {
					t.Skip("a memory has no failures to be logged")
				}
				g := r.gate()
				var calls atomic.Int32
				r.cache = open(t, r.source.load, cache.WithClock(r.clock), cache.WithStorage(r.store), part(func(key string) {
					if key == "stuck" {
						calls.Add(1)
						<-g
					}
				}))
				if name == "logger" {
					r.faulty.on(onOffer, failWithKey(errStore, "stuck"))
				}
				r.source.answers(func(l *load[string, int]) (int, error) {
					if l.key == "stuck" {
						return stuckValue, nil
					}
					return l.ordinal, nil
				})
				for range 2 {
					goGet(context.Background(), r.cache, "stuck")
					synctest.Wait()
				}
				asyncErr(func() error { return r.cache.Invalidate(context.Background(), "stuck") })
				synctest.Wait()
				if calls.Load() == 0 {
					t.Fatal("the part was not called: the test shows nothing")
				}
				checkOthers(t, r.cache)
			})
		})
	}
}

// failWithKey returns err for one key.
func failWithKey(err error, fails string) fault[string] {
	return func(_ context.Context, key string) error {
		if key == fails {
			return err
		}
		return nil
	}
}

// One call of NextToRelease is stuck. Others name victims meanwhile.
func TestC10_StuckChoiceOfVictimDelaysNoOtherKey(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		g := r.gate()
		var calls atomic.Int32
		strategy := &hookedStrategy{Strategy: eviction.NewLeastRecentlyUsed[string](10), next: func() {
			if calls.Add(1) == 2 { // the first is that of New
				<-g
			}
		}}
		c := r.open(t, cache.WithEviction(strategy))
		get(t, c, "stuck", 1)
		synctest.Wait()
		if calls.Load() != 2 {
			t.Fatalf("NextToRelease was called %d times, want 2", calls.Load())
		}
		checkOthers(t, c)
	})
}

func TestC10_StuckKeyExtractorDelaysNoOtherKey(t *testing.T) {
	for _, sort := range sorts {
		t.Run(string(sort), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				g := make(chan struct{})
				source := newSource(clock, func(l *load[string, int]) (int, error) { return l.ordinal, nil })
				key := keys.Func(func(args string) (string, error) { return strings.ToLower(args), stuckOn(g)(nil, args) })
				c := openKeyed(t, source.load, key, cache.WithClock(clock), cache.WithStorage(newStorageOf[string, int](sort)))
				w := goGet(t.Context(), c, "stuck")
				waits(t, w)
				checkOthers(t, c)
				close(g)
				wants(t, w, 1)
				settle(t, c)
			})
		})
	}
}

// A codec is called by the storage that it is part of.
func TestC10_StuckCodecDelaysNoOtherKey(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		g := make(chan struct{})
		source := newSource(clock, func(l *load[string, int]) (int, error) {
			if l.key == "stuck" {
				return 1_000_000, nil
			}
			return l.ordinal, nil
		})
		store := newByteStorage(stuckCodec{serde.JSON[int](), g})
		c := open(t, source.load, cache.WithClock(clock), cache.WithStorage(store), cache.WithStorageTimeout(cache.Forever))
		w := goGet(t.Context(), c, "stuck")
		wants(t, w, 1_000_000) // the value comes before the write
		checkOthers(t, c)
		close(g)
		settle(t, c)
	})
}

// stuckCodec cannot encode a million before the gate opens.
type stuckCodec struct {
	serde.Codec[int]
	gate chan struct{}
}

func (c stuckCodec) Encode(entry *storage.Entry[int]) ([]byte, error) {
	if entry.Value == 1_000_000 {
		<-c.gate
	}
	return c.Codec.Encode(entry)
}

func TestC11_WaitersHaveNoGoroutineOfOurs(t *testing.T) {
	const callers = 1000
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		before := bubbleGoroutines()
		var waiters []*call[int]
		for range callers {
			waiters = append(waiters, goGet(t.Context(), c, "k"))
		}
		// Returns only if all of them are blocked on channels: a goroutine that waits for a mutex does not count as blocked.
		synctest.Wait()
		if n := bubbleGoroutines() - before - callers; n > 2 {
			t.Errorf("%d callers of Get cost %d goroutines of the cache, want at most 2", callers, n)
		}
		for range callers {
			waiters = append(waiters, goRefresh(t.Context(), c, "k"))
		}
		synctest.Wait()
		if n := bubbleGoroutines() - before - 2*callers; n > 2 {
			t.Errorf("%d callers of Get and as many of Refresh cost %d goroutines of the cache, want at most 2", callers, n)
		}
		for _, w := range waiters {
			waits(t, w)
		}
	})
}

func TestC11_WaitersForALookupHaveNoGoroutineOfOurs(t *testing.T) {
	const callers = 1000
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		g := r.gate()
		r.faulty.on(onGet, func(context.Context, string) error { <-g; return nil })
		before := bubbleGoroutines()
		var waiters []*call[int]
		for range callers {
			waiters = append(waiters, goGet(t.Context(), c, "k"))
		}
		synctest.Wait()
		if n := bubbleGoroutines() - before - callers; n > 2 {
			t.Errorf("%d callers cost %d goroutines of the cache, want at most 2: the flight and its storage call", callers, n)
		}
		r.openGate(g)
		for _, w := range waiters {
			wants(t, w, 1)
		}
		if n := r.faulty.count(onGet); n != 1 {
			t.Errorf("%d callers made %d reads, want 1", callers, n)
		}
	})
}

// Whoever waits for a write waits on a channel: synctest.Wait would not return otherwise, and the clock could not move.
func TestC11_WaitersForAWriteWaitOnChannels(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(time.Second))
		g := r.gate()
		r.faulty.on(onOffer, stuckOn(g))
		get(t, c, "stuck", 1)
		synctest.Wait() // it is being written
		var calls []*call[struct{}]
		for range 20 {
			calls = append(calls,
				asyncErr(func() error { return c.Invalidate(t.Context(), "stuck") }),
				asyncErr(func() error { return c.Set(t.Context(), "stuck", 7) }),
				asyncErr(func() error { return c.InvalidateAll(t.Context()) }),
				asyncErr(func() error { return c.Wait(t.Context()) }),
			)
		}
		for _, w := range calls {
			waits(t, w)
		}
		r.openGate(g)
		for _, w := range calls {
			if _, err := w.result(t); err != nil {
				t.Errorf("a call that had to wait failed: %v", err)
			}
		}
	})
}

// What a waiter costs does not depend on how many there are.
func TestC11_MemoryPerWaiterIsConstant(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		perWaiter := func(key string, callers int) uint64 {
			r.source.hold(key)
			leader := goGet(t.Context(), c, key)
			waits(t, leader)
			waiters := make([]*call[int], callers)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range waiters {
				waiters[i] = goGet(t.Context(), c, key)
			}
			synctest.Wait()
			runtime.ReadMemStats(&after)
			r.source.release()
			for _, w := range waiters {
				wants(t, w, 1)
			}
			return (after.TotalAlloc - before.TotalAlloc) / uint64(callers)
		}
		perWaiter("warm", 5000)
		few, many := perWaiter("few", 500), perWaiter("many", 5000)
		if many > few+512 {
			t.Errorf("each of 5000 waiters allocates %d bytes, each of 500 %d", many, few)
		}
	})
}
