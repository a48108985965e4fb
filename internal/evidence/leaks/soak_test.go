package leaks_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage"
)

// Bounds while a soak runs.
const (
	// soakSlack is what may come on top of the capacity: calls at work, background loads, and
	// releases that have failed and are tried again with the next write.
	soakSlack = soakWorkers + 100

	soakHeap       = 32 << 20
	soakGoroutines = 1000
	soakTimers     = 1000 // of each cache
)

func TestSoak(t *testing.T) {
	d, seed := soakFor(t), soakSeed(t)
	b := lookBefore()
	all := []*soaked{
		newSoaked(t, "memory", seed, storage.NewMemory[int, evidence.Value](), eviction.NewSIEVE[int](maxCapacity), true),
		newSoaked(t, "default clock", seed, storage.NewMemory[int, evidence.Value](), eviction.NewLeastRecentlyUpdated[int](maxCapacity), false),
		newSoaked(t, "local", seed, local[evidence.Value]{newRemote[evidence.Value](nil)}, eviction.NewS3FIFO[int](maxCapacity), true),
		newSoaked(t, "remote", seed, newRemote[evidence.Value](nil), eviction.NewLeastRecentlyUsed[int](maxCapacity), true),
	}
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for _, k := range all {
		for worker := range soakWorkers {
			workers.Go(func() { k.work(worker, stop) })
		}
	}
	watch(all, b, d)
	close(stop)
	workers.Wait()

	for _, k := range all {
		k.end()
	}
	var operations, loads, violations int64
	for _, k := range all {
		operations += k.operations.Load()
		loads += k.source.AllLoads()
		violations += k.violations
		for _, p := range k.problems {
			t.Error(p)
		}
		t.Logf("%s: %d operations, %d loads, %+v", k.name, k.operations.Load(), k.source.AllLoads(), k.cache.Stats())
	}
	all = nil
	if err := goleak.Find(b.goroutines); err != nil {
		violations++
		t.Error(err)
	}
	for _, p := range b.grown(heapLeft) {
		violations++
		t.Error(p)
	}
	evidence.Report(t, "soak", operations, fmt.Sprintf("operations with %d loads in %v", loads, d), violations)
}

// soakFor returns how long to soak.
func soakFor(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("SOAK")
	if given == "" {
		return time.Second
	}
	d, err := time.ParseDuration(given)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return d
}

func soakSeed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("EVIDENCE_SEED")
	if given == "" {
		return 1
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("EVIDENCE_SEED: %v", err)
	}
	return seed
}

// watch checks every second, and at least five times, what can be checked while everything runs.
func watch(all []*soaked, b before, d time.Duration) {
	tick := time.NewTicker(min(time.Second, d/6))
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	had := make([]int64, len(all))
	for {
		select {
		case <-end.C:
			return
		case <-tick.C:
		}
		for i, k := range all {
			k.checkFlow()
			k.checkBounds()
			operations := k.operations.Load()
			if operations == had[i] {
				k.violated("no call has ended since the last look")
			}
			had[i] = operations
		}
		if n := runtime.NumGoroutine(); n > soakGoroutines {
			all[0].violated("there are %d goroutines", n)
		}
		for _, p := range b.grown(soakHeap) {
			all[0].violated("%s", p)
		}
	}
}

// ended returns how many loads a snapshot has seen the end of, and answered how many calls it has
// seen.
func ended(s cache.Stats) int64 {
	return int64(s.LoadsSucceeded + s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited)
}

func answered(s cache.Stats) int64 {
	return int64(s.Hits + s.StaleHits + s.Led + s.Joined + s.Refused)
}

// checkFlow checks that no load and no call gets lost or comes from nowhere.
func (k *soaked) checkFlow() {
	first := k.cache.Stats()
	begun, calls := k.source.AllLoads(), k.calls.Load()
	second := k.cache.Stats()
	third := k.cache.Stats()
	k.flow(first, begun, calls, second, third)
}

