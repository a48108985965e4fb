package clock

import (
	"testing"
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
