package eviction

import (
	"github.com/memoize-go/memoize/storage"
)

// S3FIFO is the [Strategy] of Yang, Zhang, Qiu, Yue and Rashmi, "FIFO queues are all you need for cache eviction",
// SOSP 2023.
//
// There are three queues: small and main for the keys that are stored, ghost for keys that small has lost. A key that
// is new enters small; one that is remembered in ghost enters main. The share of small is a tenth of the capacity and
// at least 1, that of main is the rest, and the victim comes from the queue that holds more than its share. The oldest
// key of small, if it was read twice or more, moves to main instead, where its count starts again; otherwise
// it is the victim, and is remembered in ghost. The oldest key of main, if it was read, becomes the newest there
// instead, with one read less on its account, of which 3 at most are counted; otherwise it is the victim. So keys that are
// read once pass through a small part of the cache only. Ghost holds as many keys as the share of main, and of
// each nothing but its hash.
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
	staged[K] // young is small

	ghost ghost // guarded by mu
}

var (
	_ Strategy[int] = (*S3FIFO[int])(nil)
	_ Resizer       = (*S3FIFO[int])(nil)
)

// NewS3FIFO returns a strategy that allows capacity keys.
func NewS3FIFO[K comparable](capacity int) *S3FIFO[K] {
	return &S3FIFO[K]{staged: newStaged[K](capacity)}
}

// MarkWritten lets key into small, or into main if it is remembered, or leaves a known key where and as it is.
func (s *S3FIFO[K]) MarkWritten(key K, mark *storage.Mark) {
	s.MarkWrittenHashed(s.hash.Of(key), key, mark)
}

// MarkWrittenHashed is MarkWritten with the hash of key, which the cache has made for itself.
func (s *S3FIFO[K]) MarkWrittenHashed(hash uint64, key K, mark *storage.Mark) {
	if !findable(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := s.ghost.newest(hash)
	id := s.books.find(hash, key)
	if id == noNode {
		if id = s.books.add(hash, key); id == noNode {
			return
		}
		if s.ghost.take(hash, newest) {
			s.pushToMainLocked(id)
		} else {
			s.books.push(&s.young, id)
		}
	}
	s.writtenLocked(id, mark)
}

// MarkReleased takes key out of the books.
func (s *S3FIFO[K]) MarkReleased(key K) {
	h := s.hash.Of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	// A key in ghost stays there: this is the release that follows its being named.
	if id := s.books.find(h, key); id != noNode {
		s.removeLocked(id)
	}
}

// NextToRelease names a key of small or of main, while they hold more keys than the capacity together.
func (s *S3FIFO[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books.len <= max(s.capacity, 0) {
		return key, false
	}
	smallShare, mainShare := s.sharesLocked()
	// Together they hold more than their shares, so if it is not small that holds too many, it is main. Each turn moves a key
	// from small to main or uses up one of the reads counted in main, so without readers the turns suffice. Readers at
	// work count further reads, and must not keep it going: whoever is reached after the last turn goes.
	for turns := s.young.len + maxHits*s.main.len; ; turns-- {
		if s.young.len > smallShare {
			id := s.young.oldest
			if s.takeHitsLocked(s.books.at(id)) > 1 && turns > 0 {
				s.promoteLocked(id)
				continue
			}
			key = s.removeLocked(id)
			s.ghost.add(s.hash.Of(key))
			s.ghost.trim(mainShare)
			return key, true
		}
		id := s.main.oldest
		n := s.books.at(id)
		if hits := s.takeHitsLocked(n); hits > 0 && turns > 0 {
			addHits(n, hits-1)
			s.books.renew(&s.main, id)
			continue
		}
		return s.removeLocked(id), true
	}
}

// Clear empties the books, the memory of keys that were stored once included.
func (s *S3FIFO[K]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	s.ghost = ghost{}
}

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all. It takes time in
// proportion to the keys that ghost has to forget.
func (s *S3FIFO[K]) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
	_, mainShare := s.sharesLocked()
	s.ghost.trim(mainShare)
}

// sharesLocked returns what small and main may hold: the capacity together.
func (s *S3FIFO[K]) sharesLocked() (small, main int) {
	if s.capacity < 1 {
		return 0, 0
	}
	small = max(s.capacity/10, 1)
	return small, s.capacity - small
}
