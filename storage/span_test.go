package storage

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A span tells the very instants that it was made of, and compares as they do.
func TestSpanKeepsItsInstants(t *testing.T) {
	zones := []*time.Location{time.UTC, time.Local, time.FixedZone("", 3600)}
	rapid.Check(t, func(t *rapid.T) {
		anInstant := func(name string) time.Time {
			switch rapid.IntRange(0, 5).Draw(t, name) {
			case 0:
				return time.Time{}
			case 1: // with a monotonic reading
				return time.Now().Add(time.Duration(rapid.Int64().Draw(t, "offset")))
			case 2: // far away
				return time.Unix(rapid.Int64Range(-1<<45, 1<<45).Draw(t, "seconds"), 0)
			case 3:
				return time.Unix(0, rapid.Int64().Draw(t, "nanoseconds")).In(zones[rapid.IntRange(0, 2).Draw(t, "zone")])
			default:
				return time.Date(2026, 1, 1, 12, 0, rapid.IntRange(0, 100).Draw(t, "second"), 0, time.UTC)
			}
		}
		times := [instants]time.Time{anInstant("created"), anInstant("update_after"), anInstant("expire_after")}
		s := NewEntry(0, times[0], times[1], times[2]).span
		compact := s
		compact.compact()
		for i, want := range times {
			if got := s.instant(i); got != want {
				t.Fatalf("instant %d = %v, want %v", i, got, want)
			}
			got := compact.instant(i)
			exact := isMonotonic(want) || !isMonotonic(times[created]) // else it is too far for a monotonic reading
			if off := got.Round(0).Sub(want.Round(0)); exact && !got.Equal(want) || off < -time.Microsecond || off > time.Microsecond {
				t.Fatalf("compact: instant %d = %v, want %v", i, got, want)
			}
			if i == created {
				continue
			}
			for _, now := range []time.Time{want, want.Add(-1), want.Add(1), anInstant("now"), want.Add(math.MaxInt64), time.Now()} {
				reached := !want.IsZero() && !now.Before(want)
				if s.reached(i, now) != reached {
					t.Fatalf("instant %d, %v, is reached at %v: %v, want %v", i, want, now, !reached, reached)
				}
				m := At(now, now)
				if isMonotonic(want) == isMonotonic(now) && compact.reached(i, now) && compact.after(&m) {
					t.Fatalf("instant %d, %v, is surely after %v", i, want, now)
				}
				if isMonotonic(want) == isMonotonic(now) && compact.between(&m) && compact.reached(i, now) != (i == updateAfter) {
					t.Fatalf("instant %d, %v, reached at %v: %v, which is surely between both", i, want, now, compact.reached(i, now))
				}
			}
		}
	})
}

// A moment has an instant for each deadline.
func TestMomentOfTwoInstants(t *testing.T) {
	var now time.Time
	var entry *Entry[int]
	for entry == nil || entry.span.from != monotonic.current.Load() { // the clocks of now were read far apart
		now = time.Now()
		entry = NewMemory[int, int]().Put(0, NewEntry(0, now, now.Add(1000), now.Add(3000)))
	}
	for _, tt := range []struct {
		update, expire time.Duration
		fresh          bool
	}{{999, 2999, true}, {1000, 2999, false}, {999, 3000, false}} {
		m := At(now.Add(tt.update), now.Add(tt.expire))
		if got := entry.SurelyFresh(&m); got != tt.fresh {
			t.Errorf("surely fresh at %v and %v: %v, want %v", tt.update, tt.expire, got, tt.fresh)
		}
		if sum := At(now, now); sum.Add(tt.update, tt.expire) != m {
			t.Errorf("Add(%v, %v) = %v, want %v", tt.update, tt.expire, sum.Add(tt.update, tt.expire), m)
		}
	}
}

