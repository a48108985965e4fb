//go:build evidence

package leaks_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/memoize-go/memoize/cache"
)

// A key that was evicted while its refresh was running, which then fails, needs no backoff: there is
// nothing to refresh.
func TestBackoffOfAnEvictedKey(t *testing.T) {
	for _, name := range []string{"local", "remote"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				var loads [n + 1]atomic.Int64
				fail := make(chan struct{})
				c := openFake(t, func(ctx context.Context, key int) ([]byte, error) {
					if loads[key].Add(1) == 1 {
						return kilobyte(ctx, key)
					}
					<-fail
					return nil, errBackend
				}, cache.WithStorage(stores[name]()), cache.WithCapacity(1), cache.WithUpdateAfter(0), cache.WithRefreshBackoff(cache.Forever))
				for key := range n {
					for range 2 { // the second one is a stale hit, which begins a load
						if _, err := c.Get(t.Context(), key); err != nil {
							t.Error(err)
						}
						synctest.Wait()
					}
				}
				if _, err := c.Get(t.Context(), n); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				close(fail)
				if err := c.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				if left := inProgress(c.Cache); left > 1 {
					t.Errorf("the registry has something about %d keys, but there is one entry", left)
				}
			})
		})
	}
}
