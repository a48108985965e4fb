package storage

import (
	"math"
	"sync/atomic"
	"time"
)

// The instants of a span.
const (
	created = iota
	updateAfter
	expireAfter
	instants
)

// never is the offset of an instant that does not come.
const never = math.MaxInt64

// span is the three instants of an entry, in less than half of the memory that three Times take: as
// offsets, in nanoseconds, from an instant that many entries share. The zero span has zero Times.
//
// An offset means the same whichever clocks its two instants were read from, because Sub and Add
// use the monotonic readings if both have one, and the wall clock otherwise.
type span struct {
	from    *origin // nil in the zero span
	offsets [instants]int64
}

// origin is what the offsets of a span count from. It is immutable.
type origin struct {
	at   time.Time
	wall int64 // of at, as nanoseconds, if others are compared with it

	// The instants themselves, where offsets cannot tell them: because they lie further than 292
	// years from at, or are of another location, or some have a monotonic reading and some have not.
	exact *[instants]time.Time

	// For Memory: the entry that stands in the place of the one that has this span.
	stead any
}

// origins is where spans find an origin that they can share. It only saves memory and time: a span
// that has another one is as good.
type origins struct {
	monotonic bool // they are of Times with a monotonic reading

	current atomic.Pointer[origin]

	// What was not near to it. If the very next Time is near to this, a clock was set, and it
	// becomes the current one. A single Time can be off by far, if the system ran something else
	// between the readings of its two clocks.
	candidate atomic.Pointer[origin]
}

// Of Times with a monotonic reading and without.
var monotonic, wall = origins{monotonic: true}, origins{}

func originsOf(t time.Time) *origins {
	if isMonotonic(t) {
		return &monotonic
	}
	return &wall
}

// find returns an origin that t is near to, for many if there is one, and the offset of t from it.
func (s *origins) find(t time.Time) (o *origin, offset int64) {
	current := s.current.Load()
	if current != nil {
		if offset, near := s.near(current, t); near {
			if s.candidate.Load() != nil {
				s.candidate.Store(nil)
			}
			return current, offset
		}
	}
	return s.findOther(current, t)
}

// findOther is find for what is not near to the current origin.
//
//go:noinline
func (s *origins) findOther(current *origin, t time.Time) (o *origin, offset int64) {
	if c := s.candidate.Load(); c != nil {
		if offset, near := s.near(c, t); near {
			s.current.Store(c)
			return c, offset
		}
	}
	o = &origin{at: t, wall: t.UnixNano()}
	if current == nil {
		s.current.CompareAndSwap(nil, o)
	} else {
		s.candidate.Store(o)
	}
	return o, 0
}

// newSpan returns a span of three instants, and the origin that the caller has to give it if it has
// none that it could share.
func newSpan(c, update, expire time.Time) (s span, own origin) {
	s.from = originsOf(c).current.Load()
	if s.from == nil || !s.from.fits(c) {
		s.from = nil
		own.at = c
	} else {
		own.at = s.from.at
	}
	s.offsets[created] = int64(c.Sub(own.at))
	for i, t := range [...]time.Time{updateAfter: update, expireAfter: expire} {
		switch {
		case i == created:
		case t.IsZero():
			s.offsets[i] = never
		case own.fits(t):
			s.offsets[i] = int64(t.Sub(own.at))
		default:
			own.exact = &[instants]time.Time{c, update, expire}
			return span{offsets: [instants]int64{math.MinInt64, math.MinInt64, math.MinInt64}}, own
		}
	}
	return s, own
}

// compact makes the span share its origin with others. What it tells of the wall clock may change
// by a microsecond where there is a monotonic reading: the two clocks are not read at the same time.
func (s *span) compact() {
	if s.from == nil || s.from.exact != nil {
		return
	}
	at := s.instant(created)
	o, _ := originsOf(at).find(at)
	shift := int64(s.from.at.Sub(o.at))
	if shift == math.MinInt64 || shift == math.MaxInt64 {
		return // too far apart
	}
	moved := s.offsets
	for i, offset := range moved {
		if offset == never {
			continue
		}
		moved[i] = offset + shift
		if (moved[i] > offset) != (shift > 0) && shift != 0 || moved[i] == never {
			return // out of range
		}
	}
	s.from, s.offsets = o, moved
}

