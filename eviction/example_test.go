package eviction_test

import (
	"fmt"
	"sync"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// play tells a strategy what a cache would tell it: of the keys a, b and c being written, of two reads of a, and of
// the key d, which is one too many. Then it prints the victims.
func play(strategy eviction.Strategy[string]) {
	entries := make(map[string]*storage.Mark)
	for _, key := range []string{"a", "b", "c"} {
		entries[key] = new(storage.Mark)
		strategy.MarkWritten(key, entries[key])
	}
	strategy.MarkRead("a", entries["a"])
	strategy.MarkRead("a", entries["a"])
	strategy.MarkWritten("d", new(storage.Mark))
	for {
		victim, ok := strategy.NextToRelease()
		if !ok {
			break
		}
		fmt.Println("released", victim)
		strategy.MarkReleased(victim)
	}
}

// What counts is when a key was written.
func ExampleNewLeastRecentlyUpdated() {
	strategy := eviction.NewLeastRecentlyUpdated[string](3)
	play(strategy)
	fmt.Println(strategy.Len(), "of", strategy.Capacity())
	// Output:
	// released a
	// 3 of 3
}

// What counts is when a key was read or written.
func ExampleNewLeastRecentlyUsed() {
	strategy := eviction.NewLeastRecentlyUsed[string](3)
	play(strategy)
	fmt.Println(strategy.Len(), "of", strategy.Capacity())
	// Output:
	// released b
	// 3 of 3
}

// What counts is whether a key was read since the hand last passed it.
func ExampleNewSIEVE() {
	strategy := eviction.NewSIEVE[string](3)
	play(strategy)
	fmt.Println(strategy.Len(), "of", strategy.Capacity())
	// Output:
	// released b
	// 3 of 3
}

// What counts is how often a key was read.
func ExampleNewS3FIFO() {
	strategy := eviction.NewS3FIFO[string](3)
	play(strategy)
	fmt.Println(strategy.Len(), "of", strategy.Capacity())
	// Output:
	// released b
	// 3 of 3
}

// What counts is how often a key was used. Between b and c, which were used once, c is newer and has to prove itself.
func ExampleNewTinyLFU() {
	strategy := eviction.NewTinyLFU[string](3)
	play(strategy)
	fmt.Println(strategy.Len(), "of", strategy.Capacity())
	// Output:
	// released c
	// 3 of 3
}

// Nothing counts: the storage bounds itself.
func ExampleNone() {
	play(eviction.None[string]())
	fmt.Println("that was all")
	// Output:
	// that was all
}

// The cache calls NextToRelease until it has reached a smaller capacity.
func ExampleResizer() {
	strategy := eviction.NewLeastRecentlyUpdated[string](3)
	play(strategy)
	strategy.Resize(1)
	for {
		victim, ok := strategy.NextToRelease()
		if !ok {
			break
		}
		fmt.Println("released", victim)
	}
	// Output:
	// released a
	// released b
	// released c
}

// longestKey is a strategy of one's own: it names the longest key. It ignores reads, so it has no use for marks.
type longestKey struct {
	mu       sync.Mutex
	capacity int
	keys     map[string]bool // guarded by mu
}

func (*longestKey) MarkRead(string, *storage.Mark) {}

func (l *longestKey) MarkWritten(key string, _ *storage.Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = true
}

func (l *longestKey) MarkReleased(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}

func (l *longestKey) NextToRelease() (longest string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.keys) <= l.capacity {
		return "", false
	}
	for key := range l.keys {
		if len(key) >= len(longest) {
			longest = key
		}
	}
	delete(l.keys, longest) // a victim is out of the books once it is named
	return longest, true
}

func (l *longestKey) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.keys)
}

// Capacity lets the cache refuse a strategy that has no room for anything.
func (l *longestKey) Capacity() int { return l.capacity }

// A strategy of one's own. Its test is a call of evictiontest.Run.
func ExampleStrategy() {
	var strategy eviction.Strategy[string] = &longestKey{capacity: 2, keys: make(map[string]bool)}
	for _, key := range []string{"pear", "banana", "fig", "grape"} {
		strategy.MarkWritten(key, new(storage.Mark))
	}
	for {
		victim, ok := strategy.NextToRelease()
		if !ok {
			break
		}
		fmt.Println("released", victim)
	}
	// Output:
	// released banana
	// released grape
}
