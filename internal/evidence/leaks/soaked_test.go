package leaks_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage"
)

const (
	soakKeys    = 2000
	soakWorkers = 4 // of each cache
	maxCapacity = 400
	maxSpan     = 100 * time.Millisecond

	loadTimeout    = 20 * time.Millisecond
	storageTimeout = 10 * time.Millisecond
)

// books is what a soak wants to know of a storage.
type books interface {
	storage.Storage[int, evidence.Value]
	Len() int
	All() iter.Seq2[int, *storage.Entry[evidence.Value]]
}

// strategy is what a soak wants to know of a strategy.
type strategy interface {
	eviction.Strategy[int]
	eviction.Resizer
	Len() int
	Capacity() int
}

// soaked is a cache under a mixed load, and what is counted of it.
type soaked struct {
	name     string
	seed     uint64
	source   *evidence.Source
	cache    *cache.Cache[int, evidence.Value]
	clock    *countingClock // nil: the cache has the default one
	store    books
	faulty   *remote[evidence.Value] // the store, if it fails; nil if it cannot
	strategy strategy

	healed atomic.Bool // nothing fails and nothing is slow any more

	// Those who change a key take turns, so that what a Set stores is never older than the floor.
	writing [soakKeys]sync.Mutex

	operations, calls      atomic.Int64 // all, and those of Get and Refresh
	storageCalls           atomic.Int64
	started, ended         atomic.Int64 // events of loads
	evicted, invalidated   atomic.Int64 // events
	storageFailed, overdue atomic.Int64 // events

	mu         sync.Mutex
	violations int64
	problems   []string // the first ones
}

func newSoaked(t *testing.T, name string, seed uint64, store books, s strategy, exact bool) *soaked {
	t.Helper()
	k := &soaked{name: name, seed: seed, source: evidence.NewSource(soakKeys), store: store, strategy: s}
	switch store := store.(type) {
	case local[evidence.Value]:
		k.faulty = store.remote
	case *remote[evidence.Value]:
		k.faulty = store
	}
	if k.faulty != nil {
		k.faulty.before = k.beforeStorage
	}
	k.source.Answer = k.answer
	opts := []cache.Option{
		cache.WithStorage[int, evidence.Value](store), cache.WithEviction[int](s), cache.WithObserver(k.observe), cache.WithStats(),
		cache.WithUpdateAfter(maxSpan / 4), cache.WithExpireAfter(maxSpan), cache.WithRefreshBackoff(2 * time.Millisecond),
		cache.WithTimeout(loadTimeout), cache.WithStorageTimeout(storageTimeout),
	}
	if exact {
		k.clock = &countingClock{Clock: clockwork.NewRealClock()}
		opts = append(opts, cache.WithClock(k.clock))
	}
	var err error
	if k.cache, err = cache.New(k.source.Load, opts...); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *soaked) violated(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.violations++; k.violations <= 5 {
		k.problems = append(k.problems, fmt.Sprintf("%s: ", k.name)+fmt.Sprintf(format, args...))
	}
}

// oneIn reports true once in n draws.
func oneIn(random *rand.Rand, n int) bool { return random.IntN(n) == 0 }

// hold takes d, whatever becomes of a ctx.
func hold(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// answer is what a load does: most answer at once, some take their time, fail, panic, exit, or
// overrun their timeout.
func (k *soaked) answer(_ context.Context, v evidence.Value) (evidence.Value, error) {
	random := rand.New(rand.NewPCG(k.seed, uint64(v.Key)<<40|uint64(v.Load)))
	switch {
	case k.healed.Load():
	case oneIn(random, 10):
		hold(time.Duration(random.IntN(2000)) * time.Microsecond)
	case oneIn(random, 10):
		return evidence.Value{}, errBackend
	case oneIn(random, 500):
		panic(errBackend)
	case oneIn(random, 500):
		runtime.Goexit()
	case oneIn(random, 1000):
		hold(2 * loadTimeout)
	default:
		runtime.Gosched()
	}
	return v, nil
}

// beforeStorage makes calls of the storage fail, and some take too long and have their effect late.
func (k *soaked) beforeStorage(context.Context, method) error {
	random := rand.New(rand.NewPCG(k.seed, uint64(k.storageCalls.Add(1))))
	switch {
	case k.healed.Load():
	case oneIn(random, 50):
		return errStore
	case oneIn(random, 2000):
		hold(storageTimeout/2 + time.Duration(random.Int64N(int64(storageTimeout))))
	case oneIn(random, 4):
		runtime.Gosched()
	}
	return nil
}

func (k *soaked) observe(e cache.Event) {
	switch e.Kind {
	case cache.LoadStarted:
		k.started.Add(1)
	case cache.LoadFailed, cache.RefreshFailed:
		if errors.Is(e.Err, cache.ErrLoadTimeout) {
			k.overdue.Add(1)
		}
		k.ended.Add(1)
	case cache.LoadSucceeded:
		k.ended.Add(1)
	case cache.Evicted:
		k.evicted.Add(1)
	case cache.Invalidated:
		k.invalidated.Add(1)
	case cache.StorageFailed:
		k.storageFailed.Add(1)
	}
}

// work makes calls until stop is closed.
func (k *soaked) work(worker int, stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(k.seed, uint64(worker)))
	keys := rand.NewZipf(random, 1.1, 8, soakKeys-1)
	for {
		select {
		case <-stop:
			return
		default:
		}
		for range 100 {
			k.act(random, int(keys.Uint64()))
			k.operations.Add(1)
		}
		runtime.Gosched()
	}
}

