package flight

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/internal/hook"
)

// Lifecycle counts what is running, lets others wait for its end, and refuses what is new once it
// is closed.
//
// Whoever begins counts itself before it looks whether the lifecycle is closed, and whoever waits
// announces it before looking at the counts: so of two who come at once, one sees the other. What is
// done on the spot does not count itself: [Group.Idle] waits for it in another way.
type Lifecycle struct {
	running atomic.Int64 // flights, lookups and writes, from Begin to End
	strays  atomic.Int64 // storage calls that were given up on and have not returned
	closed  atomic.Bool  // Begin refuses
	awaited atomic.Bool  // changed is not nil

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed when a count becomes zero; nil while nobody waits
}

// Begin counts one more thing that is running, unless the lifecycle is closed.
func (l *Lifecycle) Begin() bool {
	l.running.Add(1)
	if l.isClosed() {
		l.End()
		return false
	}
	return true
}

// Extend counts one more thing that is running, though the lifecycle may be closed: it goes on from
// one that is counted already, or that Idle waits for in another way.
func (l *Lifecycle) Extend() { l.running.Add(1) }

// End takes back one Begin or Extend.
func (l *Lifecycle) End() {
	if l.running.Add(-1) == 0 {
		l.notify()
	}
}

// Stray counts a storage call that was given up on.
func (l *Lifecycle) Stray() { l.strays.Add(1) }

// Returned takes back one Stray.
func (l *Lifecycle) Returned() {
	if l.strays.Add(-1) == 0 {
		l.notify()
	}
}

// Shut makes Begin refuse from now on.
func (l *Lifecycle) Shut() {
	hook.At("lifecycle")
	l.closed.Store(true)
}

func (l *Lifecycle) isClosed() bool { return l.closed.Load() }

func (l *Lifecycle) notify() {
	if !l.awaited.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
		l.awaited.Store(false)
	}
}

// announce returns what is closed at the next change to rest.
func (l *Lifecycle) announce() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
		l.awaited.Store(true)
	}
	return l.changed
}

func (l *Lifecycle) isIdle(strays bool) bool {
	return l.running.Load() == 0 && (!strays || l.strays.Load() == 0)
}

// Idle waits until nothing is running, if strays is true not even a storage call that was given up
// on, or until ctx ends.
func (l *Lifecycle) Idle(ctx context.Context, strays bool) error {
	for {
		hook.At("lifecycle")
		if l.isIdle(strays) {
			return nil
		}
		changed := l.announce()
		if l.isIdle(strays) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
