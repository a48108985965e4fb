package leaks_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage"
)

var errBackend = errors.New("backend is down")

// kilobyte loads a value that is large enough to be missed.
func kilobyte(context.Context, int) ([]byte, error) { return make([]byte, 1024), nil }

func fails[V any](context.Context, int) (v V, err error) { return v, errBackend }

// stores are the sorts of storage, empty. The workloads that make the same of each are full size on
// a remote one, which has the most to leave behind.
var stores = map[string]func() storage.Storage[int, []byte]{
	"memory": func() storage.Storage[int, []byte] { return storage.NewMemory[int, []byte]() },
	"local":  func() storage.Storage[int, []byte] { return local[[]byte]{newRemote[[]byte](nil)} },
	"remote": func() storage.Storage[int, []byte] { return newRemote[[]byte](nil) },
}

func TestEvictedKeys(t *testing.T) {
	const capacity = 100
	strategies := map[string]func() eviction.Strategy[int]{
		"least recently updated": func() eviction.Strategy[int] { return eviction.NewLeastRecentlyUpdated[int](capacity) },
		"least recently used":    func() eviction.Strategy[int] { return eviction.NewLeastRecentlyUsed[int](capacity) },
		"SIEVE":                  func() eviction.Strategy[int] { return eviction.NewSIEVE[int](capacity) },
		"S3-FIFO":                func() eviction.Strategy[int] { return eviction.NewS3FIFO[int](capacity) },
	}
	evict := func(t *testing.T, store storage.Storage[int, []byte], strategy eviction.Strategy[int]) {
		b := lookBefore()
		c := open(t, kilobyte, cache.WithStorage(store), cache.WithEviction(strategy))
		inParallel(manyKeys, func(key int) {
			for range 1 + key%8/7 { // some are read again
				if _, err := c.Get(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
		report(t, manyKeys, "keys through a capacity of 100", b.left(c, c.clock))
		if n := store.(interface{ Len() int }).Len(); n != capacity {
			t.Errorf("%d entries, want %d", n, capacity)
		}
	}
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) { evict(t, storage.NewMemory[int, []byte](), strategy()) })
	}
	t.Run("remote", func(t *testing.T) { evict(t, stores["remote"](), eviction.NewSIEVE[int](capacity)) })
}

// amount returns how many keys a workload has on a sort of storage.
func amount(store string) int {
	if store == "remote" {
		return manyKeys
	}
	return evidence.Amount(manyKeys/10, manyKeys)
}

func TestInvalidatedKeys(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			n, b := amount(name), lookBefore()
			c := open(t, kilobyte, cache.WithStorage(store()), cache.WithCapacity(100))
			inParallel(n, func(key int) {
				if key%4 == 0 {
					if _, err := c.Get(t.Context(), key); err != nil {
						t.Error(err)
					}
				}
				if err := c.Invalidate(t.Context(), key); err != nil {
					t.Error(err)
				}
			})
			report(t, n, "invalidations", b.left(c, c.clock))
		})
	}
}

func TestFailedLoads(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			n, b := amount(name), lookBefore()
			c := open(t, fails[[]byte], cache.WithStorage(store()), cache.WithRefreshBackoff(cache.Forever))
			inParallel(n, func(key int) {
				if _, err := c.Get(t.Context(), key); !errors.Is(err, errBackend) {
					t.Error(err)
				}
			})
			report(t, n, "failed loads", b.left(c, c.clock))
		})
	}
}

// The backoff of a key lasts no longer than its entry.
func TestFailedRefreshes(t *testing.T) {
	const capacity = 100
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			n := amount(name) / evidence.Amount(4, 1)
			loaded := make([]atomic.Bool, n)
			b := lookBefore()
			var failed atomic.Int64
			c := open(t, func(ctx context.Context, key int) ([]byte, error) {
				if loaded[key].Swap(true) {
					failed.Add(1)
					return nil, errBackend
				}
				return kilobyte(ctx, key)
			}, cache.WithStorage(store()), cache.WithCapacity(capacity), cache.WithUpdateAfter(0), cache.WithRefreshBackoff(cache.Forever))
			inParallel(n, func(key int) {
				for range 4 { // a load, and a stale hit that begins another one
					runtime.Gosched()
					if _, err := c.Get(t.Context(), key); err != nil && !errors.Is(err, errBackend) {
						t.Error(err)
					}
				}
			})
			if err := c.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			if got := failed.Load(); got < int64(n)/10 {
				t.Errorf("only %d loads have failed: the test shows nothing", got)
			}
			if err := c.InvalidateAll(t.Context()); err != nil {
				t.Error(err)
			}
			report(t, n, "failed refreshes", b.left(c, c.clock))
		})
	}
}

