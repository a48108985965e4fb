package clock

import (
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

const (
	// Interval is how often the coarse reading is renewed, while it is in use.
	Interval = 20 * time.Millisecond

	// Margin is how far the coarse bound lies ahead of the reading that it was made from, and
	// ExpiryMargin how far for deadlines after which an entry must not be handed out. They cover the
	// interval and the delay of the timer. That was seen to reach 40 ms on busy cores, and 2 s where
	// a thousand goroutines were waiting for one. A process that was stopped for longer may take one
	// old bound for the truth when it wakes up, until its timer has run.
	Margin       = time.Second
	ExpiryMargin = 10 * time.Second

	// A timer that comes later than tolerated is a sign of more of that: every reading is exact
	// until things have calmed down.
	tolerated = Margin / 2
	calm      = 10 * time.Second

	// burst exact readings within one interval start the timer: fewer cost less than the ticks
	// would.
	burst = 256
)

// coarse hands out bounds that a timer renews. Nothing ticks while it is not used: the first
// interval without a call stops the timer, the first burst of calls starts it again.
type coarse struct {
	current atomic.Pointer[Reading]

	// Of the exact readings taken while nothing ticks: how many, and when the last burst began, in
	// nanoseconds since the epoch.
	readings   atomic.Uint32
	burstBegan atomic.Int64

	resume atomic.Int64 // when bursts count again, likewise
}

// Reading is one tick. It is used if somebody has looked at it; only the first one to do so writes
// to it.
type Reading struct {
	Moment         storage.Moment // of Update and Expire
	Update, Expire time.Time      // the bounds
	taken          time.Time
	stamps         bool // Moment does
	used           atomic.Bool
}

func (c *coarse) bound() *Reading {
	r := c.current.Load()
	if r != nil {
		r.use()
	}
	return r
}

func (r *Reading) use() {
	if !r.used.Load() {
		r.used.Store(true)
	}
}

// missed notes that the clock has to be read, and starts the timer when that happens often.
func (c *coarse) missed() {
	if c.current.Load() != nil || c.readings.Add(1)%burst != 0 {
		return
	}
	now := time.Now().UnixNano()
	if wait := c.resume.Load() - now; 0 < wait && wait <= int64(calm) { // more: the wall clock was set
		return
	}
	if elapsed := now - c.burstBegan.Swap(now); elapsed < 0 || elapsed > int64(Interval) {
		return
	}
	c.replace(nil, newReading(steady()))
}

// replace puts a reading in place of another one, with a timer of its own, unless somebody else has
// replaced that.
func (c *coarse) replace(old, r *Reading) {
	if c.current.CompareAndSwap(old, r) {
		time.AfterFunc(Interval, func() { c.tick(r) })
	}
}

// tick renews the timer's reading if it was in use, and ends it if it was not, or if the timer is late.
// A timer that comes so late that its reading has been replaced ends with it.
func (c *coarse) tick(r *Reading) {
	switch {
	case time.Since(r.taken) > Interval+tolerated:
		c.giveUp(r)
	case r.used.Load():
		c.replace(r, newReading(steady()))
	default:
		c.current.CompareAndSwap(r, nil)
	}
}

// giveUp ends a reading that its timer has not renewed in time, and keeps the next one from coming soon.
func (c *coarse) giveUp(r *Reading) {
	c.resume.Store(time.Now().Add(calm).UnixNano())
	c.current.CompareAndSwap(r, nil)
}

// now returns what time it is, exactly, by the coarse reading and the monotonic clock. It reports false if there is no reading.
func (c *coarse) now() (now time.Time, ok bool) {
	r, since := c.since()
	if r == nil {
		return now, false
	}
	return r.taken.Add(since), true
}

// stamp is now and moment at once, without the moment if that does not stamp entries.
func (c *coarse) stamp() (now time.Time, at storage.Moment, ok bool) {
	r, since := c.since()
	if r == nil {
		return now, at, false
	}
	if r.stamps {
		at = r.moment(since)
	}
	return r.taken.Add(since), at, true
}

// moment is now in the form that entries are compared with.
func (c *coarse) moment() storage.Moment {
	r, since := c.since()
	if r == nil {
		return storage.Moment{}
	}
	return r.moment(since)
}

// moment returns the moment that comes so long after the reading was taken.
func (r *Reading) moment(since time.Duration) storage.Moment {
	return r.Moment.Add(since-Margin, since-ExpiryMargin)
}

// at turns what moment has returned into what now would have returned in its place.
func (c *coarse) at(m storage.Moment) (now time.Time, ok bool) {
	r := c.current.Load()
	if r == nil {
		return now, false
	}
	since, ok := m.Sub(r.Moment)
	return r.Update.Add(since), ok
}

// since returns the reading and how long ago it was taken. It returns nil if there is none, or if it is late or was lost: it is
// not from within the last second.
func (c *coarse) since() (r *Reading, since time.Duration) {
	if r = c.current.Load(); r == nil {
		return nil, 0
	}
	if since = time.Since(r.taken); since < 0 || since > Margin {
		c.giveUp(r)
		return nil, 0
	}
	r.use()
	return r, since
}

// steady reads the wall clock and the monotonic clock together. One who reads both can be interrupted in between,
// which would put all instants of an interval, and what is made of them, off by as much.
func steady() time.Time {
	last := time.Now()
	for range 3 {
		now := time.Now()
		if agree(now.Round(0).Sub(last.Round(0)), now.Sub(last)) {
			return now
		}
		last = now
	}
	return last
}

// agree reports whether as much time has passed on both clocks.
func agree(wall, monotonic time.Duration) bool {
	return (wall - monotonic).Abs() <= time.Microsecond
}

func newReading(now time.Time) *Reading {
	update, expire := now.Add(Margin), now.Add(ExpiryMargin)
	m := storage.At(update, expire)
	return &Reading{Moment: m, Update: update, Expire: expire, taken: now, stamps: m.Stamps(update)}
}
