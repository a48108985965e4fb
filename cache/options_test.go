package cache_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

func one(context.Context, string) (int, error) { return 1, nil }

func lifespanOf[K comparable, V any](t *testing.T, updateAfter, expireAfter time.Duration) *entrybuilder.Lifespan[K, V] {
	t.Helper()
	b, err := entrybuilder.NewLifespan[K, V](updateAfter, expireAfter)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// capacityOf is a strategy that tells a capacity.
type capacityOf struct {
	eviction.Strategy[string]
	capacity int
}

func (c capacityOf) Capacity() int { return c.capacity }

// The options that no cache from string to int accepts, with what their error names.
func badOptions(t *testing.T) map[string]struct {
	opts []cache.Option
	says []string
} {
	type bad = struct {
		opts []cache.Option
		says []string
	}
	var noMemory *storage.Memory[string, int]
	var noStrategy *eviction.SIEVE[string]
	var noSupport *invalidation.Support[string]
	var noClock *clockwork.FakeClock
	all := map[string]bad{
		"capacity 0":                      {[]cache.Option{cache.WithCapacity(0)}, []string{"WithCapacity", "0"}},
		"negative capacity":               {[]cache.Option{cache.WithCapacity(-7)}, []string{"WithCapacity", "-7"}},
		"least capacity":                  {[]cache.Option{cache.WithCapacity(math.MinInt)}, []string{"WithCapacity", fmt.Sprint(math.MinInt)}},
		"negative update_after":           {[]cache.Option{cache.WithUpdateAfter(-time.Second)}, []string{"WithUpdateAfter", "-1s"}},
		"negative expire_after":           {[]cache.Option{cache.WithExpireAfter(-time.Hour)}, []string{"WithExpireAfter", "-1h0m0s"}},
		"negative timeout":                {[]cache.Option{cache.WithTimeout(-time.Second)}, []string{"WithTimeout", "-1s"}},
		"timeout 0":                       {[]cache.Option{cache.WithTimeout(0)}, []string{"WithTimeout", "0s"}},
		"negative update-lock timeout":    {[]cache.Option{cache.WithUpdateLockTimeout(-2 * time.Second)}, []string{"WithUpdateLockTimeout", "-2s"}},
		"update-lock timeout 0":           {[]cache.Option{cache.WithUpdateLockTimeout(0)}, []string{"WithUpdateLockTimeout", "0s"}},
		"negative storage timeout":        {[]cache.Option{cache.WithStorageTimeout(-3 * time.Second)}, []string{"WithStorageTimeout", "-3s"}},
		"storage timeout 0":               {[]cache.Option{cache.WithStorageTimeout(0)}, []string{"WithStorageTimeout", "0s"}},
		"negative refresh backoff":        {[]cache.Option{cache.WithRefreshBackoff(-4 * time.Second)}, []string{"WithRefreshBackoff", "-4s"}},
		"update_after above expire_after": {[]cache.Option{cache.WithUpdateAfter(2 * time.Hour), cache.WithExpireAfter(time.Hour)}, []string{"WithUpdateAfter", "2h0m0s", "WithExpireAfter", "1h0m0s"}},
		"update_after never, expire_after soon": {
			[]cache.Option{cache.WithExpireAfter(time.Hour), cache.WithUpdateAfter(cache.Forever)}, []string{"WithUpdateAfter", "WithExpireAfter", "1h0m0s"},
		},
		"two things wrong": {
			[]cache.Option{cache.WithCapacity(-1), cache.WithTimeout(-time.Minute)}, []string{"WithCapacity", "-1", "WithTimeout", "-1m0s"},
		},
		"nil option": {[]cache.Option{cache.WithStats(), nil}, []string{"option 2", "nil"}},

		"storage for other values": {
			[]cache.Option{cache.WithStorage(storage.NewMemory[string, string]())}, []string{"WithStorage", "[string,string]", "[string,int]"},
		},
		"storage for other keys": {
			[]cache.Option{cache.WithStorage(storage.NewMemory[int, int]())}, []string{"WithStorage", "[int,int]", "[string,int]"},
		},
		"strategy for other keys": {
			[]cache.Option{cache.WithEviction(eviction.NewSIEVE[int](4))}, []string{"WithEviction", "[int]", "[string]"},
		},
		"entry builder for other values": {
			[]cache.Option{cache.WithEntryBuilder(lifespanOf[string, bool](t, 1, 2))}, []string{"WithEntryBuilder", "[string,bool]", "[string,int]"},
		},
		"post-processing of other values": {
			[]cache.Option{cache.WithPostprocess(postprocess.None[float64]())}, []string{"WithPostprocess", "[float64]", "[int]"},
		},
		"invalidation of other arguments": {
			[]cache.Option{cache.WithInvalidation(invalidation.New[int]())}, []string{"WithInvalidation", "[int]", "[string]"},
		},

		"nil storage":         {[]cache.Option{cache.WithStorage[string, int](nil)}, []string{"WithStorage", "nil"}},
		"nil *Memory":         {[]cache.Option{cache.WithStorage(noMemory)}, []string{"WithStorage", "nil"}},
		"nil strategy":        {[]cache.Option{cache.WithEviction[string](nil)}, []string{"WithEviction", "nil"}},
		"nil *SIEVE":          {[]cache.Option{cache.WithEviction(noStrategy)}, []string{"WithEviction", "nil"}},
		"nil entry builder":   {[]cache.Option{cache.WithEntryBuilder[string, int](nil)}, []string{"WithEntryBuilder", "nil"}},
		"nil post-processing": {[]cache.Option{cache.WithPostprocess[int](nil)}, []string{"WithPostprocess", "nil"}},
		"nil support":         {[]cache.Option{cache.WithInvalidation(noSupport)}, []string{"WithInvalidation", "nil"}},
		"nil clock":           {[]cache.Option{cache.WithClock(nil)}, []string{"WithClock", "nil"}},
		"nil *FakeClock":      {[]cache.Option{cache.WithClock(noClock)}, []string{"WithClock", "nil"}},

		"strategy of capacity 0": {
			[]cache.Option{cache.WithEviction(eviction.NewLeastRecentlyUsed[string](0))}, []string{"WithEviction", "0"},
		},
		"strategy of negative capacity": {
			[]cache.Option{cache.WithEviction(eviction.NewS3FIFO[string](-5))}, []string{"WithEviction", "-5"},
		},
		"foreign strategy of capacity 0": {
			[]cache.Option{cache.WithEviction[string](capacityOf{eviction.None[string](), 0})}, []string{"WithEviction", "0"},
		},

		"storage twice": {
			[]cache.Option{cache.WithStorage(storage.NewMemory[string, int]()), cache.WithStorage(storage.NewMemory[string, int]())}, []string{"WithStorage", "2"},
		},
		"strategy twice": {
			[]cache.Option{cache.WithEviction(eviction.NewSIEVE[string](2)), cache.WithEviction(eviction.None[string]())}, []string{"WithEviction", "2"},
		},
		"entry builder twice": {
			[]cache.Option{cache.WithEntryBuilder(lifespanOf[string, int](t, 1, 2)), cache.WithEntryBuilder(lifespanOf[string, int](t, 1, 2))}, []string{"WithEntryBuilder", "2"},
		},
		"post-processing three times": {
			[]cache.Option{cache.WithPostprocess(postprocess.None[int]()), cache.WithPostprocess(postprocess.None[int]()), cache.WithPostprocess(postprocess.None[int]())},
			[]string{"WithPostprocess", "3"},
		},
		"invalidation twice": {
			[]cache.Option{cache.WithInvalidation(invalidation.New[string]()), cache.WithInvalidation(invalidation.New[string]())}, []string{"WithInvalidation", "2"},
		},
		"clock twice": {
			[]cache.Option{cache.WithClock(clockwork.NewFakeClock()), cache.WithClock(clockwork.NewRealClock())}, []string{"WithClock", "2"},
		},
		"observer twice": {
			[]cache.Option{cache.WithObserver(func(cache.Event) {}), cache.WithObserver(nil)}, []string{"WithObserver", "2"},
		},
		"logger twice": {[]cache.Option{cache.WithLogger(slog.Default()), cache.WithLogger(nil)}, []string{"WithLogger", "2"}},
	}
	// A figure of a default part beside a replacement of that part, in either order.
	for name, pair := range map[string]struct {
		figure, replacement cache.Option
		says                []string
	}{
		"WithCapacity and WithEviction": {
			cache.WithCapacity(5), cache.WithEviction(eviction.NewSIEVE[string](2)), []string{"WithCapacity", "5", "WithEviction"},
		},
		"WithUpdateAfter and WithEntryBuilder": {
			cache.WithUpdateAfter(time.Minute), cache.WithEntryBuilder(lifespanOf[string, int](t, 1, 2)), []string{"WithUpdateAfter", "1m0s", "WithEntryBuilder"},
		},
		"WithExpireAfter and WithEntryBuilder": {
			cache.WithExpireAfter(time.Hour), cache.WithEntryBuilder(lifespanOf[string, int](t, 1, 2)), []string{"WithExpireAfter", "1h0m0s", "WithEntryBuilder"},
		},
	} {
		all[name] = bad{[]cache.Option{pair.figure, pair.replacement}, pair.says}
		all[name+", in the other order"] = bad{[]cache.Option{pair.replacement, pair.figure}, pair.says}
	}
	return all
}

func checkRefusal(t *testing.T, err error, says []string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that names %q", says)
	}
	if !strings.HasPrefix(err.Error(), "cache: ") {
		t.Errorf("error %q does not begin with the package", err)
	}
	for _, word := range says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not name %q", err, word)
		}
	}
}

