package benchmarks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/memoize-go/memoize/cache"
)

const entries = 4096

// BenchmarkHit measures a fresh hit: the cache with its default parts, beside a bare lookup in the maps it could stand on. Keys are drawn
// by Zipf's law with exponent 1.1.
func BenchmarkHit(b *testing.B) {
	hits(b, "string", func(i uint64) string { return fmt.Sprintf("key-%012d", i) })
	hits(b, "uint64", func(i uint64) uint64 { return i })
}

func hits[K comparable](b *testing.B, name string, key func(uint64) K) {
	trace := make([]K, 1<<16)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, entries-1)
	for i := range trace {
		trace[i] = key(zipf.Uint64())
	}
	c, err := cache.New(func(context.Context, K) (uint64, error) { return 1, nil })
	if err != nil {
		b.Fatal(err)
	}
	withStats, err := cache.New(func(context.Context, K) (uint64, error) { return 1, nil }, cache.WithStats())
	if err != nil {
		b.Fatal(err)
	}
	bare := xsync.NewMap[K, *uint64]()
	var standard sync.Map
	ctx := context.Background()
	for i := range uint64(entries) {
		v := i
		bare.Store(key(i), &v)
		standard.Store(key(i), &v)
		for _, c := range []*cache.Cache[K, uint64]{c, withStats} {
			if _, err := c.Get(ctx, key(i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, bench := range []struct {
		name string
		get  func(K) bool
	}{
		{"memoize", func(k K) bool { _, err := c.Get(ctx, k); return err == nil }},
		{"memoize-stats", func(k K) bool { _, err := withStats.Get(ctx, k); return err == nil }},
		{"xsync.Map", func(k K) bool { _, ok := bare.Load(k); return ok }},
		{"sync.Map", func(k K) bool { _, ok := standard.Load(k); return ok }},
	} {
		for _, goroutines := range []int{1, 8} {
			b.Run(fmt.Sprintf("keys=%s/goroutines=%d/%s", name, goroutines, bench.name), func(b *testing.B) {
				b.ReportAllocs()
				run(b, goroutines, func(i int) {
					if !bench.get(trace[i&(len(trace)-1)]) {
						b.Error("miss")
					}
				})
			})
		}
	}
	if got := c.Stats().LoadsSucceeded; got != entries {
		b.Errorf("%d loads for %d entries: not every call was a hit", got, entries)
	}
}

// run shares b.N operations among goroutines, each with its own place in the trace.
func run(b *testing.B, goroutines int, op func(i int)) {
	var wg sync.WaitGroup
	b.ResetTimer()
	for g := range goroutines {
		wg.Go(func() {
			for i := range b.N / goroutines {
				op(i + g*7919)
			}
		})
	}
	wg.Wait()
}
