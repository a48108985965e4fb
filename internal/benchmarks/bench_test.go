package benchmarks

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

const (
	few  = 4096
	many = 1_000_000
)

// never is what nothing comes to while a benchmark runs.
const (
	neverStale   = 10 * time.Minute
	neverExpired = 30 * time.Minute
)

func string16(i uint64) string { return fmt.Sprintf("key-%012d", i) }

func string64(i uint64) string {
	return fmt.Sprintf("a-key-that-is-as-long-as-a-path-of-some-folders-%016d", i)
}

func number(i uint64) uint64 { return i }

type structKey struct {
	Tenant uint32
	ID     uint64
	Kind   uint8
}

func structured(i uint64) structKey {
	return structKey{Tenant: uint32(i % 16), ID: i, Kind: uint8(i % 3)}
}

// makeKeys makes n keys, from the one with number first on.
func makeKeys[K any](key func(uint64) K, first, n int) []K {
	keys := make([]K, n)
	for i := range keys {
		keys[i] = key(uint64(first + i))
	}
	return keys
}

// makeTrace draws from keys by Zipf's law with exponent 1.1. The length is a power of two.
func makeTrace[K any](keys []K) []K {
	length := 1 << 16
	if len(keys) > length {
		length = 1 << 20
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(len(keys)-1))
	trace := make([]K, length)
	for i := range trace {
		trace[i] = keys[zipf.Uint64()]
	}
	return trace
}

// turns is for benchmarks that are short enough for it: the machine is noisy.
var turns = flag.Int("turns", 1, "how often the libraries take turns in some of the benchmarks")

// warmUp is how many operations come before those that are measured: meanwhile others had the processor's caches.
const warmUp = 1 << 16

// takeTurns has measure measure every library so many times, each time with another one first: so what else the machine does falls on
// all of them alike. Measure opens the caches, which stay open for all turns.
func takeTurns[K comparable](libs []libraries.Library[K], turns int, measure func(lib libraries.Library[K], s *subject[K])) {
	subjects := make([]subject[K], len(libs))
	for turn := range turns {
		for i := range libs {
			i = (i + turn) % len(libs)
			measure(libs[i], &subjects[i])
			if turn == turns-1 {
				subjects[i].close()
			}
		}
	}
}

// subject is a cache that is measured.
type subject[K comparable] struct {
	libraries.Cache[K]
	loads *atomic.Int64
}

// open makes a cache in front of an instant load.
func open[K comparable](b *testing.B, lib libraries.Library[K], capacity int, updateAfter, expireAfter time.Duration) subject[K] {
	b.Helper()
	loads := new(atomic.Int64)
	return openWith(b, lib, capacity, updateAfter, expireAfter, loads, func() uint64 {
		loads.Add(1)
		return 1
	})
}

// openWith makes a cache in front of a load that counts itself.
func openWith[K comparable](
	b *testing.B, lib libraries.Library[K], capacity int, updateAfter, expireAfter time.Duration, loads *atomic.Int64, load func() uint64,
) subject[K] {
	b.Helper()
	c, err := lib.Open(libraries.Options[K]{
		Capacity:    capacity,
		Load:        func(context.Context, K) (uint64, error) { return load(), nil },
		UpdateAfter: updateAfter,
		ExpireAfter: expireAfter,
	})
	if err != nil {
		b.Fatal(err)
	}
	return subject[K]{c, loads}
}

func (s subject[K]) wait() {
	if w, ok := s.Cache.(libraries.Waiter); ok {
		w.Wait()
	}
}

// fill stores all keys.
func (s subject[K]) fill(b *testing.B, keys []K) {
	b.Helper()
	for _, k := range keys {
		s.Set(k, 1)
	}
	s.wait()
	s.load(b, keys)
}

// load reads all keys until none of them has to be loaded any more. A library that drops some of many writes needs more than one
// pass.
func (s subject[K]) load(b *testing.B, keys []K) {
	b.Helper()
	const passes = 20
	for range passes {
		before := s.loads.Load()
		for _, k := range keys {
			if _, err := s.Get(context.Background(), k); err != nil {
				b.Fatal(err)
			}
		}
		s.wait()
		if s.loads.Load() == before {
			return
		}
	}
}

// close closes the cache if it was opened, and frees what it held before the next one is measured.
func (s *subject[K]) close() {
	if s.Cache == nil {
		return
	}
	s.Close()
	*s = subject[K]{}
	// The next one does not go on in the memory that this one leaves, where it would be slower than the first one in a process.
	debug.FreeOSMemory()
}

// reportMisses tells of the operations that were no hits. This library has none where the benchmark says so.
func reportMisses[K comparable](b *testing.B, lib libraries.Library[K], misses int64) {
	b.Helper()
	if misses == 0 {
		return
	}
	b.ReportMetric(float64(misses)/float64(b.N), "miss/op")
	if strings.HasPrefix(lib.Name, "memoize") {
		b.Errorf("%d of %d were no hits", misses, b.N)
	}
}

// named are the libraries with these names.
func named[K comparable](names ...string) []libraries.Library[K] {
	return slices.DeleteFunc(libraries.All[K](), func(l libraries.Library[K]) bool { return !slices.Contains(names, l.Name) })
}

// run shares b.N operations among goroutines, each with its own place in the trace.
func run(b *testing.B, goroutines int, op func(i int)) {
	share(b, goroutines, func(g, n int) {
		for i := range n {
			op(i + g*7919)
		}
	})
}

// share shares b.N operations among goroutines: number g of them has to make n.
func share(b *testing.B, goroutines int, work func(g, n int)) {
	var wg sync.WaitGroup
	b.ResetTimer()
	for g := range goroutines {
		n := b.N / goroutines
		if g < b.N%goroutines {
			n++
		}
		wg.Go(func() { work(g, n) })
	}
	wg.Wait()
	b.StopTimer()
}

func TestKeys(t *testing.T) {
	for _, i := range []uint64{0, many, 1 << 21} {
		if n := len(string16(i)); n != 16 {
			t.Errorf("%q has %d bytes, want 16", string16(i), n)
		}
		if n := len(string64(i)); n != 64 {
			t.Errorf("%q has %d bytes, want 64", string64(i), n)
		}
	}
}
