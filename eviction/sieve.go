package eviction

import (
	"sync"

	"github.com/memoize-go/memoize/internal/hash"
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
	hash  hash.Hasher[K]
	_     [64]byte // keeps what reads load off the cache line that the lock dirties

	mu       sync.Mutex
	capacity int                     // guarded by mu
	books    books[K, *storage.Mark] // guarded by mu; the flags of a node are the reads that did not come with its mark
	queue    queue                   // guarded by mu; holds all nodes
	hand     uint32                  // guarded by mu; the node to be looked at next, noNode: the oldest
}

var (
	_ Strategy[int] = (*SIEVE[int])(nil)
	_ Resizer       = (*SIEVE[int])(nil)
)

// NewSIEVE returns a strategy that allows capacity keys.
func NewSIEVE[K comparable](capacity int) *SIEVE[K] {
	return &SIEVE[K]{owner: newOwner(&owners), hash: hash.New[K](), capacity: capacity}
}

// MarkRead sets the bit of key.
func (s *SIEVE[K]) MarkRead(key K, mark *storage.Mark) {
	if !s.owner.hit(mark, sieveHits) {
		s.lookUpAndHit(key)
	}
}

// Saturated returns the word of a mark with which MarkRead does nothing, so that the call can be left out. It is never zero, and
// stays the same.
func (s *SIEVE[K]) Saturated() (word uint32) { return s.owner.saturated(sieveHits) }

// lookUpAndHit is the part of MarkRead that is rare where the storage hands out the entries it was given.
func (s *SIEVE[K]) lookUpAndHit(key K) {
	h := s.hash.Of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(h, key); id != noNode {
		s.books.at(id).setFlags(sieveHits)
	}
}

// MarkWritten makes key the newest, without its bit set, or leaves a known key where and as it is.
func (s *SIEVE[K]) MarkWritten(key K, mark *storage.Mark) {
	s.MarkWrittenHashed(s.hash.Of(key), key, mark)
}

// MarkWrittenHashed is MarkWritten with the hash of key, which the cache has made for itself.
func (s *SIEVE[K]) MarkWrittenHashed(hash uint64, key K, mark *storage.Mark) {
	if !findable(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.books.find(hash, key)
	if id != noNode {
		n := s.books.at(id)
		n.setFlags(min(n.flags()+s.owner.disown(n.mark), sieveHits))
	} else if id = s.books.add(hash, key); id != noNode {
		s.books.push(&s.queue, id)
	} else {
		return
	}
	s.books.at(id).mark = mark
	s.owner.adopt(mark)
}

// MarkReleased takes key out of the books.
func (s *SIEVE[K]) MarkReleased(key K) {
	h := s.hash.Of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.books.find(h, key)
	if id == noNode {
		return
	}
	if s.hand == id {
		s.hand = s.books.at(id).newer
	}
	s.removeLocked(id)
}

// NextToRelease moves the hand to the next key without its bit set and names it, while there are more keys than the capacity.
func (s *SIEVE[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.len <= max(s.capacity, 0) {
		return key, false
	}
	id := s.hand
	if id == noNode || id == s.queue.newest {
		id = s.queue.oldest
	}
	// One round clears every bit, so the next key is a victim. Readers at work may set bits again behind the hand, and
	// must not keep it going: whoever is reached after one round goes.
	for range s.queue.len {
		n := s.books.at(id)
		if s.takeHitsLocked(n) == 0 {
			break
		}
		if id = s.behindHandLocked(n); id == noNode {
			id = s.queue.oldest
		}
	}
	n := s.books.at(id)
	s.hand = s.behindHandLocked(n)
	key = n.key
	s.removeLocked(id)
	return key, true
}

// behindHandLocked returns the key that the hand looks at after n, noNode for the oldest.
//
// In the paper the victim is found before the new key is written; here the new key is in the queue already. So the newest key
// is passed over, and a hand that would come to rest on it goes back to the oldest. Otherwise it would be the victim,
// before anybody could have read it, whenever all other keys have their bits set.
func (s *SIEVE[K]) behindHandLocked(n *node[K, *storage.Mark]) uint32 {
	if n.newer == s.queue.newest {
		return noNode
	}
	return n.newer
}

func (s *SIEVE[K]) takeHitsLocked(n *node[K, *storage.Mark]) uint32 {
	hits := n.flags() + s.owner.take(n.mark)
	n.setFlags(0)
	return hits
}

func (s *SIEVE[K]) removeLocked(id uint32) {
	s.owner.disown(s.books.at(id).mark)
	s.books.drop(&s.queue, id)
}

// Clear empties the books.
func (s *SIEVE[K]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books = books[K, *storage.Mark]{}
	s.queue = queue{}
	s.hand = noNode
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