func TestBadOptionsAreRefusedByNew(t *testing.T) {
	for name, tt := range badOptions(t) {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			support := invalidation.New[string]()
			opts := tt.opts
			if !strings.Contains(name, "invalidation") && !strings.Contains(name, "support") {
				opts = append(opts, cache.WithInvalidation(support))
			}
			c, err := cache.New(one, opts...)
			checkRefusal(t, err, tt.says)
			if c != nil {
				t.Error("New returned a cache beside the error")
			}
			if err := support.InvalidateAll(t.Context()); err != invalidation.ErrUnbound {
				t.Errorf("the support was bound to a cache that does not exist: %v", err)
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadOptionsAreRefusedByReconfigureAndChangeNothing(t *testing.T) {
	for name, tt := range badOptions(t) {
		t.Run(name, func(t *testing.T) {
			on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithCapacity(2), cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(3*time.Minute))
				get(t, c, "a", 1)
				get(t, c, "b", 1)
				settle(t, c)

				// Good options beside the bad ones must not take effect either.
				processed := false
				opts := tt.opts
				if !strings.Contains(name, "post-processing") {
					opts = append(opts, cache.WithPostprocess(postprocess.Func(func(v int) int {
						processed = true
						return v
					})))
				}
				opts = append(opts, cache.WithName("changed"))
				checkRefusal(t, c.Reconfigure(opts...), tt.says)

				wantHeld(t, r, map[string]int{"a": 1, "b": 1})
				get(t, c, "a", 1) // still fresh
				r.advance(time.Minute)
				get(t, c, "a", 1) // stale
				settle(t, c)
				get(t, c, "a", 2)
				r.advance(2 * time.Minute)
				get(t, c, "b", 2) // expired
				settle(t, c)
				get(t, c, "c", 1)
				settle(t, c)
				wantHeld(t, r, map[string]int{"b": 2, "c": 1}) // capacity 2
				if processed {
					t.Error("the post-processing of a Reconfigure that failed was called")
				}
			})
		})
	}
}

