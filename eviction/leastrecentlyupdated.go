package eviction

import "github.com/memoize-go/memoize/storage"

// LeastRecentlyUpdated is the [Strategy] that names the key whose last write is the longest ago. A read costs nothing and
// counts for nothing. Writes, victims and releases take constant time under one lock.
type LeastRecentlyUpdated[K comparable] struct{ recency[K] }

var (
	_ Strategy[int] = (*LeastRecentlyUpdated[int])(nil)
	_ Resizer       = (*LeastRecentlyUpdated[int])(nil)
)

// NewLeastRecentlyUpdated returns a strategy that allows capacity keys.
func NewLeastRecentlyUpdated[K comparable](capacity int) *LeastRecentlyUpdated[K] {
	return &LeastRecentlyUpdated[K]{newRecency[K](capacity)}
}

// MarkRead does nothing.
func (l *LeastRecentlyUpdated[K]) MarkRead(K, *storage.Mark) {}
