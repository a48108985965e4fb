package benchmarks

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkRefreshLatency measures how long single hits take while their entries grow stale and are refreshed, with an instant load.
// The time that it takes to read the clock is in it. Nothing is stale in a run of less than 100 ms.
func BenchmarkRefreshLatency(b *testing.B) {
	w := newWorking(string16, few)
	libs := slices.DeleteFunc(libraries.All[string](), func(l libraries.Library[string]) bool { return !l.Refreshes })
	takeTurns(libs, *turns, func(lib libraries.Library[string], s *subject[string]) {
		b.Run("lib="+lib.Name, func(b *testing.B) {
			keys, trace := w()
			*s = open(b, lib, 2*len(keys), 100*time.Millisecond, time.Hour)
			defer s.close()
			s.fill(b, keys)
			before, ctx := s.loads.Load(), context.Background()
			h := new(histogram)
			b.ResetTimer()
			for i := range b.N {
				k := trace[i&(len(trace)-1)]
				start := time.Now()
				_, err := s.Get(ctx, k)
				h.add(time.Since(start))
				if err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			h.report(b)
			b.ReportMetric(float64(s.loads.Load()-before)/b.Elapsed().Seconds(), "refreshes/s")
		})
	})
}
