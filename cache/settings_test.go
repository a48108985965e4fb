package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Where deadlines are always near, and where hits have to ask the storage, a coarse reading would be of no use.
func TestClockIsReadExactly(t *testing.T) {
	for name, tt := range map[string]struct {
		options []Option
		bound   bool
		moment  bool
	}{
		"long life span":  {nil, true, true},
		"short life span": {[]Option{WithUpdateAfter(time.Second)}, false, true},
		"remote storage":  {[]Option{WithStorage[int, int](remote{storage.NewMemory[int, int]()})}, false, false},
		"local storage":   {[]Option{WithStorage[int, int](local{storage.NewMemory[int, int]()})}, true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, err := New(func(context.Context, int) (int, error) { return 0, nil }, WithUpdateAfter(time.Hour), WithExpireAfter(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			for _, options := range [][]Option{nil, tt.options} {
				if err := c.Reconfigure(options...); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Get(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				if err := c.Wait(t.Context()); err != nil { // until the entry is written
					t.Fatal(err)
				}
				for range 1000 { // a burst that starts a coarse reading
					if _, err := c.Get(t.Context(), 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			clock := c.engine.(*engine[int, int, int]).settings.Load().clock
			if bound, moment := clock.Bound() != nil, clock.Moment() != (storage.Moment{}); bound != tt.bound || moment != tt.moment {
				t.Errorf("%s: a bound: %v, want %v; a moment: %v, want %v", name, bound, tt.bound, moment, tt.moment)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// remote has to be asked through Get, local is not ours.
type (
	remote struct{ storage.Storage[int, int] }
	local  struct{ *storage.Memory[int, int] }
)
