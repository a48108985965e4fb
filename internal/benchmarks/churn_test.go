package benchmarks

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// recent is how many of the last keys are read.
const recent = 100_000

// BenchmarkChurn measures how long single hits take while another goroutine writes new keys into a full cache, so that each write
// evicts. What was read and was not stored is counted apart: as a share, without its time. The time that it takes to read the clock
// is in that of the hits.
func BenchmarkChurn(b *testing.B) {
	for _, lib := range named[uint64]("memoize", "memoize-s3fifo", "memoize-sieve", "otter", "otter-coarse", "theine") {
		var (
			s       subject[uint64]
			written atomic.Uint64 // the keys below are or were stored
		)
		b.Run("lib="+lib.Name, func(b *testing.B) {
			if s.Cache == nil {
				s = open(b, lib, many, neverStale, neverExpired)
				for key := range uint64(many + recent) {
					s.Set(key, 1)
				}
				s.wait()
				written.Store(many + recent)
			}
			churn(b, s, &written)
		})
		s.close()
	}
}

func churn(b *testing.B, s subject[uint64], written *atomic.Uint64) {
	var (
		done atomic.Bool
		wg   sync.WaitGroup
	)
	start := written.Load()
	wg.Go(func() {
		for key := start; !done.Load(); key++ {
			s.Set(key, 1)
			written.Store(key + 1)
		}
	})
	for written.Load() == start {
		runtime.Gosched() // until the writer is at work
	}
	rng := rand.New(rand.NewPCG(1, 2))
	first, ctx, misses := written.Load(), context.Background(), 0
	h := new(histogram)
	b.ResetTimer()
	for range b.N {
		key := written.Load() - 1 - rng.Uint64N(recent)
		before := s.loads.Load()
		began := time.Now()
		_, err := s.Get(ctx, key)
		took := time.Since(began)
		if err != nil {
			b.Fatal(err)
		}
		if s.loads.Load() == before {
			h.add(took)
		} else {
			misses++
		}
	}
	b.StopTimer()
	writes := written.Load() - first
	done.Store(true)
	wg.Wait()
	h.report(b)
	b.ReportMetric(float64(writes)/b.Elapsed().Seconds(), "writes/s")
	if misses > 0 {
		b.ReportMetric(float64(misses)/float64(b.N), "miss/op")
	}
}
