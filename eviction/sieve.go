package eviction

import (
	"sync"

	"github.com/memoize-go/memoize/storage"
)

// sieveHits is how many hits SIEVE counts: read since the hand last passed, or not.
const sieveHits = 1

// SIEVE is the [Strategy] of Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key
// Eviction Algorithm for Web Caches", NSDI 2024.
//
// Keys stand in a queue in the order of their first write, and never move. A read sets a bit. A hand wanders from the
// oldest key to the newest and around again; it clears the bits that it finds set, and the first key without one is the
// victim. So keys that are read stay, and new ones have to prove themselves while the hand passes over the old ones.
//
// A read of an entry that came with its own mark takes no lock, and writes the bit only if it is not set. A read with
// a mark that the strategy has not seen looks the key up under the lock. Writing a known key again is not a read: it
// keeps its place and its bit. A victim takes constant time on average; a single one at most one round of the hand.
//
// The key that was written last is named only if it is the only one. Of several keys written before the next victim is
// asked for, the others may be named, if all older ones have been read since the hand passed them.
//
// A SIEVE holds on to the marks given to MarkWritten, hence to the entries that they are part of, until their keys are released.
type SIEVE[K comparable] struct {
	owner owner
	_     [64]byte // keeps the owner, which every read loads, off the cache line that the lock dirties

	mu       sync.Mutex
	capacity int            // guarded by mu
	nodes    map[K]*node[K] // guarded by mu
	queue    queue[K]       // guarded by mu; holds all nodes
	hand     *node[K]       // guarded by mu; the next to be looked at, nil: the oldest
}

var (
	_ Strategy[int] = (*SIEVE[int])(nil)
	_ Resizer       = (*SIEVE[int])(nil)
)

// NewSIEVE returns a strategy that allows capacity keys.
func NewSIEVE[K comparable](capacity int) *SIEVE[K] {
	return &SIEVE[K]{owner: newOwner(&owners), capacity: capacity, nodes: make(map[K]*node[K])}
}

// MarkRead sets the bit of key.
func (s *SIEVE[K]) MarkRead(key K, mark *storage.Mark) {
	if !s.owner.hit(mark, sieveHits) {
		s.lookUpAndHit(key)
	}
}

// lookUpAndHit is the part of MarkRead that is rare where the storage hands out the entries it was given.
func (s *SIEVE[K]) lookUpAndHit(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[key]; n != nil {
		n.hits = sieveHits
	}
}

// MarkWritten makes key the newest, without its bit set, or leaves a known key where and as it is.
func (s *SIEVE[K]) MarkWritten(key K, mark *storage.Mark) {
	if !findable(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[key]; n != nil {
		n.hits = min(n.hits+s.owner.disown(n.mark), sieveHits)
		n.mark = mark
		s.owner.adopt(mark)
		return
	}
	n := &node[K]{key: key, mark: mark}
	s.owner.adopt(mark)
	s.nodes[key] = n
	s.queue.push(n)
}

// MarkReleased takes key out of the books.
func (s *SIEVE[K]) MarkReleased(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[key]
	if n == nil {
		return
	}
	if s.hand == n {
		s.hand = n.newer
	}
	s.removeLocked(n)
}

// NextToRelease moves the hand to the next key without its bit set and names it, while there are more keys than the capacity.
func (s *SIEVE[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.len <= max(s.capacity, 0) {
		return key, false
	}
	n := s.hand
	if n == nil || n == s.queue.newest {
		n = s.queue.oldest
	}
	// One round clears every bit, so the next key is a victim. Readers at work may set bits again behind the hand, and
	// must not keep it going: whoever is reached after one round goes.
	for range s.queue.len {
		if s.takeHitsLocked(n) == 0 {
			break
		}
		if n = s.behindHandLocked(n); n == nil {
			n = s.queue.oldest
		}
	}
	s.hand = s.behindHandLocked(n)
	s.removeLocked(n)
	return n.key, true
}

// behindHandLocked returns the key that the hand looks at after n, nil for the oldest.
//
// In the paper the victim is found before the new key is written; here the new key is in the queue already. So the newest key
// is passed over, and a hand that would come to rest on it goes back to the oldest. Otherwise it would be the victim,
// before anybody could have read it, whenever all other keys have their bits set.
func (s *SIEVE[K]) behindHandLocked(n *node[K]) *node[K] {
	if n.newer == s.queue.newest {
		return nil
	}
	return n.newer
}

func (s *SIEVE[K]) takeHitsLocked(n *node[K]) uint32 {
	hits := n.hits + s.owner.take(n.mark)
	n.hits = 0
	return hits
}

func (s *SIEVE[K]) removeLocked(n *node[K]) {
	s.owner.disown(n.mark)
	delete(s.nodes, n.key)
	n.unlink()
}

// Clear empties the books.
func (s *SIEVE[K]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = make(map[K]*node[K])
	s.queue = queue[K]{}
	s.hand = nil
}

// Len returns the number of keys in the books.
func (s *SIEVE[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.len
}

// Capacity returns the number of keys allowed, as it was given.
func (s *SIEVE[K]) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capacity
}

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all.
func (s *SIEVE[K]) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
}
