package entrybuilder

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Lifespan is a [Builder] that gives all values the same life span. Its figures may be changed
// while it is in use. The zero Lifespan is one of 0 and 0; it must not be copied.
type Lifespan[K comparable, V any] struct {
	figures atomic.Pointer[figures] // nil: both 0
}

type figures struct{ updateAfter, expireAfter time.Duration }

var _ Builder[int, int] = (*Lifespan[int, int])(nil)

// NewLifespan returns a builder of entries that are stale from updateAfter and expired from
// expireAfter on, counted from the beginning of the load. Both may be 0, which means at once, or
// [Forever], which means never. It is an error if one is negative or updateAfter is greater than
// expireAfter.
func NewLifespan[K comparable, V any](updateAfter, expireAfter time.Duration) (*Lifespan[K, V], error) {
	l := &Lifespan[K, V]{}
	if err := l.Update(updateAfter, expireAfter); err != nil {
		return nil, err
	}
	return l, nil
}

// Update changes the life span of the entries that are built from now on; those built before keep
// theirs. The rules are those of [NewLifespan]; after an error the figures are what they were. It
// may be called at any time: an entry is built from both old figures or from both new ones.
func (l *Lifespan[K, V]) Update(updateAfter, expireAfter time.Duration) error {
	switch {
	case updateAfter < 0:
		return fmt.Errorf("entrybuilder: negative update_after %v", updateAfter)
	case expireAfter < 0:
		return fmt.Errorf("entrybuilder: negative expire_after %v", expireAfter)
	case updateAfter > expireAfter:
		return fmt.Errorf("entrybuilder: update_after %v is greater than expire_after %v", updateAfter, expireAfter)
	}
	l.figures.Store(&figures{updateAfter, expireAfter})
	return nil
}

// Figures returns the current life span.
func (l *Lifespan[K, V]) Figures() (updateAfter, expireAfter time.Duration) {
	f := l.figures.Load()
	if f == nil {
		return 0, 0
	}
	return f.updateAfter, f.expireAfter
}

// Build returns an entry for value with the current life span.
func (l *Lifespan[K, V]) Build(loadStarted time.Time, _ K, value V) *storage.Entry[V] {
	updateAfter, expireAfter := l.Figures()
	return newEntry(value, loadStarted, updateAfter, expireAfter)
}

func newEntry[V any](value V, loadStarted time.Time, updateAfter, expireAfter time.Duration) *storage.Entry[V] {
	return storage.NewEntry(value, loadStarted, deadline(loadStarted, updateAfter), deadline(loadStarted, expireAfter))
}

// deadline returns the instant d after start, with start's monotonic reading where a Time can hold
// it. The zero Time means never: for Forever, and where no Time lies d after start.
func deadline(start time.Time, d time.Duration) time.Time {
	if d == Forever {
		return time.Time{}
	}
	end := start.Add(d)
	if end.Sub(start) != d {
		return time.Time{} // Add stops at the end of its range
	}
	if end.IsZero() {
		// An instant like any other, on a clock that was set to year 1, but it must not be taken
		// for never.
		end = end.Add(-1)
	}
	return end
}
