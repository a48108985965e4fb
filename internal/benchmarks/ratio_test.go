package benchmarks

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
	"github.com/memoize-go/memoize/internal/benchmarks/workload"
)

// BenchmarkRatio measures which share of the requests of a trace is answered without a load, beside the share that no cache of the same
// capacity can exceed. One pass over a trace is an operation: use -benchtime 1x.
func BenchmarkRatio(b *testing.B) {
	for _, w := range []struct {
		name  string
		trace func() []uint32
	}{
		{"zipf0.9", func() []uint32 { return workload.Default.Zipf(0.9) }},
		{"zipf1.0", func() []uint32 { return workload.Default.Zipf(1) }},
		{"scan", func() []uint32 { return workload.Default.Scan(0.9, 2000) }},
		{"loop", func() []uint32 { return workload.Default.Loop(20_000) }},
		{"shift", func() []uint32 { return workload.Default.Shift(0.9, 20_000) }},
	} {
		b.Run("workload="+w.name, func(b *testing.B) {
			trace := w.trace()
			for _, capacity := range []int{1000, 5000, 10_000} {
				b.Run(fmt.Sprintf("capacity=%d", capacity), func(b *testing.B) { ratios(b, trace, capacity) })
			}
		})
	}
}

func ratios(b *testing.B, trace []uint32, capacity int) {
	report := func(b *testing.B, hits int) { b.ReportMetric(float64(hits)/float64(len(trace)), "hit-ratio") }
	sameStrategy := []string{"memoize-stats", "memoize-exact", "otter-coarse"} // as one of the others
	for _, library := range libraries.All[uint64]() {
		if !library.Bounded || slices.Contains(sameStrategy, library.Name) {
			continue
		}
		b.Run("lib="+library.Name, func(b *testing.B) {
			var hits int
			for b.Loop() {
				hits = len(trace) - loads(b, library, trace, capacity)
			}
			report(b, hits)
		})
	}
	b.Run("lib=optimal", func(b *testing.B) {
		var hits int
		for b.Loop() {
			hits = workload.Optimal(trace, capacity)
		}
		report(b, hits)
	})
}

// loads sends the requests of a trace one after the other through a new cache, and returns how many of them made it load.
func loads(b *testing.B, library libraries.Library[uint64], trace []uint32, capacity int) int {
	s := open(b, library, capacity, time.Hour, time.Hour)
	defer s.close()
	ctx := context.Background()
	for i, key := range trace {
		if _, err := s.Get(ctx, uint64(key)); err != nil {
			b.Fatal(err)
		}
		if i%64 == 0 {
			runtime.Gosched() // some libraries evict in the background
		}
	}
	return int(s.loads.Load())
}
