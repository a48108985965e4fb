//go:build evidence

package parallel_test

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/hook"
)

// On a Memory a Get that begins when a Refresh has returned gets the value of that load or of a
// later one, also if the later one has ended before the first could be written.
func TestGetAfterRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer hook.Set(nil)
		release := []chan struct{}{nil, nil, make(chan struct{}), make(chan struct{}), nil}
		var mu sync.Mutex
		second := "" // goroutine of the second load
		loads := 0
		c, err := cache.New(func(context.Context, string) (int, error) {
			mu.Lock()
			loads++
			n := loads
			if n == 2 {
				second = goroutine()
			}
			mu.Unlock()
			if release[n] != nil {
				<-release[n]
			}
			return n, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		forced := func() chan int {
			got := make(chan int, 1)
			go func() {
				v, err := c.Refresh(t.Context(), "k")
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
			synctest.Wait()
			return got
		}
		if v, err := c.Get(t.Context(), "k"); v != 1 || err != nil {
			t.Fatal(v, err)
		}
		two, three := forced(), forced()

		// The second load is held before it looks whether its value is still the newest. The third
		// one ends, and is held before it writes its own.
		looks, writes := make(chan struct{}), make(chan struct{})
		points := 0
		hook.Set(func(point string) {
			mu.Lock()
			isSecond := goroutine() == second
			if isSecond && point == "registry" {
				points++
			}
			third := points == 3 && isSecond && point == "registry" // Claim, Await, Newest
			mu.Unlock()
			switch {
			case third:
				<-looks
			case !isSecond && point == "memory":
				<-writes
			}
		})
		close(release[2])
		synctest.Wait()
		close(release[3])
		synctest.Wait()
		close(looks)
		synctest.Wait()
		select {
		case v := <-two:
			hook.Set(nil)
			if got, err := c.Get(t.Context(), "k"); got < v || err != nil {
				t.Errorf("Refresh has returned %d, then Get returns %d, %v", v, got, err)
			}
		default:
			// It waits until the newer value is written.
		}
		close(writes)
		<-three
	})
}

// goroutine returns the number of the calling goroutine.
func goroutine() string {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	return string(bytes.Fields(buf)[1])
}
