package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
)

// openStale opens a cache in which the key "k" is stale since this very instant, with the value of load 1.
func openStale(t *testing.T, r *rig, opts ...cache.Option) *cache.Cache[string, int] {
	t.Helper()
	c := r.open(t, opts...)
	get(t, c, "k", 1)
	settle(t, c)
	r.advance(updateAfter)
	r.events.forget()
	return c
}

func TestC12_StaleHitReturnsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r)
		r.source.hold("k")
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		for range 10 {
			r.advance(time.Second)
			get(t, c, "k", 1)
		}
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
		if s := c.Stats(); s.StaleHits != 11 || s.Hits != 1 || s.Led != 1 || s.Joined != 0 {
			t.Errorf("Stats = %+v, want 11 stale hits, 1 hit, 1 led, 0 joined", s)
		}
	})
}

func TestC12_ConcurrentStaleHitsStartOneFlight(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r)
		r.source.hold("k")
		if r.faulty != nil {
			r.faulty.on(onGet, func(context.Context, string) error { time.Sleep(time.Millisecond); return nil })
		}
		stampede(t, c, 100, "k", 1)
		r.source.began(t, "k", 2)
		stampede(t, c, 100, "k", 1)
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		stampede(t, c, 100, "k", 2)
		r.source.began(t, "k", 2)
	})
}

// UpdateAfter 0 makes every hit stale: still one flight at a time, and the answer comes at once.
func TestC12_AlwaysStale(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(0))
		get(t, c, "k", 1)
		settle(t, c)
		r.source.hold("k")
		stampede(t, c, 100, "k", 1)
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		get(t, c, "k", 2)
		r.source.began(t, "k", 3)
	})
}

// One entry under two keys, or in two caches: a load that hangs holds up the refresh of nothing else.
func TestC10_SharedEntryCouplesNothing(t *testing.T) {
	on(t, []sort{inMemory, inLocal}, func(t *testing.T, r *rig) {
		shared := storage.NewEntry(7, epoch, epoch.Add(time.Second), time.Time{})
		seeded := func(load func(context.Context, string) (int, error)) *cache.Cache[string, int] {
			store := newRig(t, r.sort, r.clock).store
			for _, key := range []string{"a", "b"} {
				if err := store.Offer(t.Context(), key, shared); err != nil {
					t.Fatal(err)
				}
			}
			return open(t, load, cache.WithClock(r.clock), cache.WithStorage(store), cache.WithTimeout(cache.Forever))
		}
		g := r.gate()
		one := seeded(func(_ context.Context, key string) (int, error) {
			if key == "a" {
				<-g
			}
			return 1, nil
		})
		two := seeded(func(context.Context, string) (int, error) { return 2, nil })
		advance(r.clock, time.Minute)
		get(t, one, "a", 7)
		synctest.Wait()
		get(t, one, "a", 7)

		get(t, one, "b", 7)
		synctest.Wait()
		get(t, one, "b", 1)
		get(t, two, "a", 7)
		synctest.Wait()
		get(t, two, "a", 2)

		r.openGate(g)
		settle(t, one)
		get(t, one, "a", 1)
		settle(t, two)
	})
}

// decoded is a storage that makes an entry whenever it is asked, stale since a second, and remembers the last one.
type decoded struct {
	storage.Storage[string, []byte]
	now  func() time.Time
	last weak.Pointer[storage.Entry[[]byte]]
}

func (d *decoded) Get(context.Context, string) (*storage.Entry[[]byte], error) {
	now := d.now()
	entry := storage.NewEntry(make([]byte, 1<<20), now.Add(-time.Minute), now.Add(-time.Second), time.Time{})
	d.last = weak.Make(entry)
	return entry, nil
}

// An entry that was made for one read is not kept while its successor is being loaded.
func TestC12_DecodedEntryIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		store := &decoded{Storage: newRemoteStorage[string, []byte](), now: clock.Now}
		gate := make(chan struct{})
		c := open(t, func(context.Context, string) ([]byte, error) { <-gate; return nil, nil }, cache.WithClock(clock), cache.WithStorage[string, []byte](store))
		if v, err := c.Get(t.Context(), "k"); len(v) != 1<<20 || err != nil {
			t.Errorf("Get = %d bytes, %v", len(v), err)
		}
		synctest.Wait()
		runtime.GC()
		if store.last.Value() != nil {
			t.Error("the stale entry is kept")
		}
		close(gate)
		settle(t, c)
	})
}