func TestNilLoadFunctionIsRefused(t *testing.T) {
	c, err := cache.New[string, int](nil)
	checkRefusal(t, err, []string{"New", "nil load function"})
	if c != nil {
		t.Error("New returned a cache beside the error")
	}
	k, err := cache.NewKeyed[int, string, int](nil, keys.Func(func(int) (string, error) { return "", nil }))
	if k != nil {
		t.Error("NewKeyed returned a cache beside the error")
	}
	checkRefusal(t, err, []string{"nil load function"})
}

func TestNilExtractorIsRefused(t *testing.T) {
	load := func(context.Context, int) (string, error) { return "", nil }
	_, err := cache.NewKeyed[int, string](load, nil)
	checkRefusal(t, err, []string{"NewKeyed", "nil key extractor"})
	var none extractorFunc
	_, err = cache.NewKeyed[int, string](load, none)
	checkRefusal(t, err, []string{"NewKeyed", "nil key extractor"})
}

type extractorFunc func(int) (string, error)

func (f extractorFunc) Key(args int) (string, error) { return f(args) }

func TestOrderOfOptionsDoesNotMatterAndTheLastFigureWins(t *testing.T) {
	on(t, []sort{inMemory}, func(t *testing.T, r *rig) {
		c := r.open(t,
			cache.WithUpdateAfter(5*time.Hour), // beyond the expire_after that stands here
			cache.WithExpireAfter(time.Hour),
			cache.WithCapacity(0), // overruled, so not looked at
			cache.WithCapacity(1),
			cache.WithUpdateAfter(time.Minute),
		)
		get(t, c, "a", 1)
		settle(t, c)
		r.advance(time.Minute)
		get(t, c, "a", 1)
		settle(t, c)
		get(t, c, "a", 2)
		get(t, c, "b", 1)
		settle(t, c)
		wantHeld(t, r, map[string]int{"b": 1})
	})
}

