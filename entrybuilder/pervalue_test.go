package entrybuilder_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/storage"
)

func TestPerValue(t *testing.T) {
	const forever = entrybuilder.Forever
	tests := []struct {
		name                   string
		update, expire         time.Duration
		wantUpdate, wantExpire time.Time
	}{
		{"usual", time.Minute, time.Hour, noon.Add(time.Minute), noon.Add(time.Hour)},
		{"0", 0, 0, noon, noon},
		{"negative update_after", -time.Minute, time.Hour, noon, noon.Add(time.Hour)},
		{"negative expire_after", time.Minute, -time.Hour, noon, noon},
		{"both negative", -1, -2, noon, noon},
		{"least negative", math.MinInt64, math.MinInt64, noon, noon},
		{"wrong order", time.Hour, time.Minute, noon.Add(time.Minute), noon.Add(time.Minute)},
		{"never refreshed, but expires", forever, time.Minute, noon.Add(time.Minute), noon.Add(time.Minute)},
		{"never expires", time.Minute, forever, noon.Add(time.Minute), never},
		{"neither", forever, forever, never, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			builder := entrybuilder.PerValue(func(key string, value int) (time.Duration, time.Duration) {
				if key != "k" || value != 42 {
					t.Errorf("the function got %q and %d, want \"k\" and 42", key, value)
				}
				return tt.update, tt.expire
			})
			got := builder.Build(noon, "k", 42)
			if diff := cmp.Diff(storage.NewEntry(42, noon, tt.wantUpdate, tt.wantExpire), got); diff != "" {
				t.Errorf("entry differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPerValueOfNil(t *testing.T) {
	got := entrybuilder.PerValue[string, int](nil).Build(noon, "k", 42)
	if diff := cmp.Diff(storage.NewEntry(42, noon, noon, noon), got); diff != "" {
		t.Errorf("entry differs (-want +got):\n%s", diff)
	}
}
