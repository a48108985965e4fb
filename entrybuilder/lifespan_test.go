package entrybuilder_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/storage"
)

var (
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	never time.Time
)

func newLifespan(t *testing.T, updateAfter, expireAfter time.Duration) *entrybuilder.Lifespan[string, int] {
	t.Helper()
	lifespan, err := entrybuilder.NewLifespan[string, int](updateAfter, expireAfter)
	if err != nil {
		t.Fatal(err)
	}
	return lifespan
}

func TestLifespanBuild(t *testing.T) {
	const almostForever = entrybuilder.Forever - 1
	lastInstant := time.Unix(math.MaxInt64-62135596800, 999999999)

	tests := []struct {
		name                   string
		started                time.Time
		update, expire         time.Duration
		wantUpdate, wantExpire time.Time
	}{
		{"usual", noon, 10 * time.Minute, 30 * time.Minute, noon.Add(10 * time.Minute), noon.Add(30 * time.Minute)},
		{"equal", noon, time.Hour, time.Hour, noon.Add(time.Hour), noon.Add(time.Hour)},
		{"stale at once", noon, 0, time.Hour, noon, noon.Add(time.Hour)},
		{"expired at once", noon, 0, 0, noon, noon},
		{"1 ns", noon, 1, 2, noon.Add(1), noon.Add(2)},
		{"never expires", noon, time.Hour, entrybuilder.Forever, noon.Add(time.Hour), never},
		{"never refreshed", noon, entrybuilder.Forever, entrybuilder.Forever, never, never},
		{"almost for ever", noon, time.Hour, almostForever, noon.Add(time.Hour), noon.Add(almostForever)},
		{"a deadline past the range of Time", lastInstant.Add(-time.Hour), time.Hour, time.Hour + 1, lastInstant, never},
		{"both past the range of Time", lastInstant, time.Second, almostForever, never, never},
		{"0 at the zero Time", time.Time{}, 0, time.Hour, time.Time{}.Add(-1), time.Time{}.Add(time.Hour)},
		{"deadline at the zero Time", time.Time{}.Add(-time.Hour), 0, time.Hour, time.Time{}.Add(-time.Hour), time.Time{}.Add(-1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newLifespan(t, tt.update, tt.expire).Build(tt.started, "k", 42)
			if diff := cmp.Diff(storage.NewEntry(42, tt.started, tt.wantUpdate, tt.wantExpire), got); diff != "" {
				t.Errorf("entry differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifespanRefusesBadFigures(t *testing.T) {
	tests := []struct {
		name           string
		update, expire time.Duration
		want           string
	}{
		{"negative update_after", -time.Second, time.Minute, "entrybuilder: negative update_after -1s"},
		{"negative expire_after", 0, -1, "entrybuilder: negative expire_after -1ns"},
		{"least negative", math.MinInt64, time.Minute, "entrybuilder: negative update_after -2562047h47m16.854775808s"},
		{"both negative", -2, -1, "entrybuilder: negative update_after -2ns"},
		{"wrong order", 2 * time.Minute, time.Minute, "entrybuilder: update_after 2m0s is greater than expire_after 1m0s"},
		{"wrong order by 1 ns", 1, 0, "entrybuilder: update_after 1ns is greater than expire_after 0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lifespan, err := entrybuilder.NewLifespan[string, int](tt.update, tt.expire)
			if lifespan != nil || err == nil || err.Error() != tt.want {
				t.Errorf("NewLifespan = %v, %v, want nil, %q", lifespan, err, tt.want)
			}

			lifespan = newLifespan(t, time.Minute, time.Hour)
			if err := lifespan.Update(tt.update, tt.expire); err == nil || err.Error() != tt.want {
				t.Errorf("Update = %v, want %q", err, tt.want)
			}
			if update, expire := lifespan.Figures(); update != time.Minute || expire != time.Hour {
				t.Errorf("after a refused Update the figures are %v and %v, want 1m0s and 1h0m0s", update, expire)
			}
		})
	}
}

func TestLifespanUpdateHoldsForNewEntriesOnly(t *testing.T) {
	lifespan := newLifespan(t, time.Minute, time.Hour)
	before := lifespan.Build(noon, "k", 1)
	if err := lifespan.Update(2*time.Minute, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	after := lifespan.Build(noon, "k", 1)

	if diff := cmp.Diff(storage.NewEntry(1, noon, noon.Add(time.Minute), noon.Add(time.Hour)), before); diff != "" {
		t.Errorf("the entry built before differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(storage.NewEntry(1, noon, noon.Add(2*time.Minute), noon.Add(2*time.Hour)), after); diff != "" {
		t.Errorf("the entry built after differs (-want +got):\n%s", diff)
	}
	if update, expire := lifespan.Figures(); update != 2*time.Minute || expire != 2*time.Hour {
		t.Errorf("Figures = %v, %v, want 2m0s, 2h0m0s", update, expire)
	}
}

// Every pair that is ever set has expire_after = 60 * update_after; a mixture of two has not.
func TestLifespanUpdateIsAtomic(t *testing.T) {
	lifespan := newLifespan(t, 1, 60)
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for i := range 2000 {
				d := time.Duration(1 + g + 2*i)
				if err := lifespan.Update(d, 60*d); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for range 2000 {
				entry := lifespan.Build(noon, "k", 1)
				update, expire := entry.UpdateAfter().Sub(noon), entry.ExpireAfter().Sub(noon)
				if expire != 60*update {
					t.Errorf("an entry lives %v and %v, which were never set together", update, expire)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestZeroLifespan(t *testing.T) {
	var lifespan entrybuilder.Lifespan[string, int]
	if diff := cmp.Diff(storage.NewEntry(1, noon, noon, noon), lifespan.Build(noon, "k", 1)); diff != "" {
		t.Errorf("entry differs (-want +got):\n%s", diff)
	}
}

func TestDeadlinesKeepTheMonotonicReading(t *testing.T) {
	started := time.Now()
	entry := newLifespan(t, time.Minute, time.Hour).Build(started, "k", 1)

	// == tells what Equal does not: whether the monotonic reading is there.
	if got := entry.Created(); got != started {
		t.Errorf("created = %v, want %v", got, started)
	}
	if got, want := entry.UpdateAfter(), started.Add(time.Minute); got != want {
		t.Errorf("update_after = %v, want %v", got, want)
	}
	if got, want := entry.ExpireAfter(), started.Add(time.Hour); got != want {
		t.Errorf("expire_after = %v, want %v", got, want)
	}
}

// Whatever the figures and wherever the clock stands: an entry turns stale and expires when its age
// reaches the figure, not a nanosecond earlier or later, and Forever never does.
func TestBuildersKeepTheirWord(t *testing.T) {
	figure := rapid.OneOf(
		rapid.Int64Range(0, int64(time.Hour)),
		rapid.Int64Min(0),
		rapid.SampledFrom([]int64{0, 1, math.MaxInt64 - 1, math.MaxInt64}),
	)
	rapid.Check(t, func(t *rapid.T) {
		update, expire := time.Duration(figure.Draw(t, "update_after")), time.Duration(figure.Draw(t, "expire_after"))
		if update > expire {
			update, expire = expire, update
		}
		started := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		if rapid.Bool().Draw(t, "monotonic") {
			started = time.Now().Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "offset")))
		}

		lifespan, err := entrybuilder.NewLifespan[string, int](update, expire)
		if err != nil {
			t.Fatal(err)
		}
		perValue := entrybuilder.PerValue(func(string, int) (time.Duration, time.Duration) { return update, expire })
		for _, builder := range []entrybuilder.Builder[string, int]{lifespan, perValue} {
			entry := builder.Build(started, "k", 7)
			if entry.Value != 7 || entry.Created() != started {
				t.Fatalf("%T: value %v, created %v, want 7, %v", builder, entry.Value, entry.Created(), started)
			}
			for _, deadline := range []struct {
				name    string
				d       time.Duration
				reached func(time.Time) bool
			}{{"update_after", update, entry.Stale}, {"expire_after", expire, entry.Expired}} {
				if deadline.d == entrybuilder.Forever {
					if deadline.reached(started.Add(math.MaxInt64).Add(math.MaxInt64)) {
						t.Errorf("%T: %s Forever was reached", builder, deadline.name)
					}
					continue
				}
				at := started.Add(deadline.d)
				if !deadline.reached(at) {
					t.Errorf("%T: %s is not reached at the age of %v", builder, deadline.name, deadline.d)
				}
				if deadline.reached(at.Add(-1)) {
					t.Errorf("%T: %s is reached 1 ns before the age of %v", builder, deadline.name, deadline.d)
				}
			}
		}
	})
}
