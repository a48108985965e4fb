package eviction_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// The hand stays between victims, and what it spared keeps its place: that makes SIEVE another thing than second chance.
func TestSIEVETrace(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](7))
	c.write("a", "b", "c", "d", "e", "f", "g")
	c.read("a", "b", "g")
	steps := []struct {
		write string
		read  []string
		want  []string
	}{
		{write: "h", want: []string{"c"}},                      // spares a and b, and stops before d
		{write: "a", want: nil},                                // an update; a keeps its place and its cleared bit
		{read: []string{"d"}, write: "i", want: []string{"e"}}, // spares d
		{write: "j", want: []string{"f"}},
		{write: "k", want: []string{"h"}}, // spares g
		{write: "l", want: []string{"i"}},
		{write: "m", want: []string{"j"}},
		{read: []string{"k", "l", "m", "b"}, write: "n", want: []string{"a"}}, // spares k, l and m, comes around
		{write: "o", want: []string{"d"}},                                     // spares b
	}
	for _, step := range steps {
		c.read(step.read...)
		if diff := cmp.Diff(step.want, c.write(step.write)); diff != "" {
			t.Errorf("victims of writing %s (-want +got):\n%s", step.write, diff)
		}
	}
}

func TestSIEVEReadWithUnseenMark(t *testing.T) {
	double := eviction.NewSIEVE[string](3) // has its own words
	foreign := &storage.Mark{}
	double.MarkWritten("a", foreign)
	arbitrary := &storage.Mark{}
	arbitrary.Store(1)
	for name, mark := range map[string]*storage.Mark{
		"new": {}, "of another SIEVE": foreign, "arbitrary": arbitrary,
	} {
		want := mark.Load()
		c := cache(eviction.NewSIEVE[string](3))
		c.write("a", "b", "c")
		c.MarkRead("a", mark)
		if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
			t.Errorf("a was read with a mark that is %s; victims (-want +got):\n%s", name, diff)
		}
		if got := mark.Load(); got != want {
			t.Errorf("the word of a mark that is %s became %#x, want it left at %#x", name, got, want)
		}
	}
}

// The mark's own word was overwritten, by a strategy that has the same entries.
func TestSIEVEMarkTakenOver(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](3))
	c.write("a", "b", "c")
	c.marks["a"].Store(0xabcdef01)
	c.read("a")
	if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
		t.Errorf("a was read (-want +got):\n%s", diff)
	}
	if got := c.marks["a"].Load(); got != 0xabcdef01 {
		t.Errorf("the other's word became %#x", got)
	}
}

// A reader that still has the replaced entry, or a storage that kept it, counts as well.
func TestSIEVEReadWithReplacedMark(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](3))
	c.write("a", "b", "c")
	old := c.marks["a"]
	c.write("a")
	c.MarkRead("a", old)
	if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
		t.Errorf("a was read (-want +got):\n%s", diff)
	}
}

// The entry was released meanwhile, and another one came.
func TestSIEVEReadWithReleasedMark(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](3))
	c.write("a")
	old := c.marks["a"]
	c.MarkReleased("a")
	c.write("a", "b", "c")
	c.MarkRead("a", old)
	if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
		t.Errorf("a was read (-want +got):\n%s", diff)
	}
}

func TestSIEVEUpdateKeepsBit(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](3))
	c.write("a", "b", "c")
	c.read("b")
	c.write("a", "b")
	if diff := cmp.Diff([]string{"a", "c"}, c.write("d", "e")); diff != "" {
		t.Errorf("a was updated, b was read and updated (-want +got):\n%s", diff)
	}
}

func TestSIEVEReadWritesMarkOnce(t *testing.T) {
	testReadWritesMarkTimes(t, eviction.NewSIEVE[int](10), 1)
}

// testReadWritesMarkTimes checks that the word of a mark changes with the first n reads only, in the first entry of a key
// and in those that replace it.
func testReadWritesMarkTimes(t *testing.T, s eviction.Strategy[int], n int) {
	t.Helper()
	for range 3 {
		mark := &storage.Mark{}
		s.MarkWritten(1, mark)
		changes := 0
		for range 100 {
			before := mark.Load()
			s.MarkRead(1, mark)
			if mark.Load() != before {
				changes++
			}
		}
		if changes != n {
			t.Errorf("100 reads changed the mark %d times, want %d", changes, n)
		}
	}
}

