package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Hits on entries whose deadlines are always near would ask a coarse reading in vain.
func TestShortLifeSpansReadTheClockExactly(t *testing.T) {
	for updateAfter, coarse := range map[time.Duration]bool{time.Second: false, time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			c, err := New(func(context.Context, int) (int, error) { return 0, nil }, WithExpireAfter(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Reconfigure(WithUpdateAfter(updateAfter)); err != nil {
				t.Fatal(err)
			}
			for range 1000 { // a burst that starts a coarse reading
				if _, err := c.Get(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			e := c.engine.(*engine[int, int, int])
			if got := e.settings.Load().clock.Bound() != nil; got != coarse {
				t.Errorf("update_after %v: a coarse reading: %v, want %v", updateAfter, got, coarse)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
