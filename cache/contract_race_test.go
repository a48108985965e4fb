package cache_test

import (
	"context"
	"sync"
	"testing"

	"github.com/memoize-go/memoize/cache"
)

// Calls that come to a flight just as it starts look at it without getting in each other's way. This is for the race detector.
func TestFlightsStartBesideCalls(t *testing.T) {
	const goroutines, calls = 4, 500
	for _, sort := range sorts {
		for name, call := range map[string]func(c *cache.Cache[string, int]) error{
			"Get":     func(c *cache.Cache[string, int]) error { _, err := c.Get(context.Background(), "k"); return err },
			"Refresh": func(c *cache.Cache[string, int]) error { _, err := c.Refresh(context.Background(), "k"); return err },
		} {
			t.Run(string(sort)+"/"+name, func(t *testing.T) {
				opts := []cache.Option{cache.WithUpdateAfter(0), cache.WithExpireAfter(0)} // every call needs a load
				switch sort {
				case inLocal:
					opts = append(opts, cache.WithStorage(newLocalStorage[string, int]()))
				case inRemote:
					opts = append(opts, cache.WithStorage(newRemoteStorage[string, int]()))
				}
				c := open(t, func(context.Context, string) (int, error) { return 1, nil }, opts...)
				var wg sync.WaitGroup
				for g := range goroutines {
					wg.Go(func() {
						for range calls {
							if g%2 == 0 {
								get(t, c, "k", 1)
							} else if err := call(c); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				if err := c.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
