//go:build evidence

package explore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// Hits do not ask the registry, and so take no lock: neither fresh ones, nor stale ones whose load is under way.
func TestHitsDoNotAskTheRegistry(t *testing.T) {
	for name, updateAfter := range map[string]time.Duration{"fresh": cache.Forever, "stale": 0} {
		for sort, store := range map[string]storage.Storage[int, int]{"memory": storage.NewMemory[int, int](), "local": local{storage.NewMemory[int, int]()}} {
			t.Run(name+"/"+sort, func(t *testing.T) {
				var loads atomic.Int32
				gate, second := make(chan struct{}), make(chan struct{})
				c, err := cache.New(func(context.Context, int) (int, error) {
					if loads.Add(1) == 2 {
						close(second)
						<-gate
					}
					return 1, nil
				}, cache.WithStorage(store), cache.WithUpdateAfter(updateAfter))
				if err != nil {
					t.Fatal(err)
				}
				get := func() {
					if v, err := c.Get(t.Context(), 1); v != 1 || err != nil {
						t.Errorf("Get = %d, %v", v, err)
					}
				}
				get()
				if err := c.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				get()
				if updateAfter == 0 {
					<-second
				}

				var asked atomic.Int32
				hook.Set(func(point string) {
					if point == "registry" {
						asked.Add(1)
					}
				})
				defer hook.Set(nil)
				for range 100 {
					get()
				}
				if n := asked.Load(); n != 0 {
					t.Errorf("100 hits asked %d times", n)
				}
				hook.Set(nil)
				close(gate)
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// What takes the place of a stale entry, at whichever point of a call that has not registered its refresh yet, makes that needless. The
// life span is short, and hits are many: such a call reads the clock only once.
func TestEntryThatComesBesideAStaleHit(t *testing.T) {
	interrupted := 0
	for again := true; again; {
		again = false
		synctest.Test(t, func(t *testing.T) {
			loads, gate := 0, make(chan struct{}) // so that the points are all of the call
			c, err := cache.New(func(context.Context, int) (int, error) {
				<-gate
				loads++
				return 3, nil
			}, cache.WithUpdateAfter(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if err := c.Set(ctx, 1, 1); err != nil {
				t.Fatal(err)
			}
			for i := range 10_000 {
				if i > 9_800 { // which keeps the coarse reading
					time.Sleep(5 * time.Millisecond)
				}
				if v, err := c.Get(ctx, 1); v != 1 || err != nil {
					t.Fatalf("Get = %d, %v", v, err)
				}
			}
			time.Sleep(5 * time.Millisecond)

			left, inside := interrupted, false
			hook.Set(func(point string) {
				switch {
				case inside || point == "publish" || point == "lifecycle":
				case left > 0:
					left--
				default:
					inside, again = true, true
					if err := c.Set(ctx, 1, 2); err != nil {
						t.Error(err)
					}
				}
			})
			v, err := c.Get(ctx, 1)
			hook.Set(nil)
			close(gate)
			synctest.Wait()
			if want := map[bool]int{true: 2, false: 1}[again]; v != want || err != nil || loads != 2-want {
				t.Errorf("interrupted at point %d: Get = %d, %v, %d loads, want %d, %d loads", interrupted, v, err, loads, want, 2-want)
			}
			if err := c.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		interrupted++
	}
	if interrupted < 5 {
		t.Errorf("%d points, want those of two looks and of what is between them", interrupted-1)
	}
}

// local is a storage in process that is not one of ours.
type local struct{ storage.Storage[int, int] }

func (l local) Lookup(key int) *storage.Entry[int] {
	return l.Storage.(*storage.Memory[int, int]).Lookup(key)
}

// A Reconfigure that comes while Close is at its first step does not open the cache again.
func TestReconfigureAmidClose(t *testing.T) {
	c, err := cache.New(func(context.Context, int) (int, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	atWork, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hook.Set(func(point string) {
		if point == "lifecycle" {
			once.Do(func() { close(atWork); <-goOn })
		}
	})
	defer hook.Set(nil)
	closed := make(chan error)
	go func() { closed <- c.Close(context.Background()) }()
	<-atWork
	if err := c.Reconfigure(cache.WithName("again")); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("Reconfigure: %v", err)
	}
	close(goOn)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if v, err := c.Get(t.Context(), 1); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("Get of a closed cache = %d, %v", v, err)
	}
}
