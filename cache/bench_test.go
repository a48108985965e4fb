package cache_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
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

// asked is a storage that has to be asked, and not looked into.
type asked struct{ storage.Storage[string, int] }

// BenchmarkStampede measures 1,000 new goroutines that ask at once for a key that is not there, and can leave with their ctx, while its
// load waits for all of them.
func BenchmarkStampede(b *testing.B) {
	const callers = 1000
	for name, s := range map[string]storage.Storage[string, int]{
		"local":  storage.NewMemory[string, int](),
		"remote": asked{storage.NewMemory[string, int]()},
	} {
		b.Run("storage="+name, func(b *testing.B) {
			var gate atomic.Pointer[chan struct{}]
			c, err := cache.New(func(context.Context, string) (int, error) {
				<-*gate.Load()
				return 1, nil
			}, cache.WithStorage(s))
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				closed := make(chan struct{})
				gate.Store(&closed)
				key := strconv.Itoa(i)
				var started atomic.Int64
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						started.Add(1)
						if _, err := c.Get(ctx, key); err != nil {
							b.Error(err)
						}
					})
				}
				for started.Load() < callers {
					runtime.Gosched()
				}
				close(closed)
				wg.Wait()
			}
			if err := c.Close(ctx); err != nil {
				b.Error(err)
			}
		})
	}
}