// held waits for its gate, whatever becomes of a ctx.
type held struct {
	gate    chan struct{}
	waiting atomic.Int64
}

func newHeld() *held { return &held{gate: make(chan struct{})} }

func (h *held) wait() {
	h.waiting.Add(1)
	defer h.waiting.Add(-1)
	<-h.gate
}

func (h *held) load(ctx context.Context, key int) ([]byte, error) {
	h.wait()
	return kilobyte(ctx, key)
}

func TestCancelledWaiters(t *testing.T) {
	get := func(ctx context.Context, c *opened[[]byte]) error { _, err := c.Get(ctx, 1); return err }
	refresh := func(ctx context.Context, c *opened[[]byte]) error { _, err := c.Refresh(ctx, 1); return err }
	tests := map[string]struct {
		store      func(*held) storage.Storage[int, []byte]
		call       func(context.Context, *opened[[]byte]) error
		goroutines int // that may run for the flight
	}{
		"of a load":     {func(*held) storage.Storage[int, []byte] { return stores["memory"]() }, get, 2},
		"of a refresh":  {func(*held) storage.Storage[int, []byte] { return stores["memory"]() }, refresh, 2},
		"behind a read": {func(*held) storage.Storage[int, []byte] { return stores["remote"]() }, get, 2},
		"of a read": {func(h *held) storage.Storage[int, []byte] {
			return newRemote[[]byte](func(context.Context, method) error { h.wait(); return nil })
		}, get, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				warm(manyWaiters)
				b := lookBefore()
				h := newHeld()
				c := openFake(t, h.load, cache.WithStorage(test.store(h)), cache.WithStorageTimeout(time.Hour))
				running := runtime.NumGoroutine()
				ctx, cancel := context.WithCancel(t.Context())
				var cancelled atomic.Int64
				for range manyWaiters {
					go func() {
						if err := test.call(ctx, c); err == context.Canceled {
							cancelled.Add(1)
						}
					}()
				}
				synctest.Wait()
				if n := goroutines(running+manyWaiters+test.goroutines) - running; n > manyWaiters+test.goroutines {
					t.Errorf("%d goroutines for %d waiters", n, manyWaiters)
				}
				cancel()
				synctest.Wait()
				if n := cancelled.Load(); n != manyWaiters {
					t.Errorf("%d of %d calls were cancelled", n, manyWaiters)
				}

				// The load goes on.
				if n := h.waiting.Load(); n != 1 {
					t.Errorf("%d loads or reads are running, want 1", n)
				}
				if n := goroutines(running+test.goroutines) - running; n > test.goroutines {
					t.Errorf("%d goroutines without the waiters, want at most %d", n, test.goroutines)
				}
				if n := inProgress(c.Cache); registryVisible && n != 1 {
					t.Errorf("the registry has something about %d keys, want 1", n)
				}
				problems := b.grown(heapLeft)

				close(h.gate)
				report(t, manyWaiters, "waiters "+name+" that were cancelled", append(problems, b.left(c, c.clock)...))
				if v, ok := c.Peek(t.Context(), 1); !ok || len(v) != 1024 {
					t.Error("what was loaded is not there")
				}
			})
		})
	}
}

func TestTimedOutLoads(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := manyWaiters / 4
				warm(3 * n)
				b := lookBefore()
				h := newHeld()
				c := openFake(t, h.load, cache.WithStorage(store()), cache.WithTimeout(time.Minute))
				var late atomic.Int64
				for key := range n {
					go func() {
						if _, err := c.Get(t.Context(), key); errors.Is(err, cache.ErrLoadTimeout) {
							late.Add(1)
						}
					}()
				}
				synctest.Wait()
				c.fake.Advance(time.Minute)
				synctest.Wait()
				if got := late.Load(); got != int64(n) {
					t.Errorf("%d of %d calls timed out", got, n)
				}

				// The loads go on, but that is all.
				if running := c.Stats().LoadsRunning; running != n {
					t.Errorf("%d loads are running, want %d", running, n)
				}
				if left := inProgress(c.Cache); left != 0 {
					t.Errorf("the registry has something about %d keys", left)
				}
				if timers := c.clock.running.Load(); timers != 0 {
					t.Errorf("%d timers are running", timers)
				}
				close(h.gate)
				report(t, n, "loads that timed out", b.left(c, c.clock))
			})
		})
	}
}

