package eviction

import (
	"github.com/memoize-go/memoize/storage"
)

const (
	// tinyPeriod is after how many uses per key of the capacity the counts are halved. Reads count less than in the paper,
	// where it is 10: of those between two looks at a key, 3 count at most.
	tinyPeriod = 2

	// tinyMargin is how many times more a new key must have been used than the one that it is to replace. In a loop, the key
	// that comes now has one use more than those that are next, and must not replace them all the same.
	tinyMargin = 2

	// tinyWins is how many new keys a key of main may turn away before another one is tried, lest those that were popular
	// once keep out those that are popular now.
	tinyWins = 32

	// tinyTurns is how many keys of main are looked at for one victim.
	tinyTurns = 64
)

// TinyLFU is a [Strategy] after the W-TinyLFU of Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission
// Policy", ACM Transactions on Storage 13(4), 2017, with the queue of [SIEVE] in place of their LRU lists, so that a read
// takes no lock.
//
// There are a window for the keys that are new, with a share of a hundredth of the capacity and at least 1, and main for
// the others. A sketch estimates how often each key was used of late, stored or not: a write of a key that is not in the
// books is a use, and so is a read. When the window is full, its oldest key moves to main while there is room. Then it has
// to compete with a key of main, one that was not read since a hand last came by, as in SIEVE. If the new key was used at
// least 2 times more, it takes the other's place, and that one is the victim; otherwise the new key is the victim itself. So
// keys that are read in turn, over and over, in a loop that is longer than the capacity do not drive each other out: some
// of them stay.
//
// A read of an entry that came with its own mark takes no lock, and writes the count only while it is below 3. It gets into
// the sketch when the key is looked at next. A read with a mark that the strategy has not seen looks the key up under the
// lock. Writing a known key again is not a read: it keeps its place and its count. A victim takes constant time: no more
// than 64 keys are looked at.
//
// The newest key is not named while there is room for any key, because it is in the window. Victims and released keys keep
// their estimate. The sketch takes 8 bytes for each of the keys that were in the books at once.
//
// A TinyLFU holds on to the marks given to MarkWritten, hence to the entries that they are part of, until their keys
// are named or released.
type TinyLFU[K comparable] struct {
	staged[K] // young is the window

	sketch sketch // guarded by mu
	hand   uint32 // guarded by mu; the node of main to be looked at next, noNode: the oldest
	wins   int    // guarded by mu; how many new keys the one at the hand has turned away
}

var (
	_ Strategy[int] = (*TinyLFU[int])(nil)
	_ Resizer       = (*TinyLFU[int])(nil)
)

// NewTinyLFU returns a strategy that allows capacity keys.
func NewTinyLFU[K comparable](capacity int) *TinyLFU[K] {
	return &TinyLFU[K]{staged: newStaged[K](capacity)}
}

// MarkWritten lets key into the window, or leaves a known key where and as it is.
func (s *TinyLFU[K]) MarkWritten(key K, mark *storage.Mark) {
	s.MarkWrittenHashed(s.hash.Of(key), key, mark)
}

// MarkWrittenHashed is MarkWritten with the hash of key, which the cache has made for itself.
func (s *TinyLFU[K]) MarkWrittenHashed(hash uint64, key K, mark *storage.Mark) {
	if !findable(key) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.books.find(hash, key)
	if id == noNode {
		if id = s.books.add(hash, key); id == noNode {
			return
		}
		s.books.push(&s.young, id)
		s.sketch.fit(s.books.len)
		s.usedLocked(hash, 1)
		s.settleLocked()
	}
	s.writtenLocked(id, mark)
}

// MarkReleased takes key out of the books.
func (s *TinyLFU[K]) MarkReleased(key K) {
	h := s.hash.Of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(h, key); id != noNode {
		s.harvestLocked(id)
		s.dropLocked(id)
	}
}

// NextToRelease names a key of main or the oldest of the window, while they hold more keys than the capacity together.
func (s *TinyLFU[K]) NextToRelease() (key K, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books.len <= max(s.capacity, 0) {
		return key, false
	}
	s.settleLocked()
	windowShare, _ := s.sharesLocked()
	if s.main.len == 0 {
		return s.dropLocked(s.young.oldest), true
	}
	victim := s.victimLocked()
	if s.young.len <= windowShare {
		return s.dropLocked(victim), true
	}
	candidate := s.young.oldest
	s.harvestLocked(candidate)
	if s.estimateLocked(candidate) >= s.estimateLocked(victim)+tinyMargin {
		key = s.dropLocked(victim)
		s.promoteLocked(candidate)
		return key, true
	}
	if s.wins++; s.wins >= tinyWins {
		s.moveHandLocked(s.books.at(victim).newer)
	}
	return s.dropLocked(candidate), true
}

// Clear empties the books and forgets how often keys were used.
func (s *TinyLFU[K]) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clearLocked()
	s.sketch = sketch{}
	s.moveHandLocked(noNode)
}

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all.
func (s *TinyLFU[K]) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = capacity
}

// sharesLocked returns what the window and main may hold: the capacity together.
func (s *TinyLFU[K]) sharesLocked() (window, main int) {
	if s.capacity < 1 {
		return 0, 0
	}
	window = max(s.capacity/100, 1)
	return window, s.capacity - window
}

// settleLocked moves the oldest key of the window to main if the window is full and main is not. Two at a time suffice, as
// not more than one is written in between, and are not too many when there is a backlog because the capacity has grown.
func (s *TinyLFU[K]) settleLocked() {
	windowShare, mainShare := s.sharesLocked()
	for range 2 {
		if s.young.len > windowShare && s.main.len < mainShare {
			s.promoteLocked(s.young.oldest)
		}
	}
}

// victimLocked moves the hand to the next key of main that was not read since it last came by, and returns its node. Main
// must not be empty. If too many were read, whoever is reached will do.
func (s *TinyLFU[K]) victimLocked() uint32 {
	for turn := 1; ; turn++ {
		if s.hand == noNode {
			s.hand = s.main.oldest
		}
		if s.harvestLocked(s.hand) == 0 || turn == tinyTurns {
			return s.hand
		}
		s.moveHandLocked(s.books.at(s.hand).newer)
	}
}

func (s *TinyLFU[K]) moveHandLocked(id uint32) { s.hand, s.wins = id, 0 }

// harvestLocked returns the reads of a node since it was last looked at, and adds them to the sketch.
func (s *TinyLFU[K]) harvestLocked(id uint32) (hits uint32) {
	n := s.books.at(id)
	if hits = s.takeHitsLocked(n); hits > 0 {
		s.usedLocked(s.hash.Of(n.key), hits)
	}
	return hits
}

func (s *TinyLFU[K]) usedLocked(hash uint64, uses uint32) {
	// No overflow: without as many keys there is no need for a longer period.
	keys := max(min(s.capacity, s.books.len), 1)
	s.sketch.add(hash, uses, tinyPeriod*keys)
}

func (s *TinyLFU[K]) estimateLocked(id uint32) uint32 {
	return s.sketch.estimate(s.hash.Of(s.books.at(id).key))
}

// dropLocked takes a node out of the books and returns its key.
func (s *TinyLFU[K]) dropLocked(id uint32) K {
	if id == s.hand {
		s.moveHandLocked(s.books.at(id).newer)
	}
	return s.removeLocked(id)
}
