package cache

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

// Under load hits take ways of their own, which a cache with a clock of its user's never does: one with short life spans and one with
// long ones. What they count, tell the strategy and hand out is the same.
func TestHitsUnderLoad(t *testing.T) {
	t.Run("long", func(t *testing.T) { hitsUnderLoad(t, WithUpdateAfter(time.Hour)) })
	t.Run("short", func(t *testing.T) { hitsUnderLoad(t, WithUpdateAfter(time.Second)) })
}

func hitsUnderLoad(t *testing.T, lifespan Option) {
	for name, tt := range map[string]struct {
		strategy eviction.Strategy[string] // allows two keys
		marks    bool                      // a read is to be seen in the mark
		victim   string                    // if the older of two keys was read
	}{
		"LeastRecentlyUpdated": {strategy: eviction.NewLeastRecentlyUpdated[string](2), victim: "older"},
		"LeastRecentlyUsed":    {strategy: eviction.NewLeastRecentlyUsed[string](2), victim: "newer"},
		"SIEVE":                {strategy: eviction.NewSIEVE[string](2), marks: true, victim: "newer"},
		"S3FIFO":               {strategy: eviction.NewS3FIFO[string](2), marks: true},
		"TinyLFU":              {strategy: eviction.NewTinyLFU[string](2), marks: true},
		"None":                 {strategy: eviction.None[string]()},
		"foreign":              {strategy: foreign{eviction.NewLeastRecentlyUsed[string](2)}, victim: "newer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, c := underLoad(t, lifespan, WithEviction(tt.strategy), WithStats(),
					WithPostprocess(postprocess.Func(func(v int) int { return v + 1000 })))
				mark := e.settings.Load().store.memory.Lookup("older").Mark()
				before, unread := c.Stats(), mark.Load()
				read(t, c, "older", 1001)
				read(t, c, "older", 1001)
				if hits := c.Stats().Hits - before.Hits; hits != 2 {
					t.Errorf("%d hits were counted, want 2", hits)
				}
				if word := mark.Load(); (word != unread) != tt.marks {
					t.Errorf("the mark is %#x before reads and %#x after, want a difference: %v", unread, word, tt.marks)
				}
				if tt.victim == "" {
					return
				}
				set(t, c, "third", 3)
				synctest.Wait() // with a foreign part Set returns before the victim is released
				for _, key := range []string{"older", "newer"} {
					if _, held := c.Peek(context.Background(), key); held == (key == tt.victim) {
						t.Errorf("%s is held: %v; want %s to be gone", key, held, tt.victim)
					}
				}
			})
		})
	}
}

// Marks that another strategy has left tell this one nothing.
func TestHitsUnderLoadAfterAnotherStrategy(t *testing.T) {
	for name, next := range map[string]eviction.Strategy[string]{
		"LeastRecentlyUsed": eviction.NewLeastRecentlyUsed[string](2),
		"SIEVE":             eviction.NewSIEVE[string](2),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, c := underLoad(t, WithEviction(eviction.NewSIEVE[string](2)))
				for range 3 {
					read(t, c, "older", 1)
					read(t, c, "newer", 2)
				}
				if err := c.Reconfigure(WithEviction(next)); err != nil {
					t.Fatal(err)
				}
				// The strategy was told of both keys in any order.
				set(t, c, "older", 1)
				set(t, c, "newer", 2)
				if !isUnderLoad(e) {
					t.Fatal("the load is over")
				}
				read(t, c, "older", 1)
				set(t, c, "third", 3)
				if _, held := c.Peek(context.Background(), "older"); !held {
					t.Error("the key that was read is gone")
				}
			})
		})
	}
}

// The clock is read after the storage: an entry that comes beside a call is as old as it is then.
func TestEntryThatComesBesideAHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newHooked[string]()
		c, err := New(func(context.Context, string) (int, error) { return 3, nil },
			WithStorage[string, int](store), WithUpdateAfter(time.Second), WithStats())
		if err != nil {
			t.Fatal(err)
		}
		set(t, c, "k", 1)
		for range 10_000 {
			read(t, c, "k", 1)
		}
		store.before = func() {
			store.before = func() {}
			set(t, c, "k", 2)
			time.Sleep(time.Second)
		}
		before := c.Stats()
		read(t, c, "k", 2)
		if after := c.Stats(); after.Hits != before.Hits || after.StaleHits != before.StaleHits+1 {
			t.Errorf("%d fresh hits and %d stale ones, want none and one", after.Hits-before.Hits, after.StaleHits-before.StaleHits)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// While a stale entry is refreshed, all calls that come get it, and start nothing.
func TestStaleHitsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads, release := 0, make(chan struct{})
		c := staleUnderLoad(t, storage.NewMemory[string, int](), func() {
			loads++
			<-release
		}, WithStats())
		read(t, c, "k", 1)
		synctest.Wait()
		if s := c.Stats(); loads != 1 || s.StaleHits != 1 || s.LoadsRunning != 1 {
			t.Errorf("%d loads for %d stale hits, %d running, want one each", loads, s.StaleHits, s.LoadsRunning)
		}
		for range 1000 {
			read(t, c, "k", 1)
		}
		if s := c.Stats(); loads != 1 || s.StaleHits != 1001 {
			t.Errorf("%d loads for %d stale hits, want 1 for 1001", loads, s.StaleHits)
		}
		close(release)
		synctest.Wait()
		read(t, c, "k", 3)
	})
}