// A reader finds the stale entry, and is held up until a refresh has taken its place. It must not start another one.
func TestC12_LateReaderStartsNothing(t *testing.T) {
	// A stale hit reads the clock several times before its background load begins. At each of them it may be held up.
	readings := map[sort]int32{inMemory: 2, inLocal: 2, inRemote: 4}
	for reading := range int32(4) {
		t.Run(fmt.Sprint("reading ", reading+1), func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				if reading >= readings[r.sort] {
					t.Skip("there is no such reading")
				}
				watch := &watchedClock{FakeClock: r.clock}
				r.cache = open(t, r.source.load, cache.WithClock(watch), cache.WithStorage(r.store), cache.WithStorageTimeout(cache.Forever))
				c := r.cache
				get(t, c, "k", 1)
				settle(t, c)
				r.advance(updateAfter)

				g := r.gate()
				var n atomic.Int32
				pause := func() {
					if n.Add(1) == reading+1 {
						<-g
					}
				}
				watch.onNow.Store(&pause)
				late := goGet(t.Context(), c, "k")
				synctest.Wait()
				watch.onNow.Store(nil)
				if n.Load() <= reading {
					t.Fatal("nothing was held up: the test shows nothing")
				}

				forced := goRefresh(t.Context(), c, "k")
				synctest.Wait()
				r.openGate(g)
				wants(t, forced, 2)
				if v, err := late.result(t); v < 1 || v > 2 || err != nil {
					t.Errorf("the late reader got %v, %v; want 1 or 2", v, err)
				}
				settle(t, c)
				r.source.began(t, "k", 2)
				get(t, c, "k", 2)
			})
		})
	}
}

// On a storage that is not local the entry is read, then the answer is slow to come, and meanwhile a forced load is committed.
func TestC12_LateLookupStartsNothing(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithStorageTimeout(time.Minute))
		g := r.gate()
		r.faulty.onceDone(onGet, func(context.Context, string) error { <-g; return nil })
		late := goGet(t.Context(), c, "k")
		waits(t, late)
		if v, err := c.Refresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("Refresh = %v, %v; want 2", v, err)
		}
		wants(t, late, 2) // is handed what was committed meanwhile
		r.openGate(g)
		settle(t, c)
		r.source.began(t, "k", 2)
		get(t, c, "k", 2)
	})
}

// The same on a local storage: the second look at it finds the stale entry and is held up.
func TestC12_LateLocalLookupStartsNothing(t *testing.T) {
	for lookup := 1; lookup <= 2; lookup++ {
		t.Run(fmt.Sprint("lookup ", lookup), func(t *testing.T) {
			on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
				c := openStale(t, r)
				g := r.gate()
				n := 0
				r.faulty.onceDone(onLookup, func(context.Context, string) error {
					if n++; n == lookup {
						r.faulty.onceDone(onLookup, nil)
						<-g
					}
					return nil
				})
				late := goGet(t.Context(), c, "k")
				waits(t, late)
				if v, err := c.Refresh(t.Context(), "k"); v != 2 || err != nil {
					t.Errorf("Refresh = %v, %v; want 2", v, err)
				}
				synctest.Wait()
				r.openGate(g)
				if v, err := late.result(t); v < 1 || v > 2 || err != nil {
					t.Errorf("the late reader got %v, %v", v, err)
				}
				settle(t, c)
				r.source.began(t, "k", 2)
			})
		})
	}
}

// failures are the ways in which a load fails.
var failures = map[string]struct {
	load func() (int, error)
	want error // nil: a PanicError
}{
	"error": {func() (int, error) { return 0, errBackend }, errBackend},
	"panic": {func() (int, error) { panic("boom") }, nil},
	"exit":  {func() (int, error) { runtime.Goexit(); return 0, nil }, cache.ErrLoaderExited},
}

