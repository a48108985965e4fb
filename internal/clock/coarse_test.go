package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// A reading whose timer never fires again, because it belongs to a synctest bubble that is over, is ended by the first look at the clock.
func TestLostReadingIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		taken time.Duration // from now
		ended bool
	}{
		"long ago":      {-time.Hour, true},
		"in the future": {time.Hour, true},
		"just now":      {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := Default()
			s.coarse.current.Store(newReading(time.Now().Add(tt.taken)))
			s.Now()
			if ended := s.coarse.current.Load() == nil; ended != tt.ended {
				t.Errorf("ended: %v, want %v", ended, tt.ended)
			}
		})
	}
}

// While the timer is held up, a bound that is older than its margin for refreshing still tells what has expired.
func TestHeldUpReading(t *testing.T) {
	old := time.Now().Add(-Margin - ExpiryMargin/2) // when it was taken
	entry := func(update, expire time.Duration) *storage.Entry[int] {
		return storage.NewMemory[int, int]().Put(0, storage.NewEntry(0, old, old.Add(update), old.Add(expire)))
	}
	entry(0, 0) // from now on, all entries and moments count from the same instant
	r := newReading(old)
	for name, tt := range map[string]struct {
		entry *storage.Entry[int]
		fresh bool
	}{
		"expired since":  {entry(Margin+1, ExpiryMargin), false},
		"stale at first": {entry(Margin, ExpiryMargin+1), false},
		"far from both":  {entry(Margin+1, ExpiryMargin+1), true},
	} {
		if got := tt.entry.SurelyFresh(&r.Moment); got != tt.fresh {
			t.Errorf("%s: surely fresh: %v, want %v", name, got, tt.fresh)
		}
		if got := !tt.entry.Stale(r.Update) && !tt.entry.Expired(r.Expire); got != tt.fresh {
			t.Errorf("%s: fresh by the bounds: %v, want %v", name, got, tt.fresh)
		}
	}
}

// A timer that comes late ends its reading though that is in use, and so does an exact reading that comes before the timer. Then
// every reading is exact for a while, however many there are.
func TestLateTimerMakesReadingsExact(t *testing.T) {
	for name, notice := range map[string]func(s *Source, r *Reading){
		"the timer":        func(s *Source, r *Reading) { s.coarse.tick(r) },
		"an exact reading": func(s *Source, _ *Reading) { s.Now() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Default()
				r := newReading(time.Now())
				s.coarse.current.Store(r)
				s.Bound()
				time.Sleep(Margin + 1) // for which no timer has been set
				notice(s, r)
				for elapsed := time.Duration(0); elapsed < calm; elapsed += calm / 4 {
					for range 4 * burst {
						s.Read()
					}
					if s.Bound() != nil {
						t.Fatalf("a bound after %v", elapsed)
					}
					time.Sleep(calm / 4)
				}
				for range 4 * burst {
					s.Read()
				}
				if s.Bound() == nil {
					t.Error("no bound when it has been calm again")
				}
			})
		})
	}
}

// A timer that is a little late goes on.
func TestTolerableTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Default()
		r := newReading(time.Now())
		s.coarse.current.Store(r)
		s.Bound()
		time.Sleep(Interval + tolerated)
		s.coarse.tick(r)
		if next := s.Bound(); next == nil || next == r {
			t.Error("the reading was not renewed")
		}
	})
}

// If the wall clock was set back, nobody waits until it has come so far again.
func TestCalmEndsWhenTheClockIsSet(t *testing.T) {
	s := Default()
	s.coarse.resume.Store(time.Now().Add(time.Hour).UnixNano())
	for range 4 * burst {
		s.Read()
	}
	if s.Bound() == nil {
		t.Error("no bound")
	}
}

// A timer that comes so late that its reading has been replaced does not go on beside the timer of the other one.
func TestLateTimerEnds(t *testing.T) {
	s := Default()
	lost, current := newReading(time.Now()), newReading(time.Now())
	lost.used.Store(true)
	current.used.Store(true)
	s.coarse.current.Store(current)
	s.coarse.tick(lost)
	if s.coarse.current.Load() != current {
		t.Error("it has replaced the reading of another timer")
	}
}

// While there is a reading, nobody counts towards another one.
func TestMissedBesideAReading(t *testing.T) {
	s := Default()
	s.coarse.current.Store(newReading(time.Now()))
	for range 3 * burst {
		s.Read()
	}
	if n := s.coarse.readings.Load(); n != 0 {
		t.Errorf("%d readings were counted", n)
	}
}

// Beside a reading, Now is the monotonic clock's, and the wall clock's as it was.
func TestNowBesideAReading(t *testing.T) {
	s := Default()
	s.coarse.current.Store(newReading(steady()))
	for range 1000 {
		before := time.Now()
		now, ok := s.coarse.now()
		after := time.Now()
		if !ok {
			t.Fatal("the reading is of no use")
		}
		if now.Before(before) || now.After(after) {
			t.Fatalf("now = %v, want between %v and %v", now, before, after)
		}
		const tolerance = time.Second // somebody may set the wall clock meanwhile, but not by much
		if wall := now.Round(0); wall.Before(before.Round(0).Add(-tolerance)) || wall.After(after.Round(0).Add(tolerance)) {
			t.Fatalf("by the wall clock now = %v, want between %v and %v", wall, before, after)
		}
	}
}

func TestNowInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Default()
		s.coarse.current.Store(newReading(time.Now()))
		for range 3 {
			time.Sleep(Interval / 3)
			if got, want := s.Now(), time.Now(); got != want {
				t.Errorf("Now = %v, want %v", got, want)
			}
		}
	})
}

// What is read in one go agrees with what is read after it.
func TestSteady(t *testing.T) {
	for range 100 {
		if read, now := steady(), steady(); agree(now.Round(0).Sub(read.Round(0)), now.Sub(read)) {
			return
		}
	}
	t.Error("no two of 200 readings agree")
}

func TestAgree(t *testing.T) {
	for name, tt := range map[string]struct {
		wall, monotonic time.Duration
		want            bool
	}{
		"the same":                    {100, 100, true},
		"read a little apart":         {100, 500, true},
		"interrupted the first time":  {100, 100 + 2*time.Microsecond, false},
		"interrupted the second time": {100 + 2*time.Microsecond, 100, false},
		"the wall clock was set back": {-time.Hour, 100, false},
	} {
		if got := agree(tt.wall, tt.monotonic); got != tt.want {
			t.Errorf("%s: agree = %v, want %v", name, got, tt.want)
		}
	}
}