// spanOf stores a value in a new cache with the options and returns the life span of its entry.
func spanOf(t *testing.T, opts ...cache.Option) (updateAfter, expireAfter time.Duration) {
	t.Helper()
	memory := storage.NewMemory[string, int]()
	clock := clockwork.NewFakeClockAt(epoch)
	c := open(t, one, append(opts, cache.WithStorage(memory), cache.WithClock(clock))...)
	mustSet(t, c, "k", 1)
	entry := memory.Lookup("k")
	span := func(at time.Time) time.Duration {
		if at.IsZero() {
			return cache.Forever
		}
		return at.Sub(entry.Created())
	}
	return span(entry.UpdateAfter()), span(entry.ExpireAfter())
}

func TestLoneLifeSpanKeepsTheProportion(t *testing.T) {
	const never = cache.Forever
	for _, tt := range []struct {
		name                   string
		opts                   []cache.Option
		wantUpdate, wantExpire time.Duration
	}{
		{"neither", nil, 10 * time.Minute, 30 * time.Minute},
		{"short expire_after", []cache.Option{cache.WithExpireAfter(3 * time.Minute)}, time.Minute, 3 * time.Minute},
		{"long expire_after", []cache.Option{cache.WithExpireAfter(24 * time.Hour)}, 10 * time.Minute, 24 * time.Hour},
		{"expire_after never", []cache.Option{cache.WithExpireAfter(never)}, 10 * time.Minute, never},
		{"expire_after 1 ns", []cache.Option{cache.WithExpireAfter(1)}, 0, 1},
		{"short update_after", []cache.Option{cache.WithUpdateAfter(time.Second)}, time.Second, 30 * time.Minute},
		{"long update_after", []cache.Option{cache.WithUpdateAfter(time.Hour)}, time.Hour, 3 * time.Hour},
		{"update_after never", []cache.Option{cache.WithUpdateAfter(never)}, never, never},
		{"huge update_after", []cache.Option{cache.WithUpdateAfter(never/3 + 1)}, never/3 + 1, never},
		{"both", []cache.Option{cache.WithUpdateAfter(time.Hour), cache.WithExpireAfter(time.Hour)}, time.Hour, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			update, expire := spanOf(t, tt.opts...)
			if update != tt.wantUpdate || expire != tt.wantExpire {
				t.Errorf("life span %v and %v, want %v and %v", update, expire, tt.wantUpdate, tt.wantExpire)
			}
		})
	}
}

func TestObserverAndLoggerMayBeNil(t *testing.T) {
	c := open(t, one, cache.WithObserver(nil), cache.WithLogger(nil))
	get(t, c, "k", 1)
	settle(t, c)
}
