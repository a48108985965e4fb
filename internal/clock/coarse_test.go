package clock

import (
	"testing"
	"testing/synctest"
	"time"
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