func TestC13_FailedRefreshIsReportedOnceAndBacksOff(t *testing.T) {
	const backoff = 7 * time.Second
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := openStale(t, r, cache.WithRefreshBackoff(backoff), cache.WithName("prices"))
				r.source.answers(func(*load[string, int]) (int, error) { return failure.load() })
				get(t, c, "k", 1)
				settle(t, c)
				r.source.began(t, "k", 2)
				checkFailedOnce(t, r, failure.want)

				// Nothing before the backoff is over.
				stampede(t, c, 10, "k", 1)
				r.advance(backoff - 1)
				stampede(t, c, 10, "k", 1)
				r.source.began(t, "k", 2)
				checkFailedOnce(t, r, failure.want)

				// One more attempt at that very instant.
				r.advance(1)
				stampede(t, c, 10, "k", 1)
				settle(t, c)
				r.source.began(t, "k", 3)
				if n := r.events.count(cache.RefreshFailed); n != 2 {
					t.Errorf("2 failed refreshes were reported %d times", n)
				}
				if diff := cmp.Diff(map[string]int{"k": 1}, r.held()); diff != "" {
					t.Errorf("the storage differs (-want +got):\n%s", diff)
				}

				// The attempt that succeeds is not reported as a failure, and ends it.
				r.source.answers(func(l *load[string, int]) (int, error) { return l.ordinal, nil })
				r.advance(backoff)
				get(t, c, "k", 1)
				settle(t, c)
				get(t, c, "k", 4)
				if n := r.events.count(cache.RefreshFailed); n != 2 {
					t.Errorf("2 failed refreshes were reported %d times", n)
				}
			})
		})
	}
}

// checkFailedOnce checks that exactly one failed refresh of "k" has been reported, to the observer and to the logger. A nil error means a
// PanicError.
func checkFailedOnce(t *testing.T, r *rig, want error) {
	t.Helper()
	if n := r.events.count(cache.LoadFailed); n != 0 {
		t.Errorf("a failed refresh was reported as a failed load, %d times", n)
	}
	events := r.events.all(cache.RefreshFailed)
	if len(events) != 1 {
		t.Errorf("%d events of a failed refresh, want 1: %v", len(events), events)
		return
	}
	var failed *cache.LoadError
	var panicked *cache.PanicError
	switch err := events[0].Err; {
	case events[0].Key != "k":
		t.Errorf("the event has key %v, want k", events[0].Key)
	case !errors.As(err, &failed):
		t.Errorf("the event has error %v, want a LoadError", err)
	case want != nil && !errors.Is(err, want), want == nil && !errors.As(err, &panicked):
		t.Errorf("the event has error %v, want %v", err, want)
	}
	if diff := cmp.Diff([]string{"cache: refresh failed"}, r.logs.messages()); diff != "" {
		t.Errorf("log differs (-want +got):\n%s", diff)
	}
}

func TestC13_TimedOutRefreshBacksOff(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(5*time.Second), cache.WithRefreshBackoff(7*time.Second))
		r.source.hold("k")
		get(t, c, "k", 1)
		r.advance(5*time.Second - 1)
		if n := r.events.count(cache.RefreshFailed); n != 0 {
			t.Errorf("%d failures reported before the timeout", n)
		}
		r.advance(1)
		checkFailedOnce(t, r, cache.ErrLoadTimeout)

		r.advance(7*time.Second - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		r.advance(1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 3)

		// The late result of the first attempt changes nothing, and is not reported again.
		r.source.returns(r.source.nth(t, "k", 2), 99)
		checkFailedOnce(t, r, cache.ErrLoadTimeout)
		get(t, c, "k", 1)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		get(t, c, "k", 3)
	})
}

func TestC13_BackoffConcernsOneKey(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r)
		get(t, c, "other", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.answers(func(l *load[string, int]) (int, error) {
			if l.key == "k" {
				return 0, errBackend
			}
			return l.ordinal, nil
		})
		get(t, c, "k", 1)
		settle(t, c)
		get(t, c, "other", 1)
		settle(t, c)
		get(t, c, "other", 2)
		r.source.began(t, "k", 2)
	})
}

func TestC13_NoBackoff(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithRefreshBackoff(0))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		for n := range 3 {
			get(t, c, "k", 1)
			settle(t, c)
			r.source.began(t, "k", n+2)
		}
	})
}

