package clock

import (
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/storage"
)

// Source is the one source of time and timers of a cache. It is safe for concurrent use.
type Source struct {
	clockwork.Clock
	coarse *coarse // nil with a clock that the user gave: every reading is exact
	exact  bool    // there is no bound
}

// New returns a source that reads the given clock and nothing else, exactly.
func New(c clockwork.Clock) *Source {
	return &Source{Clock: c}
}

// Default returns a source on the time package, with a coarse reading. It owns at most one timer: Read starts it when called often,
// and it ends with the first [Interval] in which nobody asks for anything.
func Default() *Source {
	return &Source{Clock: clockwork.NewRealClock(), coarse: &coarse{}}
}

// Exact returns a source on the same clock without a bound, for those who have deadlines so soon that they would have to
// read the clock all the same. They ask Moment in its place.
func (s *Source) Exact() *Source { return &Source{Clock: s.Clock, coarse: s.coarse, exact: true} }

// Now reads the clock, exactly. While there is a coarse reading it reads the monotonic clock alone, which takes
// half the time, and adds what has passed since: what the wall clock was set by meanwhile is seen with the next one. It
// also ends a coarse reading whose timer is late, or does not fire any more because it is of another
// synctest bubble, unless both bubbles are at the same time.
func (s *Source) Now() time.Time {
	if s.coarse != nil {
		if now, ok := s.coarse.now(); ok {
			return now
		}
	}
	return s.Clock.Now()
}

// Bound returns instants that are not before now, or nil: what is not due at them is not due now. If
// there are none, or something is due at them, Read has to decide.
func (s *Source) Bound() *Reading {
	if s.coarse == nil || s.exact {
		return nil
	}
	return s.coarse.bound()
}

// Moment returns what time it is, exactly, for a glance at entries. The zero Moment, if there is no cheap reading, tells nothing:
// Read has to decide.
func (s *Source) Moment() storage.Moment {
	if s.coarse == nil {
		return storage.Moment{}
	}
	return s.coarse.moment()
}

// Stamp is Now, and returns the same as a moment that stamps entries, or the zero Moment if there is none.
func (s *Source) Stamp() (now time.Time, at storage.Moment) {
	if s.coarse != nil {
		if now, at, ok := s.coarse.stamp(); ok {
			return now, at
		}
	}
	return s.Clock.Now(), at
}

// At returns the time of a moment that Moment has just returned, without another look at the clock. It reports false if the reading that
// the moment was taken with has ended.
func (s *Source) At(m storage.Moment) (now time.Time, ok bool) {
	if s.coarse == nil {
		return now, false
	}
	return s.coarse.at(m)
}

// Read is Now for those who have asked Bound or Moment before.
func (s *Source) Read() time.Time {
	if s.coarse != nil {
		s.coarse.missed()
	}
	return s.Now()
}
