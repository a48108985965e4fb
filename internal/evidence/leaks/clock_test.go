package leaks_test

import (
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
)

// countingClock counts the timers that are running: those that were started and have neither fired
// nor been stopped.
type countingClock struct {
	clockwork.Clock
	running atomic.Int64
}

type countedTimer struct {
	clockwork.Timer
	clock *countingClock
	fired chan time.Time // nil if a function is called instead
}

// NewTimer starts a timer that sends the time.
func (c *countingClock) NewTimer(d time.Duration) clockwork.Timer {
	fired := make(chan time.Time, 1)
	t := c.AfterFunc(d, func() { fired <- c.Now() }).(*countedTimer)
	t.fired = fired
	return t
}

// AfterFunc starts a timer that calls f.
func (c *countingClock) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	c.running.Add(1)
	return &countedTimer{clock: c, Timer: c.Clock.AfterFunc(d, func() {
		c.running.Add(-1)
		f()
	})}
}

func (t *countedTimer) Chan() <-chan time.Time { return t.fired }

func (t *countedTimer) Stop() bool {
	stopped := t.Timer.Stop()
	if stopped {
		t.clock.running.Add(-1)
	}
	return stopped
}

func (t *countedTimer) Reset(time.Duration) bool { panic("the cache resets no timer") }
