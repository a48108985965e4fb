package cache_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

func TestC28_AtMostCapacityEntriesAtRest(t *testing.T) {
	for name, strategy := range map[string]func(int) eviction.Strategy[string]{
		"LeastRecentlyUpdated": func(n int) eviction.Strategy[string] { return eviction.NewLeastRecentlyUpdated[string](n) },
		"LeastRecentlyUsed":    func(n int) eviction.Strategy[string] { return eviction.NewLeastRecentlyUsed[string](n) },
		"SIEVE":                func(n int) eviction.Strategy[string] { return eviction.NewSIEVE[string](n) },
		"S3FIFO":               func(n int) eviction.Strategy[string] { return eviction.NewS3FIFO[string](n) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, capacity := range []int{1, 3, 10} {
				t.Run(fmt.Sprint(capacity), func(t *testing.T) {
					onEach(t, func(t *testing.T, r *rig) {
						c := r.open(t, cache.WithEviction(strategy(capacity)))
						for n := range 25 {
							get(t, c, fmt.Sprint("k", n), 1)
							settle(t, c)
							if got, want := len(r.held()), min(n+1, capacity); got != want {
								t.Errorf("%d entries after %d keys, want %d", got, n+1, want)
							}
						}
						var wg sync.WaitGroup
						for n := range 60 {
							wg.Go(func() {
								key := fmt.Sprint("k", n%30)
								if n%3 == 0 {
									mustSet(t, c, key, 50)
								} else if _, err := c.Get(t.Context(), key); err != nil {
									t.Error(err)
								}
							})
						}
						wg.Wait()
						settle(t, c)
						if got := len(r.held()); got > capacity {
							t.Errorf("%d entries at rest, want at most %d", got, capacity)
						}
						if s := c.Stats(); s.Evictions == 0 || s.Evictions != uint64(r.events.count(cache.Evicted)) {
							t.Errorf("%d evictions counted, %d reported", s.Evictions, r.events.count(cache.Evicted))
						}
					})
				})
			}
		})
	}
}

// While n flights and Sets are at work, n more.
func TestC28_AtMostCapacityAndWhatIsAtWork(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		const capacity = 2
		c := r.open(t, cache.WithCapacity(capacity))
		for _, key := range []string{"a", "b"} {
			mustSet(t, c, key, 50)
		}
		write, release := r.gate(), r.gate()
		r.faulty.on(onOffer, blockOn(write))
		r.faulty.on(onRelease, blockOn(release))
		for n := range 3 {
			get(t, c, fmt.Sprint("loaded", n), 1)
			goSet(t, c, fmt.Sprint("set", n), 50)
		}
		synctest.Wait()
		if got := len(r.held()); got != capacity {
			t.Errorf("%d entries before the writes, want %d", got, capacity)
		}
		r.openGate(write)
		synctest.Wait()
		if got := len(r.held()); got != capacity+6 {
			t.Errorf("%d entries while nothing is released, want %d", got, capacity+6)
		}
		r.openGate(release)
		settle(t, c)
		if got := len(r.held()); got != capacity {
			t.Errorf("%d entries at rest, want %d", got, capacity)
		}
	})
}

// For real, without a bubble: eight goroutines write as fast as they can, and whenever none of them is at work there are no more entries than allowed.
func TestC28_BoundHoldsUnderLoad(t *testing.T) {
	const capacity = 16
	memory := storage.NewMemory[int, int]()
	c := open(t, func(_ context.Context, key int) (int, error) { return key, nil },
		cache.WithStorage(memory), cache.WithCapacity(capacity))
	var atWork sync.RWMutex // read-locked by those who are
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				atWork.RLock()
				mustSet(t, c, w*2000+n, n)
				atWork.RUnlock()
				if n%50 != 0 {
					continue
				}
				atWork.Lock()
				got := memory.Len() // exact only while nothing is written
				atWork.Unlock()
				if got > capacity {
					t.Errorf("%d entries, want at most %d", got, capacity)
					return
				}
			}
		})
	}
	wg.Wait()
	settle(t, c)
	if got := memory.Len(); got != capacity {
		t.Errorf("%d entries at rest, want %d", got, capacity)
	}
}

func TestC28_FailedReleaseIsRetriedWithTheNextWrite(t *testing.T) {
	for name, f := range map[string]fault[string]{"error": failWith(errStore), "panic": goBoom, "hangs": nil} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				s := newStrict(t, 2)
				c := r.open(t, cache.WithEviction[string](s))
				fails, gate := f, r.gate()
				if name == "hangs" {
					fails = func(context.Context, string) error {
						<-gate
						return errStore
					}
				}
				mustSet(t, c, "a", 50)
				mustSet(t, c, "b", 50)
				r.faulty.on(onRelease, fails)
				for n := range 4 {
					mustSet(t, c, fmt.Sprint("c", n), 50)
					if name == "hangs" {
						r.advance(time.Second)
					}
				}
				synctest.Wait()
				held := r.held()
				if len(held) != 6 {
					t.Errorf("the storage holds %v, want all 6", held)
				}
				s.agrees(t, r) // nothing is lost from the books
				if n := c.Stats().Evictions; n != 0 {
					t.Errorf("%d evictions, though nothing was released", n)
				}

				r.faulty.on(onRelease, nil)
				mustSet(t, c, "last", 60)
				settle(t, c)
				s.agrees(t, r)
				if held := r.held(); len(held) != 2 || held["last"] != 60 {
					t.Errorf("the storage holds %v, want the last and one more", held)
				}
				if n := c.Stats().Evictions; n != 5 {
					t.Errorf("%d evictions, want 5", n)
				}
			})
		})
	}
}

