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

// What the cache leaves out must be what would have done nothing.
func TestSaturatedIsTheWordThatReadsLeaveAsItIs(t *testing.T) {
	type saturable interface {
		Strategy[string]
		Saturated() uint32
	}
	for name, s := range map[string]saturable{
		"SIEVE": NewSIEVE[string](4), "S3FIFO": NewS3FIFO[string](4), "TinyLFU": NewTinyLFU[string](4),
	} {
		var mark storage.Mark
		if s.Saturated() == mark.Load() {
			t.Errorf("%s: the mark of a new entry is saturated", name)
		}
		s.MarkWritten("a", &mark)
		for reads := 0; mark.Load() != s.Saturated(); reads++ {
			before := mark.Load()
			s.MarkRead("a", &mark)
			if mark.Load() == before || reads > hitBits {
				t.Fatalf("%s: after %d reads the word is %#x and stays so; %#x is said to be saturated", name, reads, before, s.Saturated())
			}
		}
		s.MarkRead("a", &mark)
		if mark.Load() != s.Saturated() {
			t.Errorf("%s: a read with a saturated mark makes it %#x", name, mark.Load())
		}
	}
}
