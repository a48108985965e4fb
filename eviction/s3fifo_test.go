package eviction_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// With room for 20 keys, small has a share of 2.
const s3fifoCapacity = 20

// filledS3FIFO holds the keys 0 to 19, all in small.
func filledS3FIFO() *cached[int] {
	c := cache(eviction.NewS3FIFO[int](s3fifoCapacity))
	for key := range s3fifoCapacity {
		c.write(key)
	}
	return c
}

// Keys that are read once at most go first, in the order in which they came; those that are read twice stay.
func TestS3FIFOOneHitWonders(t *testing.T) {
	c := filledS3FIFO()
	c.read(0, 1, 3)
	c.read(1, 3)
	var got []int
	for key := range 4 {
		got = append(got, c.write(100+key)...)
	}
	if diff := cmp.Diff([]int{0, 2, 4, 5}, got); diff != "" {
		t.Errorf("1 and 3 were read twice (-want +got):\n%s", diff)
	}

	// However many more come by, 1 and 3 are in main.
	for key := range 1000 {
		c.write(1000 + key)
	}
	if c.marks[1] == nil || c.marks[3] == nil {
		t.Error("1 and 3 were read twice, but gave way to keys that were never read")
	}
}

// A key that comes back while it is remembered enters main.
func TestS3FIFOGhost(t *testing.T) {
	const later = 200
	tests := []struct {
		name string
		// leave lets key 0 go.
		leave func(c *cached[int])
		stays bool
	}{
		{"named", func(c *cached[int]) { c.write(100) }, true},
		{"named long ago", func(c *cached[int]) {
			for key := range 19 { // the victims are 0 to 18, and main's share is 18
				c.write(100 + key)
			}
		}, false},
		{"named less long ago", func(c *cached[int]) {
			for key := range 18 {
				c.write(100 + key)
			}
		}, true},
		{"invalidated", func(c *cached[int]) { delete(c.marks, 0); c.MarkReleased(0) }, false},
		{"named and cleared", func(c *cached[int]) {
			c.write(100)
			c.Clear()
			clear(c.marks)
			for key := range s3fifoCapacity {
				c.write(100 + key)
			}
		}, false},
		{"named, then made smaller", func(c *cached[int]) {
			c.write(100)
			s := c.Strategy.(eviction.Resizer)
			s.Resize(1)
			s.Resize(s3fifoCapacity)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := filledS3FIFO()
			tt.leave(c)
			if c.marks[0] != nil {
				t.Fatal("key 0 is still there")
			}
			c.MarkRead(0, &storage.Mark{}) // late, and of no consequence
			c.write(0)
			for key := range 3 * s3fifoCapacity {
				c.write(later + key)
			}
			if got := c.marks[0] != nil; got != tt.stays {
				t.Errorf("key 0 is there after many others: %t, want %t", got, tt.stays)
			}
		})
	}
}

// A key in main goes when the reads on its account, 3 at most, are used up.
func TestS3FIFOMainCountsDown(t *testing.T) {
	c := cache(eviction.NewS3FIFO[string](3)) // shares of 1 and 2
	toMain := func(key string) (victims []string) {
		victims = c.write(key)
		c.read(key, key)
		return victims
	}
	toMain("a")
	toMain("b")
	toMain("c")
	if diff := cmp.Diff([]string{"a"}, toMain("d")); diff != "" { // a and b move to main, then c; a is its oldest
		t.Errorf("none in main was read (-want +got):\n%s", diff)
	}
	c.read("b", "b", "b", "b", "b")
	c.MarkRead("b", &storage.Mark{}) // together they count for 3
	c.write("b")
	c.read("b")
	var got []string
	for _, key := range []string{"e", "f", "g", "h", "i", "j", "k"} {
		got = append(got, toMain(key)...)
	}
	if diff := cmp.Diff([]string{"c", "d", "e", "f", "g", "h", "b"}, got); diff != "" { // every second one meets b
		t.Errorf("b was read often, long ago (-want +got):\n%s", diff)
	}
}

// A smaller capacity takes all rounds of main that are needed, in one call.
func TestS3FIFOMainAllRead(t *testing.T) {
	s := eviction.NewS3FIFO[string](3) // shares of 1 and 2
	c := cache(s)
	c.write("a", "b", "x")
	c.read("a", "a", "b", "b")
	if diff := cmp.Diff([]string{"x"}, c.write("c")); diff != "" { // a and b move to main
		t.Fatalf("x was not read (-want +got):\n%s", diff)
	}
	c.read("a", "a", "a", "b", "b", "b")
	s.Resize(2)
	if diff := cmp.Diff([]string{"a"}, c.drain()); diff != "" {
		t.Errorf("a and b were read three times each, a is older (-want +got):\n%s", diff)
	}
}

