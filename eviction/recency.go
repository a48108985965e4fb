package eviction

import (
	"hash/maphash"
	"sync"

	"github.com/memoize-go/memoize/storage"
)

// recency is what LeastRecentlyUpdated and LeastRecentlyUsed share: everything but what a read does. It keeps no marks, so it keeps no
// entries alive.
type recency[K comparable] struct {
	seed maphash.Seed

	mu       sync.Mutex
	capacity int                // guarded by mu
	books    books[K, struct{}] // guarded by mu
	order    queue              // guarded by mu; holds all nodes
}

func newRecency[K comparable](capacity int) recency[K] {
	return recency[K]{seed: maphash.MakeSeed(), capacity: capacity}
}

// MarkWritten makes key the newest, whether it was known or not.
func (r *recency[K]) MarkWritten(key K, _ *storage.Mark) {
	if !findable(key) {
		return
	}
	hash := maphash.Comparable(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.books.find(hash, key); id != noNode {
		r.books.renew(&r.order, id)
		return
	}
	if id := r.books.add(hash, key); id != noNode {
		r.books.push(&r.order, id)
	}
}

// MarkReleased takes key out of the books.
func (r *recency[K]) MarkReleased(key K) {
	hash := maphash.Comparable(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.books.find(hash, key); id != noNode {
		r.books.drop(&r.order, id)
	}
}

// NextToRelease names the oldest key while there are more keys than the capacity.
func (r *recency[K]) NextToRelease() (key K, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order.len <= max(r.capacity, 0) {
		return key, false
	}
	id := r.order.oldest
	key = r.books.at(id).key
	r.books.drop(&r.order, id)
	return key, true
}

// Clear empties the books.
func (r *recency[K]) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.books = books[K, struct{}]{}
	r.order = queue{}
}

// Len returns the number of keys in the books.
func (r *recency[K]) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.order.len
}

// Capacity returns the number of keys allowed, as it was given.
func (r *recency[K]) Capacity() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.capacity
}

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all.
func (r *recency[K]) Resize(capacity int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.capacity = capacity
}