// What takes the place of a stale entry, after a call has seen that one and before its refresh is registered, makes the refresh needless.
func TestEntryThatComesBesideAStaleHit(t *testing.T) {
	for name, lookup := range map[string]int{"after one lookup": 1, "after both": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newHooked[string]()
				c := staleUnderLoad(t, store, func() { t.Error("a load") })
				store.after = func() {
					if lookup--; lookup == 0 {
						set(t, c, "k", 2)
					}
				}
				read(t, c, "k", 2)
				synctest.Wait()
			})
		})
	}
}

// An entry that expires while a storage is looked into is not handed out.
func TestEntryThatExpiresBesideAStaleHit(t *testing.T) {
	for lookup := range 2 {
		synctest.Test(t, func(t *testing.T) {
			store := newHooked[string]()
			c := staleUnderLoad(t, store, func() {}, WithExpireAfter(2*time.Second))
			store.after = func() {
				if lookup--; lookup == -1 {
					time.Sleep(1500 * time.Millisecond)
				}
			}
			read(t, c, "k", 3)
		})
	}
}

// The load of a stale entry begins when that was seen to be stale, though the clock is read no more.
func TestStaleHitUnderLoadIsTheBeginOfItsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory[string, int]()
		c := staleUnderLoad(t, store, func() { time.Sleep(time.Second / 10) })
		want := time.Now()
		read(t, c, "k", 1)
		time.Sleep(time.Second / 5)
		if got := store.Lookup("k"); got.Value != 3 || got.Created() != want {
			t.Errorf("the value is %d, created at %v, want 3 at %v", got.Value, got.Created(), want)
		}
	})
}

// staleUnderLoad returns a cache that holds the key k with the value 1, which has just become stale, and was read so often that its hits compare with
// a coarse reading. It calls loading before it loads a 3. It is to be called in a bubble.
func staleUnderLoad(t *testing.T, store storage.Storage[string, int], loading func(), opts ...Option) *Cache[string, int] {
	t.Helper()
	for range 2 { // so that from now on entries and moments count from the same instant
		storage.NewMemory[int, int]().Put(0, storage.NewEntry(0, time.Now(), time.Time{}, time.Time{}))
	}
	c, err := NewKeyed(func(context.Context, string) (int, error) {
		loading()
		return 3, nil
	}, keys.Identity[string](), append(opts, WithStorage(store), WithUpdateAfter(time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	set(t, c, "k", 1)
	for range 10_000 {
		read(t, c, "k", 1)
	}
	for range 199 { // which keeps the coarse reading
		time.Sleep(5 * time.Millisecond)
		read(t, c, "k", 1)
	}
	time.Sleep(5 * time.Millisecond)
	if !isUnderLoad(c.engine.(*engine[string, string, int])) {
		t.Fatal("there is no coarse reading")
	}
	return c
}

// A key that does not equal itself gets no further than to its check.
func TestNaNIsNotLookedUp(t *testing.T) {
	type key struct{ at [1]float64 }
	store := newHooked[key]()
	store.before = func() { t.Error("it was looked up") }
	c, err := New(func(context.Context, key) (int, error) { return 0, nil }, WithStorage[key, int](store))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), key{[1]float64{math.NaN()}}); !errors.Is(err, keys.ErrUnencodable) {
		t.Errorf("error %v, want ErrUnencodable", err)
	}
}

// hooked is a local storage that can be interrupted before and after it is looked into.
type hooked[K comparable] struct {
	*storage.Memory[K, int]
	before, after func()
}

func newHooked[K comparable]() *hooked[K] {
	return &hooked[K]{storage.NewMemory[K, int](), func() {}, func() {}}
}

func (h *hooked[K]) Lookup(key K) *storage.Entry[int] {
	h.before()
	defer h.after()
	return h.Memory.Lookup(key)
}

// foreign is a strategy that the cache does not know.
type foreign struct{ eviction.Strategy[string] }

// underLoad returns a cache that holds the keys older and newer, with the values 1 and 2, and was read so often that its hits
// compare with a coarse reading. It is to be called in a bubble, where that does not end by itself.
func underLoad(t *testing.T, opts ...Option) (*engine[string, string, int], *Cache[string, int]) {
	t.Helper()
	c, err := NewKeyed(func(context.Context, string) (int, error) {
		t.Error("a load")
		return 0, nil
	}, keys.Identity[string](), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	e := c.engine.(*engine[string, string, int])
	set(t, c, "popular", 0)
	for range 10_000 {
		if _, err := c.Get(context.Background(), "popular"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Invalidate(context.Background(), "popular"); err != nil {
		t.Fatal(err)
	}
	if !isUnderLoad(e) {
		t.Fatal("there is no coarse reading")
	}
	set(t, c, "older", 1)
	set(t, c, "newer", 2)
	return e, c
}

func isUnderLoad(e *engine[string, string, int]) bool {
	c := e.settings.Load().clock
	return c.Bound() != nil || c.Moment() != (storage.Moment{})
}

func read(t *testing.T, c *Cache[string, int], key string, want int) {
	t.Helper()
	if got, err := c.Get(context.Background(), key); err != nil || got != want {
		t.Errorf("Get(%q) = %d, %v, want %d", key, got, err, want)
	}
}

func set(t *testing.T, c *Cache[string, int], key string, value int) {
	t.Helper()
	if err := c.Set(context.Background(), key, value); err != nil {
		t.Fatal(err)
	}
}
