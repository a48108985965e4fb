package eviction

import (
	"sync"

	"github.com/memoize-go/memoize/storage"
)

// recency is what LeastRecentlyUpdated and LeastRecentlyUsed share: everything but what a read does. It keeps no marks, so it keeps no
// entries alive.
type recency[K comparable] struct {
	mu       sync.Mutex
	capacity int            // guarded by mu
	nodes    map[K]*node[K] // guarded by mu
	order    queue[K]       // guarded by mu; holds all nodes
}

// MarkWritten makes key the newest, whether it was known or not.
func (r *recency[K]) MarkWritten(key K, _ *storage.Mark) {
	if !findable(key) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[key]; n != nil {
		n.moveTo(&r.order)
		return
	}
	n := &node[K]{key: key}
	r.nodes[key] = n
	r.order.push(n)
}

// MarkReleased takes key out of the books.
func (r *recency[K]) MarkReleased(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[key]; n != nil {
		r.removeLocked(n)
	}
}

// NextToRelease names the oldest key while there are more keys than the capacity.
func (r *recency[K]) NextToRelease() (key K, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order.len <= max(r.capacity, 0) {
		return key, false
	}
	n := r.order.oldest
	r.removeLocked(n)
	return n.key, true
}

// Clear empties the books.
func (r *recency[K]) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = make(map[K]*node[K])
	r.order = queue[K]{}
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

func (r *recency[K]) removeLocked(n *node[K]) {
	delete(r.nodes, n.key)
	n.unlink()
}
