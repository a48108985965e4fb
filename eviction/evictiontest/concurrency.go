package evictiontest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// goroutines is how many work at once.
const goroutines = 8

// together runs f in all goroutines at once and fails if one of them does.
func together(f func(id int)) {
	errs := make([]error, goroutines)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for id := range goroutines {
		wg.Go(func() {
			<-start
			errs[id] = protect(func() { f(id) })
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		panic(violation{err})
	}
}

// noVictimTwice asks for all victims from all goroutines.
func noVictimTwice(new factory) {
	const capacity, tooMany = 10, 2000
	b := fill(new, capacity, capacity+tooMany)
	named := make([][]int, goroutines)
	together(func(id int) {
		// One more than there can be, so that a strategy that never stops is stopped.
		for len(named[id]) <= tooMany {
			key, ok := b.strategy.NextToRelease()
			if !ok {
				return
			}
			named[id] = append(named[id], key)
		}
	})
	for _, keys := range named {
		for _, key := range keys {
			if b.known[key] == nil {
				failf("NextToRelease named key %d twice, or without a MarkWritten", key)
			}
			delete(b.known, key)
		}
	}
	if len(b.known) != capacity {
		failf("%d keys are left after %d goroutines had named all that were too many, want %d", len(b.known), goroutines, capacity)
	}
	b.drain()
	b.empty(10_000)
}

// noKeyLost writes every key once, so that afterwards it is plain where each one ought to be.
func noKeyLost(new factory) {
	const capacity, perGoroutine = 50, 400
	strategy := new(capacity)
	written := make([]map[int]*storage.Mark, goroutines)
	released := make([]map[int]bool, goroutines)
	named := make([]map[int]bool, goroutines)
	together(func(id int) {
		rng := rand.New(rand.NewPCG(2, uint64(id)))
		mine := make(map[int]*storage.Mark)
		written[id], released[id], named[id] = mine, make(map[int]bool), make(map[int]bool)
		for i := range perGoroutine {
			key := id*perGoroutine + i
			mine[key] = &storage.Mark{}
			strategy.MarkWritten(key, mine[key])
			earlier := key - rng.IntN(i+1)
			strategy.MarkRead(earlier, mine[earlier])
			strategy.MarkRead(earlier, &storage.Mark{})
			if rng.IntN(4) == 0 {
				strategy.MarkReleased(earlier)
				released[id][earlier] = true
			}
			if victim, ok := strategy.NextToRelease(); ok {
				if named[id][victim] {
					failf("NextToRelease named key %d twice without a MarkWritten in between", victim)
				}
				named[id][victim] = true
			}
		}
	})

	b := &books{strategy: strategy, capacity: capacity, known: make(map[int]*storage.Mark)}
	gone := make(map[int]bool)
	for id := range goroutines {
		for key := range named[id] {
			if gone[key] {
				failf("NextToRelease named key %d twice without a MarkWritten in between", key)
			}
			gone[key] = true
		}
		maps.Copy(b.known, written[id])
	}
	for key := range gone {
		if b.known[key] == nil {
			failf("NextToRelease named key %d, which was never written", key)
		}
	}
	for id := range goroutines {
		maps.Copy(gone, released[id])
	}
	for key := range gone {
		delete(b.known, key)
	}
	b.compare("after %d goroutines were done", goroutines)
	b.drain()

	// The books are at or below capacity now. Fresh keys show whether as many are in them as ought to be.
	for key := 1_000_000; len(b.known) <= b.capacity; key++ {
		b.write(key)
	}
	b.drain()
	b.empty(2_000_000)
}

// anyCallsAtOnce makes all calls for a few keys that all goroutines share. Which of them are in the books at the end depends on
// the schedule, but whichever it is, they can be released. Then all goroutines write all keys, so that what is wrong with keys that
// are written again, named or released shows under every schedule.
func anyCallsAtOnce(new factory) {
	const capacity, keys, calls = 10, 30, 2000
	strategy := new(capacity)

	// The locks are those of the cache: writes and releases of one key come in order. Marks are read without them.
	var locks [keys]sync.Mutex
	locked := func(key int, f func()) {
		locks[key].Lock()
		defer locks[key].Unlock()
		f()
	}
	entries := newMarks(keys)
	together(func(id int) {
		rng := rand.New(rand.NewPCG(3, uint64(id)))
		for range calls {
			key := rng.IntN(keys)
			mark := entries[key][rng.IntN(len(entries[key]))]
			switch rng.IntN(16) {
			default:
				strategy.MarkRead(key, mark)
			case 0, 1, 2:
				locked(key, func() { strategy.MarkWritten(key, mark) })
			case 3:
				locked(key, func() { strategy.MarkReleased(key) })
			case 4, 5:
				victim, ok := strategy.NextToRelease()
				if !ok {
					break
				}
				if victim < 0 || victim >= keys {
					failf("NextToRelease named key %d, which was never written", victim)
				}
				locked(victim, func() { strategy.MarkReleased(victim) })
			case 6:
				strategy.MarkRead(key, &storage.Mark{})
			case 7:
				if rng.IntN(100) == 0 {
					strategy.Clear()
				}
			case 8:
				if r, ok := strategy.(eviction.Resizer); ok {
					r.Resize(1 + rng.IntN(capacity))
				}
			}
		}
	})

	if r, ok := strategy.(eviction.Resizer); ok {
		r.Resize(capacity)
	}
	b := &books{strategy: strategy, capacity: capacity, known: make(map[int]*storage.Mark)}
	releaseAll := func() {
		for key := range keys {
			strategy.MarkReleased(key)
		}
		b.compare("after all keys were released")
		b.drain()
		b.empty(1000)
		for key := range b.known {
			b.release(key)
		}
	}
	releaseAll()

	// Until here chance decides what is in the books at the end, after a late Clear next to nothing. Now all keys are, written by
	// every goroutine, and one of them is a victim.
	together(func(int) {
		for key := range keys {
			locked(key, func() { strategy.MarkWritten(key, entries[key][0]) })
		}
	})
	if _, ok := strategy.NextToRelease(); !ok {
		failf("NextToRelease named no key, with %d keys in the books and capacity %d", keys, capacity)
	}
	releaseAll()
}

// newMarks returns several marks for each key, as of entries that replace each other.
func newMarks(keys int) [][]*storage.Mark {
	marks := make([][]*storage.Mark, keys)
	for key := range marks {
		for range 3 {
			marks[key] = append(marks[key], &storage.Mark{})
		}
	}
	return marks
}