// The key under the hand is released: the hand goes on from there.
func TestSIEVEReleaseUnderTheHand(t *testing.T) {
	c := cache(eviction.NewSIEVE[string](5))
	c.write("a", "b", "c", "d", "e")
	c.read("a")
	if diff := cmp.Diff([]string{"b"}, c.write("f")); diff != "" { // now the hand is at c
		t.Fatalf("a was read (-want +got):\n%s", diff)
	}
	c.MarkReleased("c")
	if diff := cmp.Diff([]string{"d"}, c.write("g", "h")); diff != "" {
		t.Errorf("a was passed by the hand already (-want +got):\n%s", diff)
	}
}

// The hand comes to rest on the newest key when the one below it is released.
func TestSIEVENewestStaysUnderTheHand(t *testing.T) {
	s := eviction.NewSIEVE[string](4)
	c := cache(s)
	c.write("a", "b", "c", "d")
	c.read("a", "b")
	if diff := cmp.Diff([]string{"c"}, c.write("e")); diff != "" { // now the hand is at d
		t.Fatalf("a and b were read (-want +got):\n%s", diff)
	}
	s.MarkReleased("d")
	s.Resize(1)
	if diff := cmp.Diff([]string{"a", "b"}, c.drain()); diff != "" {
		t.Errorf("e was written last (-want +got):\n%s", diff)
	}
}

// paperSIEVE follows the pseudocode of the paper: a victim is found before the new key is inserted. So it has room for
// capacity keys at all times, where the strategy has one more until it is asked.
type paperSIEVE struct {
	capacity    int
	newestFirst []int
	visited     map[int]bool
	hand        int // -1: none
}

func (p *paperSIEVE) get(key int) { p.visited[key] = true }

func (p *paperSIEVE) set(key int) (victims []int) {
	if slices.Contains(p.newestFirst, key) {
		return nil
	}
	if len(p.newestFirst) == p.capacity {
		i := slices.Index(p.newestFirst, p.hand)
		if i < 0 {
			i = p.capacity - 1
		}
		for p.visited[p.newestFirst[i]] {
			p.visited[p.newestFirst[i]] = false
			if i--; i < 0 {
				i = p.capacity - 1
			}
		}
		victims = append(victims, p.newestFirst[i])
		p.remove(i)
	}
	p.newestFirst = slices.Insert(p.newestFirst, 0, key)
	p.visited[key] = false
	return victims
}

// remove also moves the hand, which is at the key that is removed.
func (p *paperSIEVE) remove(i int) {
	p.hand = -1
	if i > 0 {
		p.hand = p.newestFirst[i-1]
	}
	p.newestFirst = slices.Delete(p.newestFirst, i, i+1)
}

func (p *paperSIEVE) release(key int) {
	i := slices.Index(p.newestFirst, key)
	switch {
	case i < 0:
	case key == p.hand:
		p.remove(i)
	default:
		p.newestFirst = slices.Delete(p.newestFirst, i, i+1)
	}
}

func TestSIEVEAgainstPaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 12).Draw(t, "capacity")
		keys := rapid.IntRange(0, 20)
		c := cache(eviction.NewSIEVE[int](capacity))
		p := &paperSIEVE{capacity: capacity, visited: make(map[int]bool), hand: -1}
		read := func(t *rapid.T) {
			if key := keys.Draw(t, "key"); c.marks[key] != nil {
				c.read(key)
				p.get(key)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"read":       read,
			"read again": read,
			"read unseen": func(t *rapid.T) {
				if key := keys.Draw(t, "key"); c.marks[key] != nil {
					c.MarkRead(key, &storage.Mark{})
					p.get(key)
				}
			},
			"set": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				if diff := cmp.Diff(p.set(key), c.write(key)); diff != "" {
					t.Fatalf("victims of writing %d (-paper +got):\n%s", key, diff)
				}
			},
			"release": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				delete(c.marks, key)
				c.MarkReleased(key)
				p.release(key)
			},
		})
	})
}
