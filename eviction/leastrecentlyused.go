package eviction

import "github.com/memoize-go/memoize/storage"

// LeastRecentlyUsed is the [Strategy] that names the key whose last read or write is the longest ago: exactly, when calls come
// one after another. Calls that run at once may be taken in any order.
//
// The exactness has a price: every read looks the key up under a lock, and writes to memory that all readers share. There
// are 16 locks, which the keys are spread over, so reads of different keys seldom wait for each other; those of one key queue for
// its lock. [SIEVE] and [S3FIFO] mostly choose better victims and read without a lock.
type LeastRecentlyUsed[K comparable] struct{ recency[K] }

var (
	_ Strategy[int] = (*LeastRecentlyUsed[int])(nil)
	_ Resizer       = (*LeastRecentlyUsed[int])(nil)
)

// NewLeastRecentlyUsed returns a strategy that allows capacity keys.
func NewLeastRecentlyUsed[K comparable](capacity int) *LeastRecentlyUsed[K] {
	l := new(LeastRecentlyUsed[K])
	l.open(capacity)
	return l
}

// MarkRead makes key the newest.
func (l *LeastRecentlyUsed[K]) MarkRead(key K, _ *storage.Mark) { l.markUsed(key) }