func TestC13_BackoffForever(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithExpireAfter(cache.Forever), cache.WithRefreshBackoff(cache.Forever))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(100 * 365 * 24 * time.Hour)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
	})
}

func TestC13_ForcedAndBlockingLoadsIgnoreTheBackoff(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithRefreshBackoff(cache.Forever))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		for n := range 3 {
			if v, err := c.Refresh(t.Context(), "k"); !errors.Is(err, errBackend) {
				t.Errorf("Refresh = %v, %v; want error %v", v, err, errBackend)
			}
			r.source.began(t, "k", n+3)
		}
		r.advance(expireAfter - updateAfter)
		for n := range 3 {
			getFails(t, c, "k", errBackend)
			r.source.began(t, "k", n+6)
		}
		r.source.answers(func(l *load[string, int]) (int, error) { return l.ordinal, nil })
		get(t, c, "k", 9)
	})
}

func TestC13_NewerEntryEndsTheBackoff(t *testing.T) {
	newer := map[string]func(t *testing.T, c *cache.Cache[string, int]){
		"Refresh": func(t *testing.T, c *cache.Cache[string, int]) {
			if v, err := c.Refresh(t.Context(), "k"); err != nil {
				t.Errorf("Refresh = %v, %v", v, err)
			}
		},
		"Set": func(t *testing.T, c *cache.Cache[string, int]) {
			if err := c.Set(t.Context(), "k", 7); err != nil {
				t.Errorf("Set: %v", err)
			}
		},
		"Invalidate and load": func(t *testing.T, c *cache.Cache[string, int]) {
			if err := c.Invalidate(t.Context(), "k"); err != nil {
				t.Errorf("Invalidate: %v", err)
			}
			if v, err := c.Get(t.Context(), "k"); err != nil {
				t.Errorf("Get = %v, %v", v, err)
			}
		},
		"InvalidateAll and load": func(t *testing.T, c *cache.Cache[string, int]) {
			if err := c.InvalidateAll(t.Context()); err != nil {
				t.Errorf("InvalidateAll: %v", err)
			}
			if v, err := c.Get(t.Context(), "k"); err != nil {
				t.Errorf("Get = %v, %v", v, err)
			}
		},
	}
	for name, replace := range newer {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				// Every hit is stale, so that a refresh is due at once.
				c := r.open(t, cache.WithUpdateAfter(0), cache.WithRefreshBackoff(cache.Forever))
				get(t, c, "k", 1)
				settle(t, c)
				r.advance(time.Second)
				r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
				for range 3 {
					get(t, c, "k", 1)
					settle(t, c)
				}
				r.source.began(t, "k", 2)

				r.source.answers(func(l *load[string, int]) (int, error) { return l.ordinal, nil })
				r.advance(time.Second)
				replace(t, c)
				settle(t, c)
				loads := r.source.count("k")
				if _, err := c.Get(t.Context(), "k"); err != nil {
					t.Errorf("Get: %v", err)
				}
				settle(t, c)
				r.source.began(t, "k", loads+1)
			})
		})
	}
}

// The newer entry may be made at the instant of the failure: what counts is that it came later.
func TestC13_NewerEntryOfTheSameInstantEndsTheBackoff(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(0), cache.WithRefreshBackoff(cache.Forever))
		get(t, c, "k", 1)
		settle(t, c)
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		r.source.began(t, "k", 2)
		if err := c.Set(t.Context(), "k", 7); err != nil {
			t.Errorf("Set: %v", err)
		}
		get(t, c, "k", 7)
		r.source.began(t, "k", 3)
	})
}

// Another process has stored the newer entry.
func TestC13_NewerEntryFromElsewhereEndsTheBackoff(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithRefreshBackoff(cache.Forever))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(time.Second)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		now := r.clock.Now()
		r.faulty.put("k", storage.NewEntry(77, now, now, now.Add(time.Hour)))
		get(t, c, "k", 77)
		r.source.began(t, "k", 3)
	})
}

