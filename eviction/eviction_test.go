package eviction_test

import (
	"math"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/eviction/evictiontest"
	"github.com/memoize-go/memoize/storage"
)

// strategy is what all strategies of this package have that keep books.
type strategy[K comparable] interface {
	eviction.Strategy[K]
	eviction.Resizer
	Len() int
	Capacity() int
}

var (
	_ strategy[int] = (*eviction.LeastRecentlyUpdated[int])(nil)
	_ strategy[int] = (*eviction.LeastRecentlyUsed[int])(nil)
	_ strategy[int] = (*eviction.SIEVE[int])(nil)
	_ strategy[int] = (*eviction.S3FIFO[int])(nil)
	_ strategy[int] = (*eviction.TinyLFU[int])(nil)
)

// constructor is one of them, for the tests that hold for all.
type constructor[K comparable] struct {
	name string
	new  func(capacity int) strategy[K]
}

func constructors[K comparable]() []constructor[K] {
	return []constructor[K]{
		{"LeastRecentlyUpdated", func(n int) strategy[K] { return eviction.NewLeastRecentlyUpdated[K](n) }},
		{"LeastRecentlyUsed", func(n int) strategy[K] { return eviction.NewLeastRecentlyUsed[K](n) }},
		{"SIEVE", func(n int) strategy[K] { return eviction.NewSIEVE[K](n) }},
		{"S3FIFO", func(n int) strategy[K] { return eviction.NewS3FIFO[K](n) }},
		{"TinyLFU", func(n int) strategy[K] { return eviction.NewTinyLFU[K](n) }},
	}
}

// cached is a strategy with the marks of the entries that a storage would hold.
type cached[K comparable] struct {
	eviction.Strategy[K]
	marks map[K]*storage.Mark
}

func cache[K comparable](s eviction.Strategy[K]) *cached[K] {
	return &cached[K]{s, make(map[K]*storage.Mark)}
}

// write stores new entries of keys and returns the victims.
func (c *cached[K]) write(keys ...K) (victims []K) {
	for _, key := range keys {
		c.marks[key] = &storage.Mark{}
		c.MarkWritten(key, c.marks[key])
		victims = append(victims, c.drain()...)
	}
	return victims
}

// drain releases what is too much.
func (c *cached[K]) drain() (victims []K) {
	for {
		key, ok := c.NextToRelease()
		if !ok {
			return victims
		}
		delete(c.marks, key)
		c.MarkReleased(key)
		victims = append(victims, key)
	}
}

// read reads the entries of keys, which must be there.
func (c *cached[K]) read(keys ...K) {
	for _, key := range keys {
		c.MarkRead(key, c.marks[key])
	}
}

// get reads key, or writes it if it is not there, and reports whether it was.
func (c *cached[K]) get(key K) (hit bool) {
	if mark := c.marks[key]; mark != nil {
		c.MarkRead(key, mark)
		return true
	}
	c.write(key)
	return false
}

func TestConformance(t *testing.T) {
	for _, c := range constructors[int]() {
		t.Run(c.name, func(t *testing.T) {
			evictiontest.Run(t, func(capacity int) eviction.Strategy[int] { return c.new(capacity) })
		})
	}
}

func TestCapacityBelowOneKeepsNothing(t *testing.T) {
	for _, c := range constructors[string]() {
		for _, capacity := range []int{0, -1, math.MinInt} {
			s := c.new(capacity)
			if got := s.Capacity(); got != capacity {
				t.Errorf("%s(%d): Capacity() = %d", c.name, capacity, got)
			}
			if key, ok := s.NextToRelease(); ok {
				t.Errorf("%s(%d): named %q while empty", c.name, capacity, key)
			}
			got := cache(s).write("a", "b", "a")
			if diff := cmp.Diff([]string{"a", "b", "a"}, got); diff != "" {
				t.Errorf("%s(%d): victims (-want +got):\n%s", c.name, capacity, diff)
			}
		}
	}
}

func TestResizeBelowOneNamesEverything(t *testing.T) {
	for _, c := range constructors[int]() {
		s := c.new(30)
		cc := cache(s)
		for key := range 30 {
			cc.write(key)
			cc.read(key)
			cc.read(key)
		}
		s.Resize(10) // S3FIFO has keys in main now
		cc.drain()
		s.Resize(-1)
		if got := s.Capacity(); got != -1 {
			t.Errorf("%s: Capacity() = %d after Resize(-1)", c.name, got)
		}
		if got := len(cc.drain()); got != 10 {
			t.Errorf("%s: %d victims after Resize(-1), want 10", c.name, got)
		}
		if got := s.Len(); got != 0 {
			t.Errorf("%s: Len() = %d after Resize(-1), want 0", c.name, got)
		}
		s.Resize(1)
		if got := cc.write(1); got != nil {
			t.Errorf("%s: named %v after Resize(1)", c.name, got)
		}
	}
}

