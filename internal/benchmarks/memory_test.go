package benchmarks

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkMemory measures what an entry takes of the heap beyond the bytes of its key, and what a cache adds to the time of a garbage
// collection. Every cache has room for a tenth more than its entries, as one that is divided into parts does not fill them evenly. An
// operation is to fill a cache: use -benchtime 1x.
func BenchmarkMemory(b *testing.B) {
	makeOnce := sync.OnceValue(func() []string { return makeKeys(string16, 0, many) })
	for _, lib := range libraries.All[string]() {
		b.Run("lib="+lib.Name, func(b *testing.B) {
			keys := makeOnce()
			var heap, gc float64
			for range b.N {
				h, t := footprint(b, lib, keys)
				heap += h
				gc += float64(t) / float64(time.Millisecond)
			}
			runtime.KeepAlive(keys)
			b.ReportMetric(heap/float64(b.N)/many, "heap-B/entry")
			b.ReportMetric(gc/float64(b.N), "gc-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// footprint returns what a cache with these keys adds to the heap in bytes, and to a garbage collection in time.
func footprint(b *testing.B, lib libraries.Library[string], keys []string) (heap float64, gc time.Duration) {
	heapBefore, gcBefore := collect()
	loads := new(atomic.Int64)
	// No value is small: the runtime has small ones ready, so that they would take no memory in an interface.
	s := openWith(b, lib, len(keys)+len(keys)/10, neverStale, neverExpired, loads, func() uint64 { return 1<<32 + uint64(loads.Add(1)) })
	defer s.close()
	s.load(b, keys)
	heapAfter, gcAfter := collect()
	runtime.KeepAlive(s)
	return float64(heapAfter) - float64(heapBefore), gcAfter - gcBefore
}

// collect returns the bytes in use after garbage collections, and the time of the shortest of them.
func collect() (heap uint64, shortest time.Duration) {
	const collections = 5
	runtime.GC() // what is freed by the finalizers and clean-ups of the first goes with the next
	shortest = time.Hour
	for range collections {
		start := time.Now()
		runtime.GC()
		shortest = min(shortest, time.Since(start))
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, shortest
}
