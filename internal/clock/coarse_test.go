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