// The entry was named or released meanwhile, and another one came.
func TestS3FIFOReadWithReleasedMark(t *testing.T) {
	leave := map[string]func(c *cached[int]){
		"named out of small": func(c *cached[int]) { c.write(100) },
		"released":           func(c *cached[int]) { c.MarkReleased(0) },
	}
	for name, leave := range leave {
		c := filledS3FIFO()
		old := c.marks[0]
		leave(c)
		c.write(0)
		before := old.Load()
		c.MarkRead(0, old)
		if got := old.Load(); got != before {
			t.Errorf("key 0 was %s, but its old mark still counts: it became %#x", name, got)
		}
	}
}

func TestS3FIFOReadWithUnseenMark(t *testing.T) {
	double := eviction.NewS3FIFO[int](3)
	foreign := &storage.Mark{}
	double.MarkWritten(0, foreign)
	for name, mark := range map[string]*storage.Mark{"new": {}, "of another S3FIFO": foreign} {
		want := mark.Load()
		c := filledS3FIFO()
		c.MarkRead(0, mark)
		c.read(0) // together they are two
		if diff := cmp.Diff([]int{1}, c.write(100)); diff != "" {
			t.Errorf("key 0 was read with a mark that is %s; victims (-want +got):\n%s", name, diff)
		}
		if got := mark.Load(); got != want {
			t.Errorf("the word of a mark that is %s became %#x, want it left at %#x", name, got, want)
		}
	}
}

func TestS3FIFOUpdateKeepsCount(t *testing.T) {
	c := filledS3FIFO()
	c.read(1)
	c.write(0, 0, 0, 1)
	c.read(1)
	if diff := cmp.Diff([]int{0, 2}, c.write(100, 101)); diff != "" {
		t.Errorf("0 was updated, 1 was read before and after its update (-want +got):\n%s", diff)
	}
}

func TestS3FIFOReadWritesMarkThrice(t *testing.T) {
	testReadWritesMarkTimes(t, eviction.NewS3FIFO[int](10), 3)
}

// s3fifoModel is made of slices of keys, the oldest first.
type s3fifoModel struct {
	capacity           int
	small, main, ghost []int
	reads              map[int]int
}

func newS3FIFOModel(capacity int) *s3fifoModel {
	return &s3fifoModel{capacity: capacity, reads: make(map[int]int)}
}

func (m *s3fifoModel) smallShare() int { return max(1, m.capacity/10) }

func (m *s3fifoModel) stored(key int) bool {
	return slices.Contains(m.small, key) || slices.Contains(m.main, key)
}

func (m *s3fifoModel) read(key int) {
	if m.stored(key) {
		m.reads[key] = min(m.reads[key]+1, 3)
	}
}

func (m *s3fifoModel) write(key int) {
	switch {
	case m.stored(key):
		return
	case drop(&m.ghost, key):
		m.main = append(m.main, key)
	default:
		m.small = append(m.small, key)
	}
	m.reads[key] = 0
}

func (m *s3fifoModel) release(key int) (known bool) {
	return drop(&m.small, key) || drop(&m.main, key)
}

func (m *s3fifoModel) next() (key int, ok bool) {
	if m.len() <= m.capacity {
		return 0, false
	}
	for len(m.small) > m.smallShare() {
		key, m.small = m.small[0], m.small[1:]
		if m.reads[key] <= 1 {
			m.ghost = append(m.ghost, key)
			m.trim()
			return key, true
		}
		m.reads[key] = 0
		m.main = append(m.main, key)
	}
	for {
		key, m.main = m.main[0], m.main[1:]
		if m.reads[key] == 0 {
			return key, true
		}
		m.reads[key]--
		m.main = append(m.main, key)
	}
}

func (m *s3fifoModel) trim() {
	m.ghost = m.ghost[max(0, len(m.ghost)-(m.capacity-m.smallShare())):]
}

func (m *s3fifoModel) clear() { m.small, m.main, m.ghost = nil, nil, nil }

func (m *s3fifoModel) resize(capacity int) {
	m.capacity = capacity
	m.trim()
}

func (m *s3fifoModel) len() int { return len(m.small) + len(m.main) }

// drop removes key and reports whether it was there.
func drop(keys *[]int, key int) bool {
	i := slices.Index(*keys, key)
	if i < 0 {
		return false
	}
	*keys = slices.Delete(*keys, i, i+1)
	return true
}

func TestS3FIFOAgainstModel(t *testing.T) {
	againstModel(t, func(capacity int) (strategy[int], model) {
		return eviction.NewS3FIFO[int](capacity), newS3FIFOModel(capacity)
	})
}
