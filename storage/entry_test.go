package storage_test

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/storage"
)

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestEntryBoundariesAreInclusive(t *testing.T) {
	var (
		never       time.Time
		updateAfter = epoch.Add(time.Minute)
		expireAfter = epoch.Add(time.Hour)
		farAway     = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
		berlin      = time.FixedZone("CET", 3600)
	)
	tests := []struct {
		name           string
		update, expire time.Time
		now            time.Time
		stale, expired bool
	}{
		{"at creation", updateAfter, expireAfter, epoch, false, false},
		{"before creation", updateAfter, expireAfter, epoch.Add(-time.Hour), false, false},
		{"1 ns before update_after", updateAfter, expireAfter, updateAfter.Add(-1), false, false},
		{"exactly at update_after", updateAfter, expireAfter, updateAfter, true, false},
		{"the same instant in another zone", updateAfter, expireAfter, updateAfter.In(berlin), true, false},
		{"1 ns after update_after", updateAfter, expireAfter, updateAfter.Add(1), true, false},
		{"1 ns before expire_after", updateAfter, expireAfter, expireAfter.Add(-1), true, false},
		{"exactly at expire_after", updateAfter, expireAfter, expireAfter, true, true},
		{"1 ns after expire_after", updateAfter, expireAfter, expireAfter.Add(1), true, true},
		{"both at creation", epoch, epoch, epoch, true, true},
		{"never refreshed", never, expireAfter, expireAfter, false, true},
		{"never expires", updateAfter, never, farAway, true, false},
		{"neither, now", never, never, epoch, false, false},
		{"neither, far away", never, never, farAway, false, false},
		{"far deadlines, now", farAway, farAway, epoch, false, false},
		{"far deadlines, 1 ns before", farAway, farAway, farAway.Add(-1), false, false},
		{"far deadlines, reached", farAway, farAway, farAway, true, true},
		{"292 years ahead", epoch.Add(math.MaxInt64 - 1), epoch.Add(math.MaxInt64 - 1), epoch, false, false},
		{"the zero Time as now", updateAfter, expireAfter, time.Time{}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entry := storage.NewEntry("v", epoch, tt.update, tt.expire)
			if got := entry.Stale(tt.now); got != tt.stale {
				t.Errorf("Stale = %v, want %v", got, tt.stale)
			}
			if got := entry.Expired(tt.now); got != tt.expired {
				t.Errorf("Expired = %v, want %v", got, tt.expired)
			}
		})
	}
}

func TestEntryKeepsWhatItWasMadeOf(t *testing.T) {
	update, expire := epoch.Add(1), epoch.Add(2)
	entry := storage.NewEntry("v", epoch, update, expire)

	want := []any{"v", epoch, update, expire}
	got := []any{entry.Value, entry.Created(), entry.UpdateAfter(), entry.ExpireAfter()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("value, created, update_after, expire_after differ (-want +got):\n%s", diff)
	}

	eternal := storage.NewEntry("v", epoch, time.Time{}, time.Time{})
	if !eternal.UpdateAfter().IsZero() || !eternal.ExpireAfter().IsZero() {
		t.Errorf("deadlines %v and %v, want two zero Times", eternal.UpdateAfter(), eternal.ExpireAfter())
	}
}

func TestEntryAgeDoesNotJumpWithTheWallClock(t *testing.T) {
	started := time.Now()
	entry := storage.NewEntry("v", started, started.Add(time.Minute), started.Add(time.Hour))

	for _, wall := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		for _, tt := range []struct {
			passed         time.Duration
			stale, expired bool
		}{
			{time.Minute - 1, false, false},
			{time.Minute, true, false},
			{time.Hour - 1, true, false},
			{time.Hour, true, true},
		} {
			now := wallJump(t, started.Add(tt.passed), wall)
			if stale, expired := entry.Stale(now), entry.Expired(now); stale != tt.stale || expired != tt.expired {
				t.Errorf("%v after the start, with the wall clock put %v ahead: stale %v, expired %v, want %v, %v",
					tt.passed, wall, stale, expired, tt.stale, tt.expired)
			}
		}
	}

	// A time without a monotonic reading, from a file or another process, can only be compared by the wall clock.
	decoded := storage.NewEntry("v", started.Round(0), started.Add(time.Minute).Round(0), time.Time{})
	if !decoded.Stale(started.Add(time.Minute)) || decoded.Stale(started.Add(time.Minute-1)) {
		t.Error("an entry without monotonic readings is not stale from exactly update_after on")
	}
}

