package leaks_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
)

// patience guards against hanging.
const patience = time.Minute

var epoch = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)

// before is how things were before a workload.
type before struct {
	heap       uint64
	goroutines goleak.Option
}

func lookBefore() before {
	return before{heap: heap(), goroutines: goleak.IgnoreCurrent()}
}

// heap returns how much memory is in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one has freed of pools and finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// warm makes the runtime keep as much as it keeps for n goroutines, which it never gives back.
func warm(n int) {
	var wg sync.WaitGroup
	leave := make(chan struct{})
	for range n {
		wg.Go(func() { <-leave })
	}
	close(leave)
	wg.Wait()
}

// goroutines returns how many there are, when they are no more than most or do not get fewer: those
// that have ended count for a moment longer, at most until the collector has stopped the world.
func goroutines(most int) (n int) {
	for range 20 {
		if n = runtime.NumGoroutine(); n <= most {
			break
		}
		runtime.GC()
	}
	return n
}

// grown complains if more memory is in use than before, by more than limit.
func (b before) grown(limit uint64) (problems []string) {
	if now := heap(); now > b.heap+limit {
		problems = append(problems, fmt.Sprintf("the heap has grown by %d kB, more than %d kB", (now-b.heap)>>10, limit>>10))
	}
	return problems
}

// left lists what is left of a cache that nobody uses any more.
func (b before) left(c registered, clock *countingClock) (problems []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Wait(ctx); err != nil {
		problems = append(problems, err.Error())
	}
	if err := goleak.Find(b.goroutines); err != nil {
		problems = append(problems, err.Error())
	}
	if n := clock.running.Load(); n != 0 {
		problems = append(problems, fmt.Sprintf("%d timers are running", n))
	}
	if n := c.inProgress(); n != 0 {
		problems = append(problems, fmt.Sprintf("the registry has something about %d keys", n))
	}
	if n := c.Stats().LoadsRunning; n != 0 {
		problems = append(problems, fmt.Sprintf("%d loads are running", n))
	}
	return append(problems, b.grown(heapLeft)...)
}

// registered is a cache with its registry.
type registered interface {
	Wait(context.Context) error
	Stats() cache.Stats
	inProgress() int
}

// opened is a cache on a clock that counts timers.
type opened[V any] struct {
	*cache.Cache[int, V]
	clock *countingClock
	fake  *clockwork.FakeClock // nil: the real one
}

func (o *opened[V]) inProgress() int { return inProgress(o.Cache) }

// open returns a new cache on the real clock, or ends the test.
func open[V any](t *testing.T, load func(context.Context, int) (V, error), opts ...cache.Option) *opened[V] {
	t.Helper()
	o := &opened[V]{clock: &countingClock{Clock: clockwork.NewRealClock()}}
	o.make(t, load, opts)
	return o
}

// openFake returns a new cache on a fake clock, or ends the test.
func openFake[V any](t *testing.T, load func(context.Context, int) (V, error), opts ...cache.Option) *opened[V] {
	t.Helper()
	fake := clockwork.NewFakeClockAt(epoch)
	o := &opened[V]{clock: &countingClock{Clock: fake}, fake: fake}
	o.make(t, load, opts)
	return o
}

func (o *opened[V]) make(t *testing.T, load func(context.Context, int) (V, error), opts []cache.Option) {
	t.Helper()
	// No storage call is to be given up on because the machine is busy: the last figure counts.
	opts = append([]cache.Option{cache.WithStorageTimeout(patience)}, opts...)
	var err error
	if o.Cache, err = cache.New(load, append(opts, cache.WithClock(o.clock))...); err != nil {
		t.Fatal(err)
	}
}

// report complains about problems, and says what was checked.
func report(t *testing.T, checked int, what string, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
	evidence.Report(t, "leaks", int64(checked), what, int64(len(problems)))
}

// inParallel calls f for every key below n, from a few goroutines.
func inParallel(n int, f func(key int)) {
	const goroutines = 4
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for key := g; key < n; key += goroutines {
				f(key)
			}
		})
	}
	wg.Wait()
}
