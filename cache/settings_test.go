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
		coarse  bool
	}{
		"long life span":  {nil, true},
		"short life span": {[]Option{WithUpdateAfter(time.Second)}, false},
		"remote storage":  {[]Option{WithStorage[int, int](remote{storage.NewMemory[int, int]()})}, false},
		"local storage":   {[]Option{WithStorage[int, int](local{storage.NewMemory[int, int]()})}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, err := New(func(context.Context, int) (int, error) { return 0, nil }, WithUpdateAfter(time.Hour), WithExpireAfter(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Reconfigure(tt.options...); err != nil {
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
			e := c.engine.(*engine[int, int, int])
			if got := e.settings.Load().clock.Bound() != nil; got != tt.coarse {
				t.Errorf("%s: a coarse reading: %v, want %v", name, got, tt.coarse)
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