// wallJump returns the time that time.Now would give at t's monotonic reading if the wall clock had been put ahead by d.
// Nothing in package time can make such a value.
func wallJump(t *testing.T, at time.Time, d time.Duration) time.Time {
	t.Helper()
	jumped := at.Add(d)
	words := (*struct {
		wall      uint64
		monotonic int64
	})(unsafe.Pointer(&jumped))
	words.monotonic -= int64(d)
	if jumped.Sub(at) != 0 || jumped.Round(0).Sub(at.Round(0)) != d {
		t.Fatal("time.Time is laid out differently in this version of Go")
	}
	return jumped
}

func TestEntryEqual(t *testing.T) {
	now := time.Now()
	type entry = storage.Entry[[]string]
	base := func() *entry {
		return storage.NewEntry([]string{"a", "b"}, epoch, epoch.Add(1), epoch.Add(2))
	}
	marked := base()
	marked.Mark().Store(7)

	tests := []struct {
		name string
		a, b *entry
		want bool
	}{
		{"two alike", base(), base(), true},
		{"other mark", base(), marked, true},
		{"both nil", nil, nil, true},
		{"first nil", nil, base(), false},
		{"second nil", base(), nil, false},
		{"other value", base(), storage.NewEntry([]string{"a"}, epoch, epoch.Add(1), epoch.Add(2)), false},
		{"other created", base(), storage.NewEntry([]string{"a", "b"}, epoch.Add(1), epoch.Add(1), epoch.Add(2)), false},
		{"other update_after", base(), storage.NewEntry([]string{"a", "b"}, epoch, epoch, epoch.Add(2)), false},
		{"other expire_after", base(), storage.NewEntry([]string{"a", "b"}, epoch, epoch.Add(1), epoch.Add(1)), false},
		{"never against some time", base(), storage.NewEntry([]string{"a", "b"}, epoch, epoch.Add(1), time.Time{}), false},
		{
			"same instants in another zone", base(),
			storage.NewEntry([]string{"a", "b"}, epoch.Local(), epoch.Add(1).Local(), epoch.Add(2).Local()), true,
		},
		{
			"with and without monotonic reading",
			storage.NewEntry[[]string](nil, now, now, now),
			storage.NewEntry[[]string](nil, now.Round(0), now.Round(0), now.Round(0)), true,
		},
		{
			"nil and empty value",
			storage.NewEntry[[]string](nil, epoch, epoch, epoch),
			storage.NewEntry([]string{}, epoch, epoch, epoch), false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Equal(tt.b); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
			if got := tt.b.Equal(tt.a); got != tt.want {
				t.Errorf("Equal the other way round = %v, want %v", got, tt.want)
			}
			if diff := cmp.Diff(tt.a, tt.b); (diff == "") != tt.want {
				t.Errorf("cmp.Diff = %q, want it empty: %v", diff, tt.want)
			}
		})
	}
}

func TestMark(t *testing.T) {
	entry := storage.NewEntry(1, epoch, time.Time{}, time.Time{})
	mark := entry.Mark()
	if got := mark.Load(); got != 0 {
		t.Errorf("the mark of a new entry = %d, want 0", got)
	}
	mark.Store(3)
	if got := entry.Mark().Load(); got != 3 {
		t.Errorf("mark = %d, want the 3 that was stored", got)
	}
	if mark.CompareAndSwap(2, 5) || mark.Load() != 3 {
		t.Errorf("CompareAndSwap(2, 5) changed a mark of 3")
	}
	if !mark.CompareAndSwap(3, 5) || mark.Load() != 5 {
		t.Errorf("CompareAndSwap(3, 5) left the mark at %d", mark.Load())
	}

	var zero storage.Mark
	if !zero.CompareAndSwap(0, 1) || zero.Load() != 1 {
		t.Error("the zero Mark is not ready for use")
	}
}
