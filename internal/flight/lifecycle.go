package flight

import (
	"context"
	"sync"

	"github.com/memoize-go/memoize/internal/hook"
)

// Lifecycle counts what is running, lets others wait for its end, and refuses what is new once it
// is closed.
type Lifecycle struct {
	mu      sync.Mutex
	running int           // flights, lookups and writes, from Begin to End
	strays  int           // storage calls that were given up on and have not returned
	closed  bool          // Begin refuses
	changed chan struct{} // closed at the next change to rest; nil while nobody waits
}

// Begin counts one more thing that is running, unless the lifecycle is closed.
func (l *Lifecycle) Begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running++
	return true
}

// Extend counts one more thing that is running, though the lifecycle may be closed: it goes on from
// one that is counted already.
func (l *Lifecycle) Extend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
}

// End takes back one Begin or Extend.
func (l *Lifecycle) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.notifyLocked()
}

// Stray counts a storage call that was given up on.
func (l *Lifecycle) Stray() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strays++
}

// Returned takes back one Stray.
func (l *Lifecycle) Returned() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strays--
	l.notifyLocked()
}

// Shut makes Begin refuse from now on.
func (l *Lifecycle) Shut() {
	hook.At("lifecycle")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *Lifecycle) notifyLocked() {
	if l.changed != nil && l.running == 0 {
		close(l.changed)
		l.changed = nil
	}
}

// Idle waits until nothing is running, if strays is true not even a storage call that was given up
// on, or until ctx ends.
func (l *Lifecycle) Idle(ctx context.Context, strays bool) error {
	for {
		hook.At("lifecycle")
		l.mu.Lock()
		if l.running == 0 && (!strays || l.strays == 0) {
			l.mu.Unlock()
			return nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()

		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
