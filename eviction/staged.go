package eviction

import (
	"sync"

	"github.com/memoize-go/memoize/internal/hash"
	"github.com/memoize-go/memoize/storage"
)

// The flags of a node in a staged strategy.
const (
	maxHits = 3 // as many reads are counted; also their bits
	inMain  = 4 // otherwise in young
)

// staged is what S3FIFO and TinyLFU share: new keys stand in one queue, those that have proved themselves in another, and
// reads are counted in marks.
type staged[K comparable] struct {
	owner owner
	hash  hash.Hasher[K]
	_     [64]byte // keeps what reads load off the cache line that the lock dirties

	mu       sync.Mutex
	capacity int                     // guarded by mu
	books    books[K, *storage.Mark] // guarded by mu; among the flags of a node are the reads that did not come with its mark
	young    queue                   // guarded by mu
	main     queue                   // guarded by mu; holds the nodes that are not in young
}

func newStaged[K comparable](capacity int) staged[K] {
	return staged[K]{owner: newOwner(&owners), hash: hash.New[K](), capacity: capacity}
}

// MarkRead counts a read of key.
func (s *staged[K]) MarkRead(key K, mark *storage.Mark) {
	if !s.owner.hit(mark, maxHits) {
		s.lookUpAndHit(key)
	}
}

// Saturated returns the word of a mark with which MarkRead does nothing, so that the call can be left out. It is never zero, and
// stays the same.
func (s *staged[K]) Saturated() (word uint32) { return s.owner.saturated(maxHits) }

// lookUpAndHit is the part of MarkRead that is rare where the storage hands out the entries it was given.
func (s *staged[K]) lookUpAndHit(key K) {
	h := s.hash.Of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(h, key); id != noNode {
		addHits(s.books.at(id), 1)
	}
}

// Len returns the number of keys in the books, those that are only remembered not included.
func (s *staged[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.len
}

// Capacity returns the number of keys allowed, as it was given.
func (s *staged[K]) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capacity
}

// writtenLocked gives the node of a key its new mark and keeps the reads that were counted in the old one, if there is one.
func (s *staged[K]) writtenLocked(id uint32, mark *storage.Mark) {
	n := s.books.at(id)
	if n.mark != nil {
		addHits(n, s.owner.disown(n.mark))
	}
	n.mark = mark
	s.owner.adopt(mark)
}

func (s *staged[K]) pushToMainLocked(id uint32) {
	n := s.books.at(id)
	n.setFlags(n.flags() | inMain)
	s.books.push(&s.main, id)
}

// promoteLocked moves a node from young to main.
func (s *staged[K]) promoteLocked(id uint32) {
	s.books.unlink(&s.young, id)
	s.pushToMainLocked(id)
}

// removeLocked takes a node out of the books and returns its key.
func (s *staged[K]) removeLocked(id uint32) K {
	n := s.books.at(id)
	key := n.key
	s.owner.disown(n.mark)
	if n.flags()&inMain != 0 {
		s.books.drop(&s.main, id)
	} else {
		s.books.drop(&s.young, id)
	}
	return key
}

// takeHitsLocked returns the reads of n that count and sets them to zero.
func (s *staged[K]) takeHitsLocked(n *node[K, *storage.Mark]) uint32 {
	addHits(n, s.owner.take(n.mark))
	hits := n.flags() & maxHits
	n.setFlags(n.flags() &^ maxHits)
	return hits
}

// clearLocked empties the books.
func (s *staged[K]) clearLocked() {
	s.books = books[K, *storage.Mark]{}
	s.young, s.main = queue{}, queue{}
}

// addHits adds reads to those that are kept in the node.
func addHits[K comparable, M any](n *node[K, M], hits uint32) {
	flags := n.flags()
	n.setFlags(flags&^maxHits | min(flags&maxHits+hits, maxHits))
}
