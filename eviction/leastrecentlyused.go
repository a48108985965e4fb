package eviction

import (
	"hash/maphash"

	"github.com/memoize-go/memoize/storage"
)

// LeastRecentlyUsed is the [Strategy] that names the key whose last read or write is the longest ago, exactly.
//
// The exactness has a price: every read takes the one lock and looks the key up, so reads on many processors queue
// for it. [SIEVE] and [S3FIFO] mostly choose better victims and read without a lock.
type LeastRecentlyUsed[K comparable] struct{ recency[K] }

var (
	_ Strategy[int] = (*LeastRecentlyUsed[int])(nil)
	_ Resizer       = (*LeastRecentlyUsed[int])(nil)
)

// NewLeastRecentlyUsed returns a strategy that allows capacity keys.
func NewLeastRecentlyUsed[K comparable](capacity int) *LeastRecentlyUsed[K] {
	return &LeastRecentlyUsed[K]{newRecency[K](capacity)}
}

// MarkRead makes key the newest.
func (l *LeastRecentlyUsed[K]) MarkRead(key K, _ *storage.Mark) {
	hash := maphash.Comparable(l.seed, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if id := l.books.find(hash, key); id != noNode {
		l.books.renew(&l.order, id)
	}
}