// However many keys are backing off, each of them does.
func TestC13_ManyKeysBackOff(t *testing.T) {
	const keys = 3000
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithRefreshBackoff(time.Minute))
		all := func() {
			for i := range keys {
				get(t, c, fmt.Sprint(i), 1)
			}
			settle(t, c)
		}
		all()
		r.advance(updateAfter)
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		all()
		r.advance(time.Minute - 1)
		all()
		if n := r.source.count(); n != 2*keys {
			t.Errorf("%d loads within the backoff, want %d", n, 2*keys)
		}
		r.advance(1)
		all()
		if n := r.source.count(); n != 3*keys {
			t.Errorf("%d loads after the backoff, want %d", n, 3*keys)
		}
	})
}

func TestC13_FailedForcedLoadStartsTheBackoff(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := openStale(t, r, cache.WithRefreshBackoff(7*time.Second))
				r.source.answers(func(*load[string, int]) (int, error) { return failure.load() })
				if v, err := c.Refresh(t.Context(), "k"); err == nil {
					t.Errorf("Refresh = %v, want an error", v)
				}
				if failed, background := r.events.count(cache.LoadFailed), r.events.count(cache.RefreshFailed); failed != 1 || background != 0 {
					t.Errorf("%d loads and %d refreshes were reported as failed, want 1 and 0", failed, background)
				}
				if messages := r.logs.messages(); len(messages) > 0 {
					t.Errorf("logged %q, though the caller got the error", messages)
				}
				get(t, c, "k", 1)
				r.advance(7*time.Second - 1)
				get(t, c, "k", 1)
				r.source.began(t, "k", 2)
				r.advance(1)
				get(t, c, "k", 1)
				r.source.began(t, "k", 3)
			})
		})
	}
}

// The forced load fails while the entry is fresh; the backoff is still running when the entry becomes stale.
func TestC13_BackoffBegunWhileFresh(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithRefreshBackoff(time.Minute))
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter - time.Second)
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		if _, err := c.Refresh(t.Context(), "k"); !errors.Is(err, errBackend) {
			t.Errorf("Refresh: %v, want %v", err, errBackend)
		}
		r.advance(time.Minute - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		r.advance(1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 3)
	})
}

// A refresh that fails after it was detached says nothing about its successor.
func TestC13_DetachedFailureStartsNoBackoff(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(0), cache.WithRefreshBackoff(cache.Forever))
		get(t, c, "k", 1)
		settle(t, c)
		r.source.hold("k")
		get(t, c, "k", 1)
		l := r.source.nth(t, "k", 2)
		if err := c.Set(t.Context(), "k", 7); err != nil {
			t.Errorf("Set: %v", err)
		}
		r.source.fails(l, errBackend)
		get(t, c, "k", 7)
		r.source.began(t, "k", 3)
	})
}

func TestC14_ExpiryBeatsRunningRefresh(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever))
		r.source.hold("k")
		get(t, c, "k", 1)
		r.source.began(t, "k", 2)
		r.advance(expireAfter - updateAfter - 1)
		get(t, c, "k", 1)
		r.advance(1)
		var calls []*call[int]
		for range 100 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		for _, w := range calls {
			waits(t, w)
		}
		if v, ok := c.Peek(t.Context(), "k"); ok {
			t.Errorf("Peek = %v of an expired entry", v)
		}
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		for _, w := range calls {
			wants(t, w, 2)
		}
	})
}

func TestC14_CallersOfAnExpiredEntryGetTheErrorOfTheRefresh(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever))
		r.source.hold("k")
		get(t, c, "k", 1)
		r.advance(expireAfter - updateAfter)
		a, b := goGet(t.Context(), c, "k"), goGet(t.Context(), c, "k")
		waits(t, a)
		waits(t, b)
		r.source.fails(r.source.nth(t, "k", 2), errBackend)
		fails(t, a, errBackend)
		fails(t, b, errBackend)

		r.source.unhold()
		get(t, c, "k", 3) // the backoff is not for blocking loads
	})
}

// The callers wait for a forced load that runs, and those of a queued one for that.
func TestC14_ExpiryBeatsRunningForcedLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever))
		r.source.hold("k")
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		queued := goRefresh(t.Context(), c, "k")
		waits(t, queued)
		r.advance(expireAfter - updateAfter)
		w := goGet(t.Context(), c, "k")
		waits(t, w)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		wants(t, w, 2)
		waits(t, queued)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		wants(t, queued, 3)
	})
}

