package cache_test

import (
	"context"
	"testing"

	"github.com/memoize-go/memoize/cache"
)

func BenchmarkHit(b *testing.B) {
	c, _ := cache.New(func(ctx context.Context, k string) (int, error) { return 1, nil })
	ctx := context.Background()
	c.Get(ctx, "a")
	b.ReportAllocs()
	for b.Loop() {
		c.Get(ctx, "a")
	}
}

func BenchmarkMiss(b *testing.B) {
	c, _ := cache.New(func(ctx context.Context, k int) (int, error) { return 1, nil })
	ctx := context.Background()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		c.Get(ctx, i)
	}
}

// BenchmarkStaleHit measures hits on one stale entry from all processors while its successor is being loaded.
func BenchmarkStaleHit(b *testing.B) {
	loaded, gate := false, make(chan struct{})
	c, err := cache.New(func(ctx context.Context, k string) (int, error) {
		if loaded {
			<-gate
		}
		loaded = true
		return 1, nil
	}, cache.WithUpdateAfter(0))
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	c.Get(ctx, "a")
	c.Get(ctx, "a")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Get(ctx, "a")
		}
	})
	close(gate)
	if err := c.Close(ctx); err != nil {
		b.Error(err)
	}
}