// With room for one key, the one that was just written stays.
func TestNewestKeyStaysAtCapacityOne(t *testing.T) {
	for _, c := range constructors[int]() {
		cc := cache(eviction.Strategy[int](c.new(1)))
		for key := range 10 {
			cc.write(key)
			for range key % 4 {
				cc.read(key)
			}
			for other := range cc.marks {
				if other != key {
					t.Errorf("%s: key %d is there after key %d was written", c.name, other, key)
				}
			}
			if len(cc.marks) != 1 {
				t.Errorf("%s: %d keys are there after key %d was written, want 1", c.name, len(cc.marks), key)
			}
		}
	}
}

// However often the others were read, a new key is not its own victim.
func TestNewestKeyStaysAmongPopularOnes(t *testing.T) {
	for _, c := range constructors[int]() {
		for capacity := 1; capacity < 25; capacity++ {
			cc := cache(eviction.Strategy[int](c.new(capacity)))
			for key := range 4 * capacity {
				for _, victim := range cc.write(key) {
					if victim == key {
						t.Fatalf("%s(%d): the victim of writing key %d is itself", c.name, capacity, key)
					}
				}
				for other := range cc.marks {
					cc.read(other, other, other, other)
				}
			}
		}
	}
}

func TestKeysThatDoNotEqualThemselves(t *testing.T) {
	nan := math.NaN()
	for _, c := range constructors[float64]() {
		s := c.new(2)
		cc := cache(eviction.Strategy[float64](s))
		cc.write(1)
		for range 5 {
			if got := cc.write(nan); got != nil {
				t.Errorf("%s: victims of writing NaN: %v", c.name, got)
			}
			s.MarkRead(nan, &storage.Mark{})
			s.MarkReleased(nan)
		}
		if got := s.Len(); got != 1 {
			t.Errorf("%s: Len() = %d with one number and NaN, want 1", c.name, got)
		}
	}
	for _, c := range constructors[any]() {
		s := c.new(2)
		s.MarkWritten([2]any{"a", nan}, &storage.Mark{})
		if got := s.Len(); got != 0 {
			t.Errorf("%s: Len() = %d with an array that holds NaN, want 0", c.name, got)
		}
	}
}

// A key without a hash panics, but leaves no lock held.
func TestPanicLeavesNoLock(t *testing.T) {
	unhashable := []int{1}
	for _, c := range constructors[any]() {
		s := c.new(1)
		for name, call := range map[string]func(){
			"MarkRead":     func() { s.MarkRead(unhashable, &storage.Mark{}) },
			"MarkWritten":  func() { s.MarkWritten(unhashable, &storage.Mark{}) },
			"MarkReleased": func() { s.MarkReleased(unhashable) },
		} {
			panicked := func() (panicked bool) {
				defer func() { panicked = recover() != nil }()
				call()
				return false
			}()
			// Reads mean nothing to LeastRecentlyUpdated.
			if want := !(name == "MarkRead" && c.name == "LeastRecentlyUpdated"); panicked != want {
				t.Errorf("%s: %s of a key without a hash: panicked is %t, want %t", c.name, name, panicked, want)
			}
		}
		cc := cache(eviction.Strategy[any](s))
		if diff := cmp.Diff([]any{"a"}, cc.write("a", "b")); diff != "" {
			t.Errorf("%s: victims (-want +got):\n%s", c.name, diff)
		}
	}
}

// Readers that never pause must not keep NextToRelease from finding a victim.
func TestVictimsWhileEverythingIsRead(t *testing.T) {
	const capacity, writes = 64, 500
	for _, c := range constructors[int]() {
		t.Run(c.name, func(t *testing.T) {
			s := c.new(capacity)
			var marks [capacity + writes]storage.Mark
			done := make(chan struct{})
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						for key := range marks {
							s.MarkRead(key, &marks[key])
						}
					}
				})
			}
			victims := 0
			for key := range marks {
				s.MarkWritten(key, &marks[key])
				for {
					victim, ok := s.NextToRelease()
					if !ok {
						break
					}
					s.MarkReleased(victim)
					victims++
				}
			}
			close(done)
			readers.Wait()
			if victims != writes {
				t.Errorf("%d victims of %d keys with room for %d, want %d", victims, len(marks), capacity, writes)
			}
		})
	}
}

func TestReadsDoNotAllocate(t *testing.T) {
	for _, c := range constructors[int]() {
		cc := cache(eviction.Strategy[int](c.new(10)))
		cc.write(1, 2, 3)
		if allocs := testing.AllocsPerRun(100, func() { cc.MarkRead(1, cc.marks[1]) }); allocs != 0 {
			t.Errorf("%s: MarkRead allocates %v times", c.name, allocs)
		}
	}
}

