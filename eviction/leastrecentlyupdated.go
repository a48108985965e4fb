package eviction

import "github.com/memoize-go/memoize/storage"

// LeastRecentlyUpdated is the [Strategy] that names the key whose last write is the longest ago. A read costs nothing and
// counts for nothing. Writes, victims and releases take constant time. They take one of 16 locks, which the keys are spread
// over; the order is one for all keys. It is exact when calls come one after another. Calls that run at once may be
// taken in any order.
type LeastRecentlyUpdated[K comparable] struct{ recency[K] }

var (
	_ Strategy[int] = (*LeastRecentlyUpdated[int])(nil)
	_ Resizer       = (*LeastRecentlyUpdated[int])(nil)
)

// NewLeastRecentlyUpdated returns a strategy that allows capacity keys.
func NewLeastRecentlyUpdated[K comparable](capacity int) *LeastRecentlyUpdated[K] {
	l := new(LeastRecentlyUpdated[K])
	l.open(capacity)
	return l
}

// MarkRead does nothing.
func (l *LeastRecentlyUpdated[K]) MarkRead(K, *storage.Mark) {}
