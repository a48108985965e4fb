package entrybuilder

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Lifespan builds entries that all live equally long. It is safe for concurrent use.
type Lifespan[K comparable, V any] struct {
	current atomic.Pointer[figures]
}

type figures struct{ updateAfter, expireAfter time.Duration }

var _ Builder[int, int] = (*Lifespan[int, int])(nil)

// NewLifespan returns a builder of entries that are stale from updateAfter on and expired from expireAfter on, counted from the start
// of their load. 0 is at once, [Forever] never. A negative figure, and an updateAfter beyond expireAfter, are errors.
func NewLifespan[K comparable, V any](updateAfter, expireAfter time.Duration) (*Lifespan[K, V], error) {
	l := new(Lifespan[K, V])
	if err := l.Update(updateAfter, expireAfter); err != nil {
		return nil, err
	}
	return l, nil
}

// Update changes both figures for the entries that are built from now on. Figures that NewLifespan would refuse are an error
// and change nothing.
func (l *Lifespan[K, V]) Update(updateAfter, expireAfter time.Duration) error {
	switch {
	case updateAfter < 0:
		return fmt.Errorf("entrybuilder: negative update_after %v", updateAfter)
	case expireAfter < 0:
		return fmt.Errorf("entrybuilder: negative expire_after %v", expireAfter)
	case updateAfter > expireAfter:
		return fmt.Errorf("entrybuilder: update_after %v is greater than expire_after %v", updateAfter, expireAfter)
	}
	l.current.Store(&figures{updateAfter, expireAfter})
	return nil
}

// Build returns the entry for value.
func (l *Lifespan[K, V]) Build(loadStarted time.Time, _ K, value V) *storage.Entry[V] {
	f := l.current.Load()
	return storage.NewEntry(value, loadStarted, deadline(loadStarted, f.updateAfter), deadline(loadStarted, f.expireAfter))
}

// deadline returns the instant d after start, or the zero Time if that is never or out of a Time's reach.
func deadline(start time.Time, d time.Duration) time.Time {
	if d == Forever {
		return time.Time{}
	}
	t := start.Add(d)
	if t.Before(start) {
		return time.Time{}
	}
	return t
}