// flow does so with figures that were read one after the other. A load is counted as running before
// it begins, and as ended before it counts as running no more. So what has begun is either running
// at the second snapshot or has ended at the third.
func (k *soaked) flow(first cache.Stats, begun, calls int64, second, third cache.Stats) {
	if n := ended(first); n > begun {
		k.violated("%d loads have ended, but only %d have begun: %+v", n, begun, first)
	}
	if n := ended(third) + int64(second.LoadsRunning); n < begun {
		k.violated("%d loads have begun, but only %d are running or have ended: %+v", begun, n, third)
	}
	if n := answered(first); n > calls {
		k.violated("%d calls were answered, but only %d were made: %+v", n, calls, first)
	}
}

// checkBounds checks that nothing piles up.
func (k *soaked) checkBounds() {
	if n := k.store.Len(); n > maxCapacity+soakSlack {
		k.violated("the storage holds %d entries", n)
	}
	if n := k.strategy.Len(); n > maxCapacity+soakSlack {
		k.violated("the strategy knows %d keys", n)
	}
	if n := k.cache.Stats().LoadsRunning; n < 0 || n > soakGoroutines {
		k.violated("%d loads are running", n)
	}
	if k.clock == nil {
		return
	}
	if n := k.clock.running.Load(); n < 0 || n > soakTimers {
		k.violated("%d timers are running", n)
	}
}

// end lets everything come to rest and checks what has to hold exactly then.
func (k *soaked) end() {
	k.healed.Store(true)
	k.settle()
	k.renew()
	// On a busy machine something may have been too slow once more.
	for range 9 {
		if inProgress(k.cache) == 0 {
			break
		}
		k.renew()
	}
	if n := inProgress(k.cache); n != 0 {
		k.violated("at rest the registry has something about %d keys", n)
	}
	k.checkRest(k.cache.Stats())
	if held, limit := k.store.Len(), k.strategy.Capacity(); held > limit {
		k.violated("%d entries at rest, the capacity is %d", held, limit)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := k.cache.Close(ctx); err != nil {
		k.violated("%v", err)
	}
	if k.clock != nil {
		if n := k.clock.running.Load(); n != 0 {
			k.violated("%d timers are running when the cache is closed", n)
		}
	}
	k.checkBooks()
}

// renew gives every key an entry again, when what may have been written late has expired, so that
// nothing has to be refused any more. The writes make up for releases that have failed.
func (k *soaked) renew() {
	k.invalidateAll(context.Background())
	hold(maxSpan)
	for key := range soakKeys {
		k.read(context.Background(), key, false)
	}
	k.settle()
}

// settle waits until nothing is at work, storage calls that were given up on included.
func (k *soaked) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if err := k.cache.Wait(ctx); err != nil {
			k.violated("%v", err)
			return
		}
		if k.faulty == nil || k.faulty.calls.Load() == 0 {
			return
		}
		hold(time.Millisecond)
	}
}

// checkRest compares the statistics with what was counted.
func (k *soaked) checkRest(s cache.Stats) {
	equal := func(what string, got, want int64) {
		if got != want {
			k.violated("%s at rest: %d, counted %d: %+v", what, got, want, s)
		}
	}
	equal("calls", answered(s), k.calls.Load())
	equal("loads", ended(s), k.source.AllLoads())
	equal("running loads", int64(s.LoadsRunning), 0)
	equal("evictions", int64(s.Evictions), k.evicted.Load())
	equal("invalidations", int64(s.Invalidations), k.invalidated.Load())
	equal("storage errors", int64(s.StorageErrors), k.storageFailed.Load())
	equal("ends of loads", k.ended.Load(), k.started.Load())
	// One that ran out of time before the load function was called is no load.
	if n := int64(s.LoadsTimedOut); n > k.overdue.Load() {
		k.violated("%d loads timed out, but there were only %d timeouts", n, k.overdue.Load())
	}
}

// checkBooks compares the keys that the storage holds with those that the strategy knows, and takes
// these out.
func (k *soaked) checkBooks() {
	var held, known []int
	for key := range k.store.All() {
		held = append(held, key)
	}
	k.strategy.Resize(0)
	for key, ok := k.strategy.NextToRelease(); ok; key, ok = k.strategy.NextToRelease() {
		known = append(known, key)
	}
	slices.Sort(held)
	slices.Sort(known)
	if !slices.Equal(held, known) {
		k.violated("the storage holds %d keys, the strategy knows %d, and they are not the same", len(held), len(known))
	}
}
