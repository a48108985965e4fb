package eviction

import (
	"sync/atomic"

	"github.com/memoize-go/memoize/storage"
)

// hitBits are the bits of a mark's word that count hits. The others name the owner.
const hitBits = 0xff

// owner is the part of a mark's word that tells the words of one strategy from those of all others, and from the zero
// word of a new entry. Its low 8 bits are zero; there the hits are counted.
//
// A mark that bears the owner's word is the mark of a key in the owner's books, so a read needs no lookup. That may be
// untrue for a reader that fetched the entry just before it was replaced or released, and for entries from before a
// Clear: the hit that is counted then is one of an entry that is gone.
type owner uint32

var owners atomic.Uint32

// newOwner returns an owner that differs from the last 16 million ones that counter gave. Should a strategy live that
// long beside its double, each takes marks of the other for its own, and misses those hits.
func newOwner(counter *atomic.Uint32) owner {
	for {
		if o := owner(counter.Add(1) << 8); o != 0 {
			return o
		}
	}
}

// hit counts a hit, up to limit, in a mark that o owns, and reports whether o owns it. It writes nothing once limit is reached, so that
// a mark that is read often stays in the caches of all processors. A hit that collides with another one may be lost.
func (o owner) hit(mark *storage.Mark, limit uint32) (owned bool) {
	word := mark.Load()
	if !o.owns(word) {
		return false
	}
	if word&hitBits < limit {
		mark.CompareAndSwap(word, word+1)
	}
	return true
}

// saturated returns the word of a mark that o owns and in which hit writes nothing.
func (o owner) saturated(limit uint32) (word uint32) { return uint32(o) | limit }

// adopt makes o the owner of mark, without hits.
func (o owner) adopt(mark *storage.Mark) { mark.Store(uint32(o)) }

// take returns the hits counted in mark and sets them to zero.
func (o owner) take(mark *storage.Mark) (hits uint32) { return o.swap(mark, uint32(o)) }

// disown returns the hits counted in mark and gives it up: readers who still come with it have to look their key up.
func (o owner) disown(mark *storage.Mark) (hits uint32) { return o.swap(mark, 0) }

// swap puts word into a mark that o owns and returns the hits that it replaced. It ends soon, however many readers are at
// work: they stop writing at their limit.
func (o owner) swap(mark *storage.Mark, word uint32) (hits uint32) {
	for {
		old := mark.Load()
		if !o.owns(old) || old == word {
			return 0
		}
		if mark.CompareAndSwap(old, word) {
			return old & hitBits
		}
	}
}

func (o owner) owns(word uint32) bool { return word&^hitBits == uint32(o) }