// A new key and its victim cost no allocation once the books have reached their size.
func TestWritesDoNotAllocate(t *testing.T) {
	type key struct {
		name string
		n    int
	}
	writesDoNotAllocate(t, func(i int) int { return i })
	writesDoNotAllocate(t, func(i int) string { return "0123456789abcdefghijklmnopqrstuvwxyz"[i%30 : i%30+1] })
	writesDoNotAllocate(t, func(i int) key { return key{"name", i} })
	pointers := make([]byte, 1<<10)
	writesDoNotAllocate(t, func(i int) *byte { return &pointers[i%len(pointers)] })
}

func writesDoNotAllocate[K comparable](t *testing.T, key func(i int) K) {
	t.Helper()
	for _, c := range constructors[K]() {
		s := c.new(20)
		var mark storage.Mark
		i := 0
		write := func() {
			s.MarkWritten(key(i), &mark)
			if victim, ok := s.NextToRelease(); ok {
				s.MarkReleased(victim)
			}
			i++
		}
		for range 1000 {
			write()
		}
		if allocs := testing.AllocsPerRun(1000, write); allocs != 0 {
			t.Errorf("%s: a new key of type %T allocates %v times", c.name, key(0), allocs)
		}
	}
}

// big is a value that is collected by itself.
type big [1 << 10]byte

// writeEntry writes key with an entry that nobody else holds.
func writeEntry(s eviction.Strategy[int], key int) weak.Pointer[storage.Entry[big]] {
	entry := storage.NewEntry(big{}, time.Time{}, time.Time{}, time.Time{})
	s.MarkWritten(key, entry.Mark())
	return weak.Make(entry)
}

// A mark is part of its entry: whoever holds on to it keeps the value in memory.
func TestEntriesAreNotKeptAlive(t *testing.T) {
	for _, c := range constructors[int]() {
		leave := map[string]func(s strategy[int]){
			"replaced": func(s strategy[int]) { s.MarkWritten(0, &storage.Mark{}) },
			"named": func(s strategy[int]) {
				s.MarkWritten(1, &storage.Mark{})
				for key, ok := s.NextToRelease(); !ok || key != 0; key, ok = s.NextToRelease() {
					if !ok {
						s.Resize(s.Capacity() - 1)
					}
				}
			},
			"released": func(s strategy[int]) { s.MarkReleased(0) },
			"cleared":  func(s strategy[int]) { s.Clear() },
		}
		for name, leave := range leave {
			s := c.new(10)
			entry := writeEntry(s, 0)
			for key := range 9 {
				s.MarkWritten(10+key, &storage.Mark{})
			}
			leave(s)
			runtime.GC()
			if entry.Value() != nil {
				t.Errorf("%s keeps an entry alive that was %s", c.name, name)
			}
			runtime.KeepAlive(s)
		}
	}
}

func TestNone(t *testing.T) {
	s := eviction.None[int]()
	mark := &storage.Mark{}
	for key := range 10_000 {
		s.MarkWritten(key, mark)
		s.MarkRead(key, mark)
		if victim, ok := s.NextToRelease(); ok {
			t.Fatalf("named key %d", victim)
		}
	}
	s.MarkReleased(1)
	s.Clear()
	if victim, ok := s.NextToRelease(); ok {
		t.Errorf("named key %d after Clear", victim)
	}
	if got := mark.Load(); got != 0 {
		t.Errorf("the mark holds %#x, want it untouched", got)
	}
	if _, ok := s.(interface{ Capacity() int }); ok {
		t.Error("has a capacity")
	}
}

// The strategy of the example is a good one as well: the suite is not made for ours alone.
func TestExampleConforms(t *testing.T) {
	evictiontest.Run(t, func(capacity int) eviction.Strategy[int] {
		return byString{&longestKey{capacity: capacity, keys: make(map[string]bool)}}
	})
}

// byString is a strategy for numbers made of one for strings.
type byString struct{ *longestKey }

func (b byString) MarkRead(key int, mark *storage.Mark) {
	b.longestKey.MarkRead(strconv.Itoa(key), mark)
}
func (b byString) MarkWritten(key int, mark *storage.Mark) {
	b.longestKey.MarkWritten(strconv.Itoa(key), mark)
}
func (b byString) MarkReleased(key int) { b.longestKey.MarkReleased(strconv.Itoa(key)) }
func (b byString) NextToRelease() (key int, ok bool) {
	s, ok := b.longestKey.NextToRelease()
	if !ok {
		return 0, false
	}
	key, err := strconv.Atoi(s)
	return key, err == nil
}