// Entries are stamped with a moment that tells the wall clock as well as the monotonic one, and only with such a one.
func TestMomentStamps(t *testing.T) {
	memory, now := NewMemory[int, int](), time.Now()
	wallOff := func(d time.Duration) Moment {
		return Moment{from: &origin{at: now, wall: now.Add(d).UnixNano()}, update: 1, expire: 2}
	}
	for _, tt := range []struct {
		name string
		m    Moment
		want bool
	}{
		{"both clocks agree", wallOff(0), true},
		{"to the microsecond", wallOff(time.Microsecond), true},
		{"not to the microsecond", wallOff(time.Microsecond + 1), false},
		{"the wall clock was set", wallOff(-time.Hour), false},
		{"none", Moment{}, false},
	} {
		if got := tt.m.Stamps(now.Add(1)); got != tt.want {
			t.Errorf("%s: stamps %v, want %v", tt.name, got, tt.want)
		}
	}

	at := wallOff(0)
	record, ok := memory.NewRecord(0, 0, now.Add(1), at, time.Minute, math.MaxInt64)
	if e := record.Entry(); !ok || e.span.from != at.from || e.Created() != now.Add(1) ||
		e.UpdateAfter() != now.Add(1+time.Minute) || !e.ExpireAfter().IsZero() {
		t.Errorf("created %v, updated %v, expires %v, want %v, a minute later, never", e.Created(), e.UpdateAfter(), e.ExpireAfter(), now.Add(1))
	}
	if _, ok := memory.NewRecord(0, 0, now.Add(1), at, time.Minute, math.MaxInt64-1); ok {
		t.Error("a record of an instant that is too far away")
	}
}

// Entries that a Memory holds count from one instant, though no two clocks are read at the same
// time: it takes no memory of their own. One whose clocks were read far apart, because the system ran
// something else in between, is an exception.
func TestCompactSpansShareTheirOrigin(t *testing.T) {
	memory := NewMemory[int, int]()
	spans := map[*origin]bool{}
	for key := range 100 {
		now := time.Now()
		spans[memory.Put(key, NewEntry(0, now, now.Add(time.Hour), now.Add(time.Hour))).span.from] = true
	}
	if len(spans) > 20 {
		t.Errorf("100 entries count from %d instants", len(spans))
	}
}

// One Time whose two clocks were not read at once has an origin of its own; two that agree show
// that a clock was set, and the next ones count from them.
func TestOriginSurvivesAnOutlier(t *testing.T) {
	var s origins
	find := func(t time.Time) *origin {
		o, _ := s.find(t)
		return o
	}
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	first := find(noon)
	if got := find(noon.Add(time.Minute)); got != first {
		t.Errorf("a minute later: %v", got.at)
	}
	outlier := noon.In(time.FixedZone("", 3600))
	other := find(outlier)
	for range 3 {
		if other == first || find(noon.Add(time.Hour)) != first {
			t.Error("one outlier at a time has replaced the origin")
		}
		other = find(outlier)
	}
	if got := find(outlier.Add(time.Second)); got != other || find(outlier.Add(time.Hour)) != other {
		t.Error("two that agree have not replaced it")
	}
}

// Instants that lie too far apart for a difference stay what they are.
func TestCompactAcrossCenturies(t *testing.T) {
	memory := NewMemory[int, int]()
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	for i, y := range []int{1700, 2090, 1991, 2090, 2090, 1991, 1700, 1700, 2090, 1991} {
		entry := memory.Put(i, NewEntry(i, year(y), year(y), year(y)))
		if !entry.Created().Equal(year(y)) || !entry.ExpireAfter().Equal(year(y)) || !entry.Expired(year(y)) || entry.Fresh(year(y)) {
			t.Errorf("%d: created %v, expires %v", y, entry.Created(), entry.ExpireAfter())
		}
	}
}

func TestZeroEntryIsFreshForEver(t *testing.T) {
	var e Entry[int]
	now := time.Now()
	m, none := At(now, now), Moment{}.Add(-1, -1)
	if e.SurelyFresh(&none) || e.SurelyStale(&none) || e.SurelyStale(&m) {
		t.Error("the zero entry is surely stale, or surely fresh at no moment")
	}
	if e.Stale(now) || e.Expired(now) || !e.Fresh(now) || !e.Created().IsZero() || !e.ExpireAfter().IsZero() || e.SurelyFresh(&m) {
		t.Errorf("the zero entry: stale %v, expired %v, created %v", e.Stale(now), e.Expired(now), e.Created())
	}
}
