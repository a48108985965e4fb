package clock

import (
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

const (
	// Interval is how often the coarse reading is renewed, while it is in use.
	Interval = 20 * time.Millisecond

	// Margin is how far the coarse bound lies ahead of the reading that it was made from. It covers
	// the interval and the delay of the timer on busy cores, which was seen to reach 40 ms. A
	// process that was stopped for longer than this may take one old bound for the truth when it
	// wakes up, until its timer has run.
	Margin = time.Second

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
}

// Reading is one tick. It is used if somebody has looked at it; only the first one to do so writes
// to it.
type Reading struct {
	Moment storage.Moment // of At
	At     time.Time
	used   atomic.Bool
}

func (c *coarse) bound() *Reading {
	r := c.current.Load()
	if r == nil {
		return nil
	}
	if !r.used.Load() {
		r.used.Store(true)
	}
	return r
}

// missed notes that the clock has to be read, and starts the timer when that happens often.
func (c *coarse) missed() {
	if c.current.Load() != nil || c.readings.Add(1)%burst != 0 {
		return
	}
	now := time.Now()
	began := c.burstBegan.Swap(now.UnixNano())
	if elapsed := now.UnixNano() - began; elapsed < 0 || elapsed > int64(Interval) {
		return
	}
	c.replace(nil, newReading(now))
}

// replace puts a reading in place of another one, with a timer of its own, unless somebody else has
// replaced that.
func (c *coarse) replace(old, r *Reading) {
	if c.current.CompareAndSwap(old, r) {
		time.AfterFunc(Interval, func() { c.tick(r) })
	}
}

// tick renews the timer's reading if it was in use, and ends it if it was not. A timer that comes so
// late that its reading has been replaced ends with it.
func (c *coarse) tick(r *Reading) {
	if r.used.Load() {
		c.replace(r, newReading(time.Now()))
	} else {
		c.current.CompareAndSwap(r, nil)
	}
}

// check ends a reading that cannot be a bound of now.
func (c *coarse) check(now time.Time) {
	if r := c.current.Load(); r != nil {
		if ahead := r.At.Sub(now); ahead < 0 || ahead > 2*Margin {
			c.current.CompareAndSwap(r, nil)
		}
	}
}

func newReading(now time.Time) *Reading {
	at := now.Add(Margin)
	return &Reading{Moment: storage.At(at), At: at}
}
