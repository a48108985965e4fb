package benchmarks

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkStampede measures 1,000 callers of one key at once, while its load does not return before all of them are there: of a key
// that is not stored, of one that has expired, and of one that is stale, whose callers get the old value. The time and the allocations
// of 1,000 goroutines are in it, the same for all libraries.
func BenchmarkStampede(b *testing.B) {
	const short, long = 50 * time.Millisecond, time.Hour
	rehearse()
	for _, kind := range []stampede{
		{name: "cold", updateAfter: neverStale, expireAfter: neverExpired},
		{name: "expired", updateAfter: short, expireAfter: short, ages: true},
		{name: "stale", updateAfter: short, expireAfter: long, ages: true, refreshes: true},
	} {
		b.Run("kind="+kind.name, func(b *testing.B) {
			libs := slices.DeleteFunc(libraries.All[string](), func(l libraries.Library[string]) bool {
				return !l.Loads || kind.ages && !l.Expires || kind.refreshes && !l.Refreshes
			})
			takeTurns(libs, *turns, func(lib libraries.Library[string], s *subject[string]) {
				b.Run("lib="+lib.Name, func(b *testing.B) { kind.measure(b, lib, s) })
			})
		})
	}
}

// rehearse has the runtime make what it keeps for as many blocked goroutines, so that it is not put down to the first library.
func rehearse() {
	gate := make(chan struct{})
	var started atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			started.Add(1)
			<-gate
		})
	}
	for started.Load() < callers {
		runtime.Gosched()
	}
	runtime.Gosched() // most of them are blocked now
	close(gate)
	wg.Wait()
}

// stampede is a kind of them.
type stampede struct {
	name                     string
	updateAfter, expireAfter time.Duration
	ages                     bool // the keys are stored, and have to grow old
	refreshes                bool // callers do not wait for the load
}

// callers are as many as come at once.
const callers = 1000

// aging is how long keys grow old. A cache may read the time a little late.
const aging = 60 * time.Millisecond

func (kind stampede) measure(b *testing.B, lib libraries.Library[string], s *subject[string]) {
	var (
		loads atomic.Int64
		gate  atomic.Pointer[chan struct{}] // what a load waits for
	)
	open := make(chan struct{})
	close(open)
	gate.Store(&open)
	*s = openWith(b, lib, 2*few, kind.updateAfter, kind.expireAfter, &loads, func() uint64 {
		loads.Add(1)
		<-*gate.Load()
		return 1
	})
	defer s.close()
	keys := makeKeys(string16, 0, b.N)
	if kind.ages {
		const together = 50 // as many as are still old when the last of them has its turn
		keys = keys[:min(len(keys), together)]
		for _, k := range keys {
			if _, err := s.Get(context.Background(), k); err != nil {
				b.Fatal(err)
			}
		}
		s.wait()
	}
	loads.Store(0)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if kind.ages && i%len(keys) == 0 {
			b.StopTimer()
			<-time.After(aging)
			b.StartTimer()
		}
		closed := make(chan struct{})
		gate.Store(&closed)
		kind.rush(b, *s, keys[i%len(keys)], sync.OnceFunc(func() { close(closed) }))
	}
	b.StopTimer()
	<-time.After(aging) // for refreshes that have not begun yet
	b.ReportMetric(float64(loads.Load())/float64(b.N), "loads/op")
}

// rush makes the calls, and lets the load return when all callers have come to wait for it or, if it is a refresh, when they have
// their answer.
func (kind stampede) rush(b *testing.B, s subject[string], key string, openGate func()) {
	const turns = 300
	// A library that makes its callers wait against what it says would wait for ever.
	rescue := time.AfterFunc(10*time.Second, func() {
		b.Errorf("%d callers of one key have no answer after 10 s", callers)
		openGate()
	})
	defer rescue.Stop()
	defer openGate()
	var (
		started atomic.Int64
		wg      sync.WaitGroup
	)
	for range callers {
		wg.Go(func() {
			started.Add(1)
			if _, err := s.Get(context.Background(), key); err != nil {
				b.Error(err)
			}
		})
	}
	if !kind.refreshes {
		for started.Load() < callers {
			runtime.Gosched()
		}
		for range turns {
			runtime.Gosched()
		}
		openGate()
	}
	wg.Wait()
}
