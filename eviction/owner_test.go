package eviction

import (
	"math"
	"sync/atomic"
	"testing"

	"github.com/memoize-go/memoize/storage"
)

// The zero owner would take the mark of every new entry for its own.
func TestOwnerIsNeverZero(t *testing.T) {
	for _, start := range []uint32{0, 1<<24 - 3, math.MaxUint32 - 2} {
		var counter atomic.Uint32
		counter.Store(start)
		seen := make(map[owner]bool)
		for range 5 {
			o := newOwner(&counter)
			if o == 0 || o&hitBits != 0 || seen[o] {
				t.Errorf("after %#x: owner %#x is zero, overlaps with the hits or came before", start, o)
			}
			seen[o] = true
		}
	}
}

func TestOwnerKeepsToItsMarks(t *testing.T) {
	const mine, others owner = 0x100, 0x200
	var mark storage.Mark
	for _, word := range []uint32{0, 1, 0xff, uint32(others), uint32(others) | 1} {
		mark.Store(word)
		if mine.hit(&mark, 3) {
			t.Errorf("hit takes the word %#x for one of owner %#x", word, mine)
		}
		if got := mine.take(&mark); got != 0 {
			t.Errorf("take finds %d hits in the word %#x", got, word)
		}
		if got := mine.disown(&mark); got != 0 {
			t.Errorf("disown finds %d hits in the word %#x", got, word)
		}
		if got := mark.Load(); got != word {
			t.Errorf("the word %#x became %#x", word, got)
		}
	}
}

func TestOwnerCountsHits(t *testing.T) {
	const mine owner = 0x100
	var mark storage.Mark
	mine.adopt(&mark)
	for range 5 {
		if !mine.hit(&mark, 3) {
			t.Fatal("hit does not know its own mark")
		}
	}
	if got := mine.take(&mark); got != 3 {
		t.Errorf("take: %d hits, want the limit of 3", got)
	}
	if got := mine.take(&mark); got != 0 {
		t.Errorf("take again: %d hits, want 0", got)
	}
	mine.hit(&mark, 3)
	if got := mine.disown(&mark); got != 1 {
		t.Errorf("disown: %d hits, want 1", got)
	}
	if got := mark.Load(); got != 0 {
		t.Errorf("a disowned mark holds %#x, want 0", got)
	}
}