// Fences of keys whose deletion has failed are folded into one when there are too many: at most 4096
// in each of 32 shards.
func TestFailedDeletions(t *testing.T) {
	const most = 32 * 4096
	var down atomic.Bool
	down.Store(true)
	b := lookBefore()
	c := open(t, kilobyte, cache.WithStorage(newRemote[[]byte](func(_ context.Context, m method) error {
		if m == onInvalidate && down.Load() {
			return errStore
		}
		return nil
	})))
	var peak atomic.Int64
	inParallel(manyFences, func(key int) {
		if err := c.Invalidate(t.Context(), key); !errors.Is(err, errStore) {
			t.Error(err)
		}
		if key%1000 == 0 {
			peak.Store(max(peak.Load(), int64(inProgress(c.Cache))))
		}
	})
	if peak.Load() > most {
		t.Errorf("the registry had something about %d keys, more than %d", peak.Load(), most)
	}
	if registryVisible && peak.Load() < min(most, manyFences)/2 {
		t.Errorf("the registry had something about %d keys only: the test shows nothing", peak.Load())
	}
	down.Store(false)
	if err := c.InvalidateAll(t.Context()); err != nil {
		t.Error(err)
	}
	report(t, manyFences, "failed deletions", b.left(c, c.clock))
}

// Writes that were given up on keep a fence until what they write has expired.
func TestGivenUpWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := manyWaiters / 4
		warm(3 * n)
		b := lookBefore()
		gate := make(chan struct{})
		store := newRemote[[]byte](func(_ context.Context, m method) error {
			if m == onOffer {
				<-gate
			}
			return nil
		})
		c := openFake(t, kilobyte, cache.WithStorage(store), cache.WithStorageTimeout(time.Second))
		for key := range n {
			if _, err := c.Get(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		c.fake.Advance(time.Second)
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if held := store.Len(); held != n {
			t.Errorf("%d of %d writes have landed", held, n)
		}
		c.fake.Advance(30 * time.Minute) // until they have expired
		for key := range n {
			if _, err := c.Get(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		report(t, n, "writes that were given up on", b.left(c, c.clock))
	})
}

func TestClose(t *testing.T) {
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 500
				warm(6 * n)
				b := lookBefore()
				c := openFake(t, func(ctx context.Context, key int) ([]byte, error) {
					if key < n {
						return kilobyte(ctx, key)
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}, cache.WithStorage(store()))
				var closed atomic.Int64
				wants := func(_ []byte, err error) {
					if errors.Is(err, cache.ErrClosed) {
						closed.Add(1)
					}
				}
				for key := range 2 * n {
					go func() { wants(c.Get(t.Context(), key)) }()
				}
				synctest.Wait()
				for key := range 2 * n { // those of the upper half are queued
					go func() { wants(c.Refresh(t.Context(), key)) }()
				}
				synctest.Wait()
				ended, end := context.WithCancel(t.Context())
				end()
				if err := c.Close(ended); err == nil {
					t.Error("Close has returned nil while loads were running")
				}
				synctest.Wait()
				if got := closed.Load(); got != 2*n {
					t.Errorf("%d calls got ErrClosed, want %d", got, 2*n)
				}
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
				report(t, 4*n, "calls until Close", b.left(c, c.clock))
			})
		})
	}
}

// Nothing keeps a cache alive that nobody uses, closed or not.
func TestDroppedCaches(t *testing.T) {
	use := func(closed bool) weak.Pointer[cache.Cache[int, []byte]] {
		c, err := cache.New(kilobyte, cache.WithStats())
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			inParallel(1000, func(key int) {
				if _, err := c.Get(t.Context(), key); err != nil {
					t.Error(err)
				}
			})
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if closed {
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return weak.Make(c)
	}
	var problems []string
	for _, closed := range []bool{false, true} {
		if !collected(use(closed)) {
			problems = append(problems, "a cache that nobody uses is kept alive")
		}
	}
	report(t, 2, "caches that were dropped", problems)
}

// collected reports whether the garbage collector takes what p points to, before long.
func collected[T any](p weak.Pointer[T]) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		runtime.GC()
		if p.Value() == nil {
			return true
		}
		<-tick.C
	}
	return false
}

