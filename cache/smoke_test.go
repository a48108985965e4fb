package cache_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
)

type remote[K comparable, V any] struct {
	m     *storage.Memory[K, V]
	delay time.Duration
	gets  int
}

func (r *remote[K, V]) Get(ctx context.Context, k K) (*storage.Entry[V], error) {
	r.gets++
	time.Sleep(r.delay)
	return r.m.Get(ctx, k)
}
func (r *remote[K, V]) Offer(ctx context.Context, k K, e *storage.Entry[V]) error {
	time.Sleep(r.delay)
	return r.m.Offer(ctx, k, e)
}
func (r *remote[K, V]) Release(ctx context.Context, k K) error    { return r.m.Release(ctx, k) }
func (r *remote[K, V]) Invalidate(ctx context.Context, k K) error { return r.m.Invalidate(ctx, k) }

func TestSmoke(t *testing.T) {
	for name, opts := range map[string][]cache.Option{
		"memory": nil,
		"remote": {cache.WithStorage(&remote[string, int]{m: storage.NewMemory[string, int](), delay: time.Millisecond})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := clockwork.NewFakeClock()
				var mu sync.Mutex
				loads := 0
				c, err := cache.New(func(ctx context.Context, k string) (int, error) {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					loads++
					return loads, nil
				}, append(opts, cache.WithClock(clock), cache.WithStats(), cache.WithCapacity(2))...)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for range 1000 {
					wg.Go(func() {
						if v, err := c.Get(t.Context(), "a"); v != 1 || err != nil {
							t.Error(v, err)
						}
					})
				}
				wg.Wait()
				c.Wait(t.Context())
				clock.Advance(11 * time.Minute)
				v, err := c.Get(t.Context(), "a")
				t.Log(v, err)
				c.Wait(t.Context())
				v, err = c.Get(t.Context(), "a")
				t.Log(v, err)
				v, err = c.Refresh(t.Context(), "a")
				t.Log(v, err)
				c.Wait(t.Context())
				for _, k := range []string{"b", "c", "d"} {
					c.Get(t.Context(), k)
				}
				c.Wait(t.Context())
				t.Log(c.Invalidate(t.Context(), "d"), c.InvalidateAll(t.Context()))
				t.Log(c.Set(t.Context(), "x", 7))
				v, err = c.Get(t.Context(), "x")
				t.Log(v, err)
				t.Logf("%+v", c.Stats())
				t.Log(c.Close(t.Context()))
			})
		})
	}
}

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
