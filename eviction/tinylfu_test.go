package eviction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// With room for 100 keys, the window has a share of 1.
const tinyLFUCapacity = 100

// filledTinyLFU holds the keys 0 to 98 in main, and 99 in the window.
func filledTinyLFU() *cached[int] {
	s := eviction.NewTinyLFU[int](tinyLFUCapacity)
	s.MakeRoom()
	c := cache(eviction.Strategy[int](s))
	for key := range tinyLFUCapacity {
		c.write(key)
	}
	return c
}

// Keys that are new are the victims themselves, one after the other, until one is used at least two times more than
// one that is there.
func TestTinyLFUAdmission(t *testing.T) {
	tests := []struct {
		name string
		// use makes use of key 200, and leaves it in the window.
		use  func(c *cached[int])
		want int // the victim when it leaves the window
	}{
		{"written", func(c *cached[int]) { c.write(200) }, 200},
		{"written and read once", func(c *cached[int]) { c.write(200); c.read(200) }, 200},
		{"written and read twice", func(c *cached[int]) { c.write(200); c.read(200, 200) }, 0},
		{"read with an unseen mark", func(c *cached[int]) {
			c.write(200)
			c.MarkRead(200, &storage.Mark{})
			c.MarkRead(200, &storage.Mark{})
		}, 0},
		{"written three times in a row", func(c *cached[int]) { c.write(200, 200, 200) }, 200},
		{"read and rewritten", func(c *cached[int]) { c.write(200); c.read(200); c.write(200); c.read(200) }, 0},
		{"come twice", func(c *cached[int]) { c.write(200, 300, 200) }, 200},
		{"come three times", func(c *cached[int]) { c.write(200, 300, 200, 301, 200) }, 0},
		{"come twice, read in between", func(c *cached[int]) { c.write(200); c.read(200); c.write(300, 200) }, 0},
		{"read and released", func(c *cached[int]) { c.write(200); c.read(200); c.MarkReleased(200); c.write(200) }, 0},
		{"come three times, cleared in between", func(c *cached[int]) {
			c.write(200, 300, 200)
			c.Clear()
			c.Strategy.(*eviction.TinyLFU[int]).MakeRoom()
			for key := range tinyLFUCapacity {
				c.write(1000 + key)
			}
			c.write(200)
		}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := filledTinyLFU()
			tt.use(c)
			if diff := cmp.Diff([]int{tt.want}, c.write(400)); diff != "" {
				t.Errorf("victims (-want +got):\n%s", diff)
			}
		})
	}
}

// Keys of main that were read since the hand last came by are passed over.
func TestTinyLFUHandSparesWhatIsRead(t *testing.T) {
	c := filledTinyLFU()
	c.read(0, 1, 3)
	var got []int
	for key := 200; key < 204; key++ {
		got = append(got, c.write(key)...)
		c.read(key, key)
	}
	if diff := cmp.Diff([]int{99, 2, 4, 5}, got); diff != "" {
		t.Errorf("0, 1 and 3 were read (-want +got):\n%s", diff)
	}
}

// A key that nobody reads does not stay because nobody ever looks at another one.
func TestTinyLFUHandMovesOn(t *testing.T) {
	for _, turnedAway := range []int{31, 32} {
		c := filledTinyLFU()
		for key := range turnedAway {
			if diff := cmp.Diff([]int{99 + key}, c.write(100+key)); diff != "" {
				t.Fatalf("victims of a key that was not read (-want +got):\n%s", diff)
			}
		}
		last := 99 + turnedAway
		c.read(last, last)
		want := 0
		if turnedAway == 32 {
			want = 1
		}
		if diff := cmp.Diff([]int{want}, c.write(500)); diff != "" {
			t.Errorf("0 turned %d keys away; victims (-want +got):\n%s", turnedAway, diff)
		}
	}
}

// The key under the hand is released: the hand goes on from there.
func TestTinyLFUReleaseUnderTheHand(t *testing.T) {
	c := filledTinyLFU()
	c.read(0)
	c.write(200) // the hand is at 1
	c.MarkReleased(1)
	c.write(201) // takes the free place
	c.write(202)
	c.read(202, 202)
	if diff := cmp.Diff([]int{2}, c.write(203)); diff != "" {
		t.Errorf("0 was passed by the hand already (-want +got):\n%s", diff)
	}
}

// Everything is read all the time: a victim is found soon, and it is an old key.
func TestTinyLFUAllRead(t *testing.T) {
	c := filledTinyLFU()
	for round := range 10 {
		for key := range c.marks {
			c.read(key, key, key)
		}
		if got := c.write(200 + round); len(got) != 1 || got[0] == 200+round {
			t.Errorf("victims: %v, want one that was there", got)
		}
	}
}

// However many were read, a victim is found after a look at few keys.
func TestTinyLFULooksAtFew(t *testing.T) {
	const capacity = 1000
	c := cache(eviction.NewTinyLFU[int](capacity))
	for key := range capacity {
		c.write(key)
	}
	for key := range c.marks {
		c.read(key)
	}
	before := make(map[int]uint32)
	for key, mark := range c.marks {
		before[key] = mark.Load()
	}
	c.write(capacity)
	lookedAt := 0
	for key, word := range before {
		if mark := c.marks[key]; mark == nil || mark.Load() != word {
			lookedAt++
		}
	}
	if lookedAt == 0 || lookedAt > 65 { // of main, and the one that left the window
		t.Errorf("%d of %d keys were looked at for one victim", lookedAt, capacity)
	}
}

// Keys that were written while there was no room for them move to main, after it has grown, in steps.
func TestTinyLFUBacklog(t *testing.T) {
	s := eviction.NewTinyLFU[int](10)
	c := cache(eviction.Strategy[int](s))
	for key := range 5000 {
		c.marks[key] = &storage.Mark{}
		s.MarkWritten(key, c.marks[key])
	}
	s.Resize(5000)
	for key := range 1000 {
		if got := c.write(5000 + key); len(got) != 1 {
			t.Fatalf("victims of key %d: %v, want one", 5000+key, got)
		}
	}
	s.Resize(0)
	if got := len(c.drain()); got != 5000 {
		t.Errorf("%d victims after Resize(0), want 5000", got)
	}
}

func TestTinyLFUReadWritesMarkThrice(t *testing.T) {
	testReadWritesMarkTimes(t, eviction.NewTinyLFU[int](10), 3)
}

// The entry was named or released meanwhile, and another one came.
func TestTinyLFUReadWithReleasedMark(t *testing.T) {
	leave := map[string]func(c *cached[int]){
		"named":    func(c *cached[int]) { c.write(100) },
		"released": func(c *cached[int]) { c.MarkReleased(99) },
	}
	for name, leave := range leave {
		c := filledTinyLFU()
		old := c.marks[99]
		leave(c)
		c.write(99)
		before := old.Load()
		c.MarkRead(99, old)
		if got := old.Load(); got != before {
			t.Errorf("key 99 was %s, but its old mark still counts: it became %#x", name, got)
		}
	}
}
