package cache

import (
	"sync"
	"testing"
)

func TestCounterLosesNothing(t *testing.T) {
	const goroutines, each = 50, 2000
	c := newCounter()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				c.inc()
			}
		})
	}
	wg.Wait()
	if got := c.value(); got != goroutines*each {
		t.Errorf("counted %d, want %d", got, goroutines*each)
	}
}

func TestCounterDoesNotAllocate(t *testing.T) {
	c := newCounter()
	if n := testing.AllocsPerRun(100, c.inc); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