// act makes one call.
func (k *soaked) act(random *rand.Rand, key int) {
	ctx := context.Background()
	switch n := random.IntN(10_000); {
	case n < 200:
		k.read(ctx, key, true)
	case n < 500:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(500))*time.Microsecond)
		defer cancel()
		k.read(ctx, key, oneIn(random, 8))
	case n < 900:
		k.peek(ctx, key)
	case n < 1200:
		k.write(key, func(v int64) error { return k.cache.Invalidate(ctx, key) })
	case n < 1500:
		k.write(key, func(v int64) error {
			return k.cache.Set(ctx, key, evidence.Value{Key: key, Version: v, Load: -1})
		})
	case n < 1800:
		k.source.Change(key)
	case n < 1801:
		k.invalidateAll(ctx)
	case n < 1805:
		k.reconfigure(cache.WithCapacity(maxCapacity/2 + random.IntN(maxCapacity/2+1)))
	case n < 1809:
		expire := maxSpan/2 + time.Duration(random.Int64N(int64(maxSpan/2)))
		k.reconfigure(cache.WithUpdateAfter(expire/time.Duration(1+random.IntN(5))), cache.WithExpireAfter(expire))
	default:
		k.read(ctx, key, false)
	}
}

func (k *soaked) reconfigure(opts ...cache.Option) {
	if err := k.cache.Reconfigure(opts...); err != nil {
		k.violated("Reconfigure: %v", err)
	}
}

func (k *soaked) read(ctx context.Context, key int, forced bool) {
	k.calls.Add(1)
	floor, begun := k.source.Floor(key), k.source.Loads(key)
	call := k.cache.Get
	if forced {
		call = k.cache.Refresh
	}
	v, err := call(ctx, key)
	switch {
	case err != nil:
		k.checkError(ctx, key, err)
	case forced && v.Load <= begun:
		k.violated("key %d: a Refresh returned %+v, but %d loads had begun before it was called", key, v, begun)
	default:
		k.checkValue(key, floor, v)
	}
}

func (k *soaked) peek(ctx context.Context, key int) {
	floor := k.source.Floor(key)
	if v, ok := k.cache.Peek(ctx, key); ok {
		k.checkValue(key, floor, v)
	}
}

func (k *soaked) checkValue(key int, floor int64, v evidence.Value) {
	if v.Load > 0 {
		if err := k.source.Check(key, floor, v); err != nil {
			k.violated("%v", err)
		}
		return
	}
	if v.Load != -1 || v.Key != key || v.Version < floor || v.Version > k.source.Version(key) {
		k.violated("key %d: got %+v, which was set, but the floor was %d", key, v, floor)
	}
}

func (k *soaked) checkError(ctx context.Context, key int, err error) {
	var failed *cache.LoadError
	switch {
	case ctx.Err() != nil && err == ctx.Err():
	case errors.As(err, &failed) && failed.Key == key &&
		(errors.Is(err, errBackend) || errors.Is(err, cache.ErrLoadTimeout) || errors.Is(err, cache.ErrLoaderExited)):
	default:
		k.violated("key %d: %v", key, err)
	}
}

// write changes the data of a key and tells the cache. Once that has returned, nobody may get what
// is older, not even if the storage has failed.
func (k *soaked) write(key int, tell func(version int64) error) {
	k.writing[key].Lock()
	defer k.writing[key].Unlock()
	version := k.source.Change(key)
	if k.told(tell(version)) {
		k.source.Raise(key, version)
	}
}

// told lets pass what was put in.
func (k *soaked) told(err error) bool {
	if err == nil || k.faulty != nil && (errors.Is(err, errStore) || errors.Is(err, context.DeadlineExceeded)) {
		return true
	}
	k.violated("a write: %v", err)
	return false
}

func (k *soaked) invalidateAll(ctx context.Context) {
	var versions [soakKeys]int64
	for key := range versions {
		k.writing[key].Lock()
		defer k.writing[key].Unlock()
		versions[key] = k.source.Change(key)
	}
	if k.told(k.cache.InvalidateAll(ctx)) {
		for key, version := range versions {
			k.source.Raise(key, version)
		}
	}
}