// The entry is stale when the storage is asked, and expired when it answers.
func TestC14_EntryExpiresDuringTheLookup(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := openStale(t, r, cache.WithStorageTimeout(time.Minute))
		r.advance(expireAfter - updateAfter - time.Second)
		g := r.gate()
		r.faulty.onceDone(onGet, func(context.Context, string) error { <-g; return nil })
		w := goGet(t.Context(), c, "k")
		waits(t, w)
		r.advance(time.Second)
		r.source.hold("k")
		r.openGate(g)
		waits(t, w)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, w, 2)
	})
}

// The load has ended and its value is being written, slowly. When it expires before the write is done, nobody gets it.
func TestC14_EntryExpiresWhileItIsWritten(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(time.Second), cache.WithExpireAfter(3*time.Second), cache.WithStorageTimeout(cache.Forever))
		g := r.gate()
		r.faulty.on(onOffer, func(context.Context, string) error { <-g; return nil })
		get(t, c, "k", 1)
		get(t, c, "k", 1)
		r.advance(3*time.Second - 1)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.advance(1)
		get(t, c, "k", 2)
		r.openGate(g)
		settle(t, c)
		get(t, c, "k", 2)
	})
}

func TestC15_RefreshLoadsAfterTheCall(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		// Nothing there.
		if v, err := c.Refresh(t.Context(), "k"); v != 1 || err != nil {
			t.Errorf("Refresh = %v, %v; want 1", v, err)
		}
		settle(t, c)
		// Fresh.
		if v, err := c.Refresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("Refresh = %v, %v; want 2", v, err)
		}
		settle(t, c)
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
	})
}

// Whoever has got the value of a forced load finds it in the cache.
func TestC15_RefreshIsSeenByTheNextGet(t *testing.T) {
	var loads atomic.Int64
	c := open(t, func(context.Context, string) (int64, error) { return loads.Add(1), nil })
	older := 0
	for range 5000 {
		v, err := c.Refresh(t.Context(), "k")
		if err != nil {
			t.Fatalf("Refresh: %v", err)
		}
		if next, err := c.Get(t.Context(), "k"); next < v || err != nil {
			older++
		}
	}
	if older > 0 {
		t.Errorf("%d of 5000 times a Get after a Refresh returned an older value than that", older)
	}
}

func TestC15_RefreshDuringAFlightGetsALaterLoad(t *testing.T) {
	running := map[string]func(t *testing.T, r *rig) (c *cache.Cache[string, int], n int){
		"foreground": func(t *testing.T, r *rig) (*cache.Cache[string, int], int) {
			c := r.open(t)
			r.source.hold("k")
			goGet(t.Context(), c, "k")
			return c, 1
		},
		"background": func(t *testing.T, r *rig) (*cache.Cache[string, int], int) {
			c := openStale(t, r)
			r.source.hold("k")
			get(t, c, "k", 1)
			return c, 2
		},
		"forced": func(t *testing.T, r *rig) (*cache.Cache[string, int], int) {
			c := r.open(t)
			r.source.hold("k")
			goRefresh(t.Context(), c, "k")
			return c, 1
		},
	}
	for name, run := range running {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c, n := run(t, r)
				r.source.began(t, "k", n)
				var forced []*call[int]
				for range 20 {
					forced = append(forced, goRefresh(t.Context(), c, "k"))
				}
				synctest.Wait()
				called := r.clock.Now()
				r.advance(time.Second)
				r.source.returns(r.source.nth(t, "k", n), 100)
				for _, w := range forced {
					waits(t, w)
				}
				next := r.source.nth(t, "k", n+1)
				if next.started.Before(called) {
					t.Errorf("the load began at %v, before the call at %v", next.started, called)
				}
				get(t, c, "k", 100) // what has been loaded meanwhile, without waiting
				r.source.returns(next, 200)
				for _, w := range forced {
					wants(t, w, 200)
				}
				get(t, c, "k", 200)
				r.source.began(t, "k", n+1)
			})
		})
	}
}

func TestC15_GetsKeepTheEntryMeanwhile(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.source.hold("k")
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		queued := goRefresh(t.Context(), c, "k")
		waits(t, queued)
		stampede(t, c, 50, "k", 1)
		r.advance(time.Minute)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		stampede(t, c, 50, "k", 2)
		r.source.returns(r.source.nth(t, "k", 3), 3)
		wants(t, queued, 3)
		stampede(t, c, 50, "k", 3)
		r.source.began(t, "k", 3)
	})
}