// Each check complains when there is something to complain about.
func TestChecksFindWhatIsLeft(t *testing.T) {
	t.Run("heap", func(t *testing.T) {
		n := min(manyKeys, 20_000)
		b := lookBefore()
		c := open(t, func(context.Context, int) ([]byte, error) { return make([]byte, 2048), nil }, cache.WithEviction(eviction.None[int]()))
		inParallel(n, func(key int) {
			if _, err := c.Get(t.Context(), key); err != nil {
				t.Error(err)
			}
		})
		if b.grown(heapLeft) == nil {
			t.Errorf("a cache that evicts nothing and holds %d kB is not found", 2*n)
		}
		runtime.KeepAlive(c)
	})
	t.Run("timer", func(t *testing.T) {
		b := lookBefore()
		c := open(t, kilobyte)
		timer := c.clock.NewTimer(time.Hour)
		if b.left(c, c.clock) == nil {
			t.Error("a timer is not found")
		}
		timer.Stop()
		fired := c.clock.NewTimer(1)
		<-fired.Chan()
		if problems := b.left(c, c.clock); problems != nil {
			t.Errorf("when it was stopped and another has fired: %v", problems)
		}
	})
	t.Run("goroutine", func(t *testing.T) {
		b := lookBefore()
		c := open(t, kilobyte)
		leave := make(chan struct{})
		go func() { <-leave }()
		if b.left(c, c.clock) == nil {
			t.Error("a goroutine is not found")
		}
		close(leave)
		if problems := b.left(c, c.clock); problems != nil {
			t.Errorf("when it has ended: %v", problems)
		}
	})
	t.Run("registry", func(t *testing.T) {
		if !registryVisible {
			t.Skip("needs the build tag evidence")
		}
		b := lookBefore()
		c := open(t, kilobyte, cache.WithStorage(newRemote[[]byte](func(_ context.Context, m method) error {
			if m == onInvalidate {
				return errStore
			}
			return nil
		})))
		if err := c.Invalidate(t.Context(), 1); !errors.Is(err, errStore) {
			t.Error(err)
		}
		if b.left(c, c.clock) == nil {
			t.Error("a fence is not found")
		}
	})
	t.Run("dropped", func(t *testing.T) {
		c, err := cache.New(kilobyte)
		if err != nil {
			t.Fatal(err)
		}
		p := weak.Make(c)
		kept := make(chan struct{})
		defer close(kept)
		go func() { <-kept; runtime.KeepAlive(c) }()
		runtime.GC()
		if p.Value() == nil {
			t.Error("a cache that is kept alive counts as collected")
		}
	})
}

// What is checked of a soak while it runs, and at its end, complains about figures that are wrong.
func TestSoakFindsWrongFigures(t *testing.T) {
	fine := cache.Stats{Hits: 3, Led: 2, LoadsSucceeded: 1, LoadsRunning: 1}
	for name, wrong := range map[string]func(k *soaked){
		"a load ended that has not begun":   func(k *soaked) { k.flow(fine, 0, 5, fine, fine) },
		"a load that has begun is lost":     func(k *soaked) { k.flow(fine, 3, 5, fine, fine) },
		"a call answered that nobody made":  func(k *soaked) { k.flow(fine, 2, 4, fine, fine) },
		"a load running at rest":            func(k *soaked) { k.checkRest(fine) },
		"more entries than there may be":    func(k *soaked) { fill(k, maxCapacity+soakSlack+1); k.checkBounds() },
		"books of what is not there":        func(k *soaked) { k.strategy.MarkWritten(1, new(storage.Mark)); k.checkBooks() },
		"timers without end":                func(k *soaked) { k.clock.running.Add(soakTimers + 1); k.checkBounds() },
		"a value from before a change":      func(k *soaked) { k.checkValue(1, 2, evidence.Value{Key: 1, Version: 1, Load: 1}) },
		"what was set before a change":      func(k *soaked) { k.checkValue(1, 2, evidence.Value{Key: 1, Version: 1, Load: -1}) },
		"an error that nobody has put in":   func(k *soaked) { k.checkError(t.Context(), 1, errStore) },
		"a write that failed without cause": func(k *soaked) { k.told(errStore) },
	} {
		t.Run(name, func(t *testing.T) {
			k := newSoaked(t, "memory", 1, storage.NewMemory[int, evidence.Value](), eviction.NewSIEVE[int](maxCapacity), true)
			k.flow(fine, 2, 5, fine, fine)
			k.checkBounds()
			k.checkValue(1, 1, evidence.Value{Key: 1, Version: 1, Load: -1})
			k.told(nil)
			if k.violations != 0 {
				t.Fatalf("when nothing is wrong: %v", k.problems)
			}
			wrong(k)
			if k.violations == 0 {
				t.Error("not found")
			}
		})
	}
}

func fill(k *soaked, n int) {
	for key := range n {
		_ = k.store.Offer(context.Background(), key, storage.NewEntry(evidence.Value{}, epoch, epoch, epoch))
	}
}