// set makes a compact span by its durations, of which the longest means never. At is c as a moment that stamps, or the zero
// Moment. It reports false if there is no such span.
func (s *span) set(c time.Time, at Moment, update, expire time.Duration) (ok bool) {
	if s.from, s.offsets[created] = at.from, at.update; at.from == nil {
		s.from, s.offsets[created] = originsOf(c).find(c)
	}
	return s.setOne(updateAfter, update) && s.setOne(expireAfter, expire)
}

// setOne sets the instant that comes d after created.
func (s *span) setOne(i int, d time.Duration) (ok bool) {
	if d == never {
		s.offsets[i] = never
		return true
	}
	s.offsets[i] = s.offsets[created] + int64(d)
	return s.offsets[i] >= s.offsets[created] && s.offsets[i] != never
}

func isMonotonic(t time.Time) bool { return t != t.Round(0) }

// fits reports whether an offset tells all that there is to t.
func (o *origin) fits(t time.Time) bool {
	d := t.Sub(o.at)
	return d != never && d != math.MinInt64 && o.at.Add(d) == t
}

const (
	maxOffset = 100 * 365 * 24 * time.Hour
	tolerance = int64(time.Microsecond)
)

// near returns the offset of t from one of the origins, and reports whether that tells t to the
// nanosecond by the clock that is compared, and to the microsecond by the other one, if there is a
// monotonic reading. Both t and the origin have one or none.
func (s *origins) near(o *origin, t time.Time) (offset int64, near bool) {
	d := t.Sub(o.at)
	off := o.wall + int64(d) - t.UnixNano()
	near = -maxOffset <= d && d <= maxOffset && -tolerance <= off && off <= tolerance &&
		(off == 0 || s.monotonic) && o.at.Location() == t.Location()
	return int64(d), near
}

// instant returns one of the instants of a span.
func (s *span) instant(i int) time.Time {
	switch {
	case s.from == nil:
		return time.Time{}
	case s.from.exact != nil:
		return s.from.exact[i]
	case s.offsets[i] == never:
		return time.Time{}
	default:
		return s.from.at.Add(time.Duration(s.offsets[i]))
	}
}

// reached reports whether now is at or after an instant.
func (s *span) reached(i int, now time.Time) bool {
	switch {
	case s.from == nil:
		return false
	case s.from.exact != nil:
		at := s.from.exact[i]
		return !at.IsZero() && !now.Before(at)
	default:
		return s.offsets[i] != never && int64(now.Sub(s.from.at)) >= s.offsets[i]
	}
}

// Moment is what many entries are compared with: an instant for each of the two deadlines. The zero
// Moment is not surely before any deadline.
type Moment struct {
	from           *origin
	update, expire int64
}

// At returns the moment that UpdateAfter has to come after update for, and ExpireAfter after expire.
func At(update, expire time.Time) Moment {
	o := originsOf(update).current.Load()
	if o == nil {
		return Moment{}
	}
	return Moment{from: o, update: int64(update.Sub(o.at)), expire: int64(expire.Sub(o.at))}
}

// Add returns the moment of both instants of m with as much added. It is for package cache.
func (m Moment) Add(update, expire time.Duration) Moment {
	if m.from == nil {
		return m
	}
	return Moment{from: m.from, update: m.update + int64(update), expire: m.expire + int64(expire)}
}

// Stamps reports whether m, whose instant for UpdateAfter is t, stamps entries: whether it tells t on the wall clock, too,
// to the microsecond, and in its location. It does not if that clock has been set since the instant from which entries and
// moments count. It is for package cache.
func (m Moment) Stamps(t time.Time) bool {
	if m.from == nil {
		return false
	}
	_, near := originsOf(t).near(m.from, t)
	return near
}

// Sub returns how long m comes after other, which is for the deadlines UpdateAfter alone. It reports false if the two cannot be compared. It is
// for package cache.
func (m Moment) Sub(other Moment) (d time.Duration, ok bool) {
	return time.Duration(m.update - other.update), m.from != nil && m.from == other.from
}

// after reports whether both deadlines surely come after m.
func (s *span) after(m *Moment) bool {
	return s.from == m.from && m.update < s.offsets[updateAfter] && m.expire < s.offsets[expireAfter]
}

// between reports whether the first of both deadlines has surely come at m, and the second one surely comes after it.
func (s *span) between(m *Moment) bool {
	return s.from == m.from && s.offsets[updateAfter] <= m.update && m.expire < s.offsets[expireAfter]
}