// A stale hit beside a running forced load starts no load of its own.
func TestC15_StaleHitSharesTheForcedLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := openStale(t, r)
		r.source.hold("k")
		forced := goRefresh(t.Context(), c, "k")
		r.source.began(t, "k", 2)
		stampede(t, c, 50, "k", 1)
		r.source.began(t, "k", 2)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		r.source.began(t, "k", 2)
	})
}

func TestC15_FailureKeepsTheEntry(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				get(t, c, "k", 1)
				settle(t, c)
				r.source.hold("k")
				forced, other := goRefresh(t.Context(), c, "k"), goRefresh(t.Context(), c, "k")
				waits(t, forced)
				waits(t, other)
				r.source.unhold()
				r.source.does(r.source.nth(t, "k", 2), failure.load)
				synctest.Wait()
				errs := 0
				for _, w := range []*call[int]{forced, other} {
					if _, err := w.result(t); err != nil {
						errs++
					}
				}
				// Both share the load if the second one came before it began.
				if errs+r.source.count("k") != 4 {
					t.Errorf("%d errors of 2 calls with %d loads", errs, r.source.count("k"))
				}
				if errs == 2 {
					get(t, c, "k", 1)
					if diff := cmp.Diff(map[string]int{"k": 1}, r.held()); diff != "" {
						t.Errorf("the storage differs (-want +got):\n%s", diff)
					}
				}
			})
		})
	}
}

// The failure of the running load is not that of the queued one, and the other way round.
func TestC15_QueuedLoadIsIndependentOfTheRunningOne(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		first := goGet(t.Context(), c, "k")
		waits(t, first)
		forced := goRefresh(t.Context(), c, "k")
		waits(t, forced)
		r.source.fails(r.source.nth(t, "k", 1), errBackend)
		fails(t, first, errBackend)
		waits(t, forced)
		later := goRefresh(t.Context(), c, "k")
		waits(t, later)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		r.source.fails(r.source.nth(t, "k", 3), errBackend)
		fails(t, later, errBackend)
		get(t, c, "k", 2)
	})
}

func TestC15_QueuedLoadStartsWhenTheRunningOneTimesOut(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithTimeout(time.Minute))
		r.source.hold("k")
		first := goGet(t.Context(), c, "k")
		waits(t, first)
		r.advance(30 * time.Second)
		forced := goRefresh(t.Context(), c, "k")
		r.advance(30 * time.Second)
		fails(t, first, cache.ErrLoadTimeout)
		waits(t, forced)
		r.source.began(t, "k", 2)

		// Its time counts from its own start.
		r.advance(time.Minute - 1)
		waits(t, forced)
		r.source.returns(r.source.nth(t, "k", 2), 2)
		wants(t, forced, 2)
		r.source.returns(r.source.nth(t, "k", 1), 1)
		get(t, c, "k", 2)
	})
}