// The release of one key hangs: no call that is not about that key's entry waits for it.
func TestC28_StuckReleaseDelaysNoCall(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1), cache.WithStorageTimeout(cache.Forever))
		mustSet(t, c, "victim", 50)
		gate := r.gate()
		r.faulty.on(onRelease, blockOn(gate, "victim"))
		mustSet(t, c, "a", 50) // does not wait for its victim
		get(t, c, "a", 50)
		get(t, c, "b", 1)
		get(t, c, "c", 1)
		mustSet(t, c, "d", 50)
		refreshes(t, c, "a", 1)
		mustInvalidate(t, c, "b")
		peeks(t, c, "nothing", 0)
		if _, err := c.Get(t.Context(), "victim"); err != nil {
			t.Errorf("Get of the victim: %v", err)
		}
		refreshes(t, c, "victim", r.source.count("victim")+1) // answered before it is written
		if err := c.Reconfigure(cache.WithTimeout(time.Minute)); err != nil {
			t.Error(err)
		}
		r.openGate(gate)
		settle(t, c)
		if held := r.held(); len(held) != 1 {
			t.Errorf("the storage holds %v, want one key", held)
		}
	})
}

func TestC28_EvictionDoesNotCancelTheLoad(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithCapacity(1))
		get(t, c, "a", 1)
		settle(t, c)
		r.source.hold("a")
		r.advance(updateAfter)
		get(t, c, "a", 1) // stale, and its refresh is running
		l := r.source.nth(t, "a", 2)
		forced := goRefresh(t.Context(), c, "a")
		waits(t, forced)
		get(t, c, "b", 1)
		settleAll := asyncErr(func() error { return c.Wait(t.Context()) })
		synctest.Wait()
		if _, ok := r.held()["a"]; ok {
			t.Fatal("a was not evicted")
		}
		if l.ctx.Err() != nil {
			t.Errorf("the load was cancelled: %v", l.ctx.Err())
		}
		late := goGet(t.Context(), c, "a") // joins
		waits(t, late)
		r.source.began(t, "a", 2)
		r.source.returns(l, 2)
		wants(t, late, 2)
		r.source.returns(r.source.nth(t, "a", 3), 3)
		wants(t, forced, 3)
		wantNil(t, "Wait", settleAll)
		wantHeld(t, r, map[string]int{"a": 3})
	})
}

// A victim that was written again while its release waited for its turn is no victim any more.
func TestC28_VictimThatWasWrittenSinceIsNotReleased(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		s := newStrict(t, 1)
		c := r.open(t, cache.WithEviction[string](s))
		get(t, c, "a", 1)
		settle(t, c)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate, "a"))
		refreshes(t, c, "a", 2) // being written
		mustSet(t, c, "b", 50)  // names a
		synctest.Wait()
		r.openGate(gate)
		settle(t, c)
		s.agrees(t, r)
		wantHeld(t, r, map[string]int{"a": 2}) // the last that was written
	})
}

// A storage that bounds itself keeps its entries.
func TestC28_NoneNamesNoVictim(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithEviction(eviction.None[string]()))
		want := map[string]int{}
		for n := range 50 {
			key := fmt.Sprint(n)
			get(t, c, key, 1)
			want[key] = 1
		}
		settle(t, c)
		wantHeld(t, r, maps.Clone(want))
	})
}

// The table of a Memory grows when the write that makes it grow holds up nobody any more, whoever wrote.
func TestMemoryGrowsWithTheCache(t *testing.T) {
	get := func(t *testing.T, c *cache.Cache[string, int], key string) {
		if _, err := c.Get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	set := func(t *testing.T, c *cache.Cache[string, int], key string) {
		if err := c.Set(t.Context(), key, 1); err != nil {
			t.Fatal(err)
		}
	}
	foreign := builderFunc(func(began time.Time, _ string, v int) *storage.Entry[int] {
		return storage.NewEntry(v, began, time.Time{}, time.Time{})
	})
	for name, tt := range map[string]struct {
		write   func(t *testing.T, c *cache.Cache[string, int], key string)
		options []cache.Option
	}{
		"loads in place": {write: get},
		"sets in place":  {write: set},
		"loads in turn":  {write: get, options: []cache.Option{cache.WithEntryBuilder(foreign)}},
		"sets in turn":   {write: set, options: []cache.Option{cache.WithEntryBuilder(foreign)}},
	} {
		t.Run(name, func(t *testing.T) {
			memory := storage.NewMemory[string, int]()
			c, err := cache.New(func(context.Context, string) (int, error) { return 1, nil },
				append(tt.options, cache.WithStorage(memory))...)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 5000 {
				tt.write(t, c, fmt.Sprint(n))
				if memory.Grow() {
					t.Fatalf("the table was full with %d entries, and the cache has let that be", n+1)
				}
			}
		})
	}
}
