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
