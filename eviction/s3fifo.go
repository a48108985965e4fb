package eviction

import (
	"sync"

	"github.com/memoize-go/memoize/storage"
)

// s3fifoHits is how many hits S3-FIFO counts.
const s3fifoHits = 3

// S3FIFO is the [Strategy] of Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction",
// SOSP 2023.
//
// There are three queues: small and main for the keys that are stored, ghost for keys that small has lost. A key that
// is new enters small; one that is remembered in ghost enters main. The share of small is a tenth of the capacity and
// at least 1, that of main is the rest, and the victim comes from the queue that holds more than its share. The oldest
// key of small, if it was read twice or more, moves to main instead, where its count starts again; otherwise
// it is the victim, and is remembered in ghost. The oldest key of main, if it was read, becomes the newest there
// instead, with one read less on its account, of which 3 at most are counted; otherwise it is the victim. So keys that are
// read once pass through a small part of the cache only. Ghost holds as many keys as the share of main, and
// nothing but the keys.
//
// A read of an entry that came with its own mark takes no lock, and writes the count only while it is below 3. A read
// with a mark that the strategy has not seen looks the key up under the lock. Writing a known key again is not a read:
// it keeps its place and its count. A victim takes constant time on average; a single one at most three rounds of main.
//
// The key that was written last is not named out of small while there is room for any key. Out of main, which it enters if ghost
// remembered it, it is named only if all others there have been read. A key that MarkReleased took out is not
// remembered in ghost. A victim that is put back, because its release failed, counts as one that came back.
//
// An S3FIFO holds on to the marks given to MarkWritten, hence to the entries that they are part of, until their keys
// are named or released.
type S3FIFO[K comparable] struct {
	owner owner
	_     [64]byte // keeps the owner, which every read loads, off the cache line that the lock dirties

	mu       sync.Mutex
	capacity int            // guarded by mu
	nodes    map[K]*node[K] // guarded by mu; the nodes of all three queues
	small    queue[K]       // guarded by mu
	main     queue[K]       // guarded by mu
	ghost    queue[K]       // guarded by mu; its nodes have no mark
}

var (
	_ Strategy[int] = (*S3FIFO[int])(nil)
	_ Resizer       = (*S3FIFO[int])(nil)
)

// NewS3FIFO returns a strategy that allows capacity keys.
func NewS3FIFO[K comparable](capacity int) *S3FIFO[K] {
	return &S3FIFO[K]{owner: newOwner(&owners), capacity: capacity, nodes: make(map[K]*node[K])}
}

// MarkRead counts a read of key.
func (s *S3FIFO[K]) MarkRead(key K, mark *storage.Mark) {
	if !s.owner.hit(mark, s3fifoHits) {
		s.lookUpAndHit(key)
	}
}

// lookUpAndHit is the part of MarkRead that is rare where the storage hands out the entries it was given.
func (s *S3FIFO[K]) lookUpAndHit(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.storedLocked(key); n != nil {
		n.hits = min(n.hits+1, s3fifoHits)
	}
}

// MarkWritten lets key into small, or into main if it is remembered, or leaves a known key where and as it is.
func (s *S3FIFO[K]) MarkWritten(key K, mark *storage.Mark) {
	if !findable(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[key]
	switch {
	case n == nil:
		n = &node[K]{key: key}
		s.nodes[key] = n
		s.small.push(n)
	case n.queue == &s.ghost:
		n.moveTo(&s.main)
	default:
		n.hits = min(n.hits+s.owner.disown(n.mark), s3fifoHits)
	}
	n.mark = mark
	s.owner.adopt(mark)
}

// MarkReleased takes key out of the books.
func (s *S3FIFO[K]) MarkReleased(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A key in ghost stays there: this is the release that follows its being named.
	if n := s.storedLocked(key); n != nil {
		s.owner.disown(n.mark)
		s.forgetLocked(n)
	}
}

// NextToRelease names a key of small or of main, while they hold more keys than the capacity together.
func (s *S3FIFO[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lenLocked() <= max(s.capacity, 0) {
		return key, false
	}
	smallShare, mainShare := s.sharesLocked()
	// Together they hold more than their shares, so if it is not small that holds too many, it is main. Each turn moves a key
	// from small to main or uses up one of the reads counted in main, so without readers the turns suffice. Readers at
	// work count further reads, and must not keep it going: whoever is reached after the last turn goes.
	for turns := s.small.len + s3fifoHits*s.main.len; ; turns-- {
		if s.small.len > smallShare {
			n := s.small.oldest
			if s.takeHitsLocked(n) > 1 && turns > 0 {
				n.moveTo(&s.main)
				continue
			}
			s.owner.disown(n.mark)
			n.mark = nil
			n.moveTo(&s.ghost)
			s.trimGhostLocked(mainShare)
			return n.key, true
		}
		n := s.main.oldest
		if hits := s.takeHitsLocked(n); hits > 0 && turns > 0 {
			n.hits = hits - 1
			n.moveTo(&s.main)
			continue
		}
		s.owner.disown(n.mark)
		s.forgetLocked(n)
		return n.key, true
	}
}

// Clear empties the books, the memory of keys that were stored once included.
func (s *S3FIFO[K]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = make(map[K]*node[K])
	s.small, s.main, s.ghost = queue[K]{}, queue[K]{}, queue[K]{}
}

// Len returns the number of keys in the books, those that are only remembered not included.
func (s *S3FIFO[K]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lenLocked()
}

// Capacity returns the number of keys allowed, as it was given.
func (s *S3FIFO[K]) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capacity
}

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all.
func (s *S3FIFO[K]) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
	_, mainShare := s.sharesLocked()
	s.trimGhostLocked(mainShare)
}

func (s *S3FIFO[K]) lenLocked() int { return s.small.len + s.main.len }

// sharesLocked returns what small and main may hold: the capacity together.
func (s *S3FIFO[K]) sharesLocked() (small, main int) {
	if s.capacity < 1 {
		return 0, 0
	}
	small = max(s.capacity/10, 1)
	return small, s.capacity - small
}

// storedLocked returns the node of key if it is in small or main, otherwise nil.
func (s *S3FIFO[K]) storedLocked(key K) *node[K] {
	if n := s.nodes[key]; n != nil && n.queue != &s.ghost {
		return n
	}
	return nil
}

// takeHitsLocked returns the reads of n that count and sets them to zero.
func (s *S3FIFO[K]) takeHitsLocked(n *node[K]) uint32 {
	hits := min(n.hits+s.owner.take(n.mark), s3fifoHits)
	n.hits = 0
	return hits
}

func (s *S3FIFO[K]) forgetLocked(n *node[K]) {
	delete(s.nodes, n.key)
	n.unlink()
}

func (s *S3FIFO[K]) trimGhostLocked(limit int) {
	for s.ghost.len > limit {
		s.forgetLocked(s.ghost.oldest)
	}
}