func TestC15_QueuedLoadStartsUponInvalidation(t *testing.T) {
	supersede := map[string]func(ctx context.Context, c *cache.Cache[string, int]) error{
		"Invalidate":    func(ctx context.Context, c *cache.Cache[string, int]) error { return c.Invalidate(ctx, "k") },
		"InvalidateAll": func(ctx context.Context, c *cache.Cache[string, int]) error { return c.InvalidateAll(ctx) },
		"Set":           func(ctx context.Context, c *cache.Cache[string, int]) error { return c.Set(ctx, "k", 77) },
	}
	for name, call := range supersede {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				get(t, c, "k", 1)
				settle(t, c)
				r.source.hold("k")
				running := goRefresh(t.Context(), c, "k")
				waits(t, running)
				queued := goRefresh(t.Context(), c, "k")
				waits(t, queued)
				r.source.began(t, "k", 2)
				if err := call(t.Context(), c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				r.source.began(t, "k", 3)
				switch w := goGet(t.Context(), c, "k"); name {
				case "Set":
					wants(t, w, 77)
				default:
					waits(t, w)
					defer wants(t, w, 3)
				}

				// The running load ends later than the queued one, and even so it does not store.
				waits(t, running)
				waits(t, queued)
				r.source.returns(r.source.nth(t, "k", 3), 3)
				wants(t, queued, 3)
				get(t, c, "k", 3)
				r.source.returns(r.source.nth(t, "k", 2), 2)
				wants(t, running, 2)
				settle(t, c)
				get(t, c, "k", 3)
				if diff := cmp.Diff(map[string]int{"k": 3}, r.held()); diff != "" {
					t.Errorf("the storage differs (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A load that has ended, and whose value is still being written, began too early for a Refresh. The next one does not wait for the write,
// and its value lands last.
func TestC15_RefreshDuringTheWrite(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever))
		g := r.gate()
		r.faulty.on(onOffer, func(context.Context, string) error { <-g; return nil })
		get(t, c, "k", 1)
		forced := goRefresh(t.Context(), c, "k")
		wants(t, forced, 2)
		get(t, c, "k", 2)
		r.openGate(g)
		settle(t, c)
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
	})
}

// The load has ended and waits for its turn to write, behind a write that is slow. What supersedes it meanwhile keeps it from writing at all.
func TestC15_SupersededBeforeItsWrite(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever))
		g := r.gate()
		var written []int
		r.faulty.on(onOffer, func(context.Context, string) error { <-g; return nil })
		r.faulty.onceDone(onOffer, func(context.Context, string) error {
			written = append(written, r.held()["k"])
			return nil
		})
		set := asyncErr(func() error { return c.Set(t.Context(), "k", 50) })
		waits(t, set)
		forced := goRefresh(t.Context(), c, "k")
		wants(t, forced, 1)
		gone := asyncErr(func() error { return c.Invalidate(t.Context(), "k") })
		waits(t, gone)
		r.openGate(g)
		settle(t, c)
		if diff := cmp.Diff([]int{50}, written); diff != "" {
			t.Errorf("what was written differs (-want +got):\n%s", diff)
		}
		if len(r.held()) > 0 {
			t.Errorf("after Invalidate the storage holds %v", r.held())
		}
	})
}

// Refresh reads nothing from the storage, and is not refused by one that is down.
func TestC15_RefreshDoesNotRead(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.faulty.on(onGet, func(context.Context, string) error { return errStore })
		if v, err := c.Refresh(t.Context(), "k"); v != 1 || err != nil {
			t.Errorf("Refresh = %v, %v; want 1", v, err)
		}
		settle(t, c)
		if n := r.faulty.count(onGet); n != 0 {
			t.Errorf("Refresh has read the storage %d times", n)
		}
	})
}

// Every Refresh gets a load that began after the call, in a storm too.
func TestC15_NoRefreshGetsAnEarlierLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		began := func(ordinal int) time.Time {
			r.source.mu.Lock()
			defer r.source.mu.Unlock()
			return r.source.loads[ordinal-1].started
		}
		r.source.answers(func(l *load[string, int]) (int, error) {
			time.Sleep(time.Duration(l.ordinal%5) * time.Millisecond) // of the bubble
			return l.ordinal, nil
		})
		var wg sync.WaitGroup
		for worker := range 20 {
			wg.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(worker) * 100 * time.Microsecond)
					called := r.clock.Now()
					v, err := c.Refresh(t.Context(), "k")
					if err != nil || began(v).Before(called) {
						t.Errorf("Refresh called at %v got load %d of %v, %v", called, v, began(v), err)
					}
				}
			})
		}
		stop := make(chan struct{})
		ticking := asyncErr(func() error {
			for {
				select {
				case <-stop:
					return nil
				case <-time.After(50 * time.Microsecond):
					r.clock.Advance(time.Millisecond)
				}
			}
		})
		wg.Wait()
		close(stop)
		<-ticking.done
	})
}

func TestC13_LogNamesCacheKeyAndError(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		r := newRig(t, inMemory, clock)
		c := openStale(t, r, cache.WithName("prices"))
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		attrs := r.logs.attrs()
		if attrs["cache"] != "prices" || attrs["key"] != "k" || !strings.Contains(attrs["error"], errBackend.Error()) {
			t.Errorf("logged %v, want cache, key and error", attrs)
		}
	})
}
