package storage

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A Memory does what a map does, whatever it grows to, and with keys that share buckets and tags.
func TestTableIsAMap(t *testing.T) {
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		memory, want := NewMemory[string, int](), map[string]int{}
		keys := rapid.IntRange(1, 2000).Draw(t, "keys")
		next := 0
		check := func(t *rapid.T) {
			if got := memory.Len(); got != len(want) {
				t.Fatalf("Len = %d, want %d", got, len(want))
			}
			listed := map[string]int{}
			for key, entry := range memory.All() {
				if _, twice := listed[key]; twice {
					t.Fatalf("All names %q twice", key)
				}
				listed[key] = entry.Value
			}
			for i := range keys {
				key := fmt.Sprint(i)
				value, ok := want[key]
				entry := memory.Lookup(key)
				if (entry != nil) != ok || ok && entry.Value != value {
					t.Fatalf("Lookup(%q) = %v, want %v, %v", key, entry, value, ok)
				}
				if got, ok2 := listed[key]; ok != ok2 || got != value {
					t.Fatalf("All says %v, %v for %q, want %v, %v", got, ok2, key, value, ok)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				from, n := rapid.IntRange(0, keys-1).Draw(t, "from"), rapid.IntRange(1, 500).Draw(t, "n")
				for i := from; i < min(from+n, keys); i++ {
					next++
					want[fmt.Sprint(i)] = next
					entry := NewEntry(next, now, now, now)
					if i%3 == 0 {
						_ = memory.Offer(t.Context(), fmt.Sprint(i), entry)
					} else {
						memory.Put(fmt.Sprint(i), entry)
					}
				}
			},
			"remove": func(t *rapid.T) {
				from, n := rapid.IntRange(0, keys-1).Draw(t, "from"), rapid.IntRange(1, 500).Draw(t, "n")
				for i := from; i < min(from+n, keys); i++ {
					delete(want, fmt.Sprint(i))
					_ = memory.Release(t.Context(), fmt.Sprint(i))
				}
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
					clear(want)
					_ = memory.Clear(t.Context())
				}
			},
			"": check,
		})
	})
}

// While the table grows, readers find every key that has been stored, with a value not older than
// what had been stored before they looked, and never the value of another key.
func TestTableReadersMissNothingWhileItGrows(t *testing.T) {
	const keys = 20000
	now := time.Now()
	for range 5 {
		memory := NewMemory[int, int]()
		var stored atomic.Int64 // keys below it are there
		var wg sync.WaitGroup
		for reader := range 2 {
			wg.Go(func() {
				for at := reader; ; at = (at + 7919) % keys {
					n := int(stored.Load())
					if n == keys {
						return
					}
					if n == 0 {
						continue
					}
					key := at % n
					entry := memory.Lookup(key)
					if entry == nil || entry.Value%keys != key {
						t.Errorf("of %d keys, %d has %v", n, key, entry)
						return
					}
				}
			})
		}
		for key := range keys {
			memory.Put(key, NewEntry(key, now, now, now))
			stored.Store(int64(key + 1))
			memory.Put(key/2, NewEntry(key/2+keys, now, now, now))
		}
		wg.Wait()
		if got := memory.Len(); got != keys {
			t.Fatalf("Len = %d, want %d", got, keys)
		}
	}
}

// All names every key that stays exactly once, though the table grows meanwhile.
func TestTableIsListedWhileItGrows(t *testing.T) {
	const keys = 3000
	now := time.Now()
	memory := NewMemory[int, int]()
	for key := range keys {
		memory.Put(key, NewEntry(key, now, now, now))
	}
	seen := map[int]int{}
	next := keys
	for key := range memory.All() {
		seen[key]++
		for range 3 {
			memory.Put(next, NewEntry(next, now, now, now))
			next++
		}
	}
	for key := range keys {
		if seen[key] != 1 {
			t.Fatalf("%d was listed %d times", key, seen[key])
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Fatalf("%d was listed %d times", key, n)
		}
	}
}

// A table that is emptied is not smaller, but what was in it can be collected, and it fills again.
func TestTableReusesItsSlots(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	for round := range 50 {
		for key := range 1000 {
			memory.Put(round*1000+key, NewEntry(key, now, now, now))
		}
		for key := range 1000 {
			_ = memory.Release(t.Context(), round*1000+key)
		}
	}
	table := memory.table.Load()
	if got, most := len(table.buckets), 1024; got > most {
		t.Errorf("%d buckets for 1000 keys at a time, want %d at most", got, most)
	}
	for i := range table.buckets {
		if table.buckets[i].more.Load() != nil {
			t.Fatal("an overflow bucket is left")
		}
		for slot := range slots {
			if table.buckets[i].slots[slot].Load() != nil {
				t.Fatal("a node is left")
			}
		}
	}
}

// A reader who has looked into a table before it was replaced looks again.
func TestTableReaderFollowsAMovedNode(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	for key := range 100 {
		memory.Put(key, NewEntry(key, now, now, now))
	}
	old := memory.table.Load()
	for key := 100; memory.table.Load() == old || memory.table.Load().prev.Load() != nil; key++ {
		memory.Put(key, NewEntry(key, now, now, now))
	}
	for i := range old.buckets {
		for slot := range slots {
			if old.buckets[i].slots[slot].Load() != nil {
				t.Fatal("a node has stayed behind in the old table")
			}
		}
	}
	for key := range 100 {
		if entry := memory.Lookup(key); entry == nil || entry.Value != key {
			t.Fatalf("Lookup(%d) = %v", key, entry)
		}
	}
}

// However an entry was stored, and while its table is replaced, LookupAt finds what Lookup finds, and knows whether that is fresh.
func TestLookupAtIsLookup(t *testing.T) {
	t.Run("int", func(t *testing.T) { lookupAtIsLookup(t, func(i int) int { return i }) })
	t.Run("string", func(t *testing.T) { lookupAtIsLookup(t, strconv.Itoa) })
	t.Run("any", func(t *testing.T) { lookupAtIsLookup(t, func(i int) any { return i }) })
}

func lookupAtIsLookup[K comparable](t *testing.T, key func(i int) K) {
	memory, now := NewMemory[K, int](), time.Now()
	memory.Put(key(-1), NewEntry(0, now, now, now)) // from now on, all entries and moments count from the same instant
	stored := make(map[K]*Entry[int])
	moving := 0
	for i := range 11_000 { // more than move at once
		k, due := key(i), now.Add(time.Duration(i%5)*time.Minute)
		switch i % 3 {
		case 0:
			stored[k] = memory.Put(k, NewEntry(i, now, due, due))
		case 1:
			stored[k] = NewEntry(i, now, due, due)
			if err := memory.Offer(context.Background(), k, stored[k]); err != nil {
				t.Fatal(err)
			}
		case 2:
			r, ok := memory.NewRecord(k, i, now, Moment{}, due.Sub(now), due.Sub(now))
			if !ok {
				t.Fatal("no record")
			}
			memory.Keep(r)
			memory.Grow()
			stored[k] = r.Entry()
		}
		if i%100 > 0 {
			continue
		}
		if memory.table.Load().prev.Load() != nil {
			moving++
		}
		at := At(now.Add(2*time.Minute), now.Add(2*time.Minute))
		for k, want := range stored {
			got, fresh := memory.LookupAt(k, &at)
			if got != want || fresh != want.SurelyFresh(&at) || memory.Lookup(k) != want {
				t.Fatalf("LookupAt(%v) = %p, %v, Lookup %p; want %p, %v", k, got, fresh, memory.Lookup(k), want, want.SurelyFresh(&at))
			}
			if due := want.Value%5 <= 2; fresh && due || !fresh && !due && want.Value%3 != 1 { // what was offered may count from another instant
				t.Fatalf("LookupAt(%v): fresh = %v of an entry that is due after %d minutes", k, fresh, want.Value%5)
			}
		}
		if got, fresh := memory.LookupAt(key(1_000_000), &at); got != nil || fresh {
			t.Fatalf("LookupAt of a key that is not there = %v, %v", got, fresh)
		}
	}
	if moving == 0 {
		t.Error("no look while nodes moved")
	}
}

// A writer has seen the previous table, and before it goes on the last stripe has moved.
func TestTableIsSettledWhileAWriterSettles(t *testing.T) {
	now := time.Now()
	memory, prev, table, _ := growing(t)
	for key := 0; table.prev.Load() != nil; key = (key + 1) % 2000 {
		memory.Put(key, NewEntry(key, now, now, now))
	}
	before := memory.Len()
	table.settleLocked(prev, memory.hash.Of(0))
	if memory.Lookup(0) == nil || memory.Len() != before {
		t.Errorf("Lookup(0) = %v, Len = %d, want %d", memory.Lookup(0), memory.Len(), before)
	}
}

// growing returns a memory whose nodes are on the move from one table to another, and how many keys it has.
func growing(t *testing.T) (memory *Memory[int, int], prev, next *table[int, int], keys int) {
	t.Helper()
	now := time.Now()
	memory = NewMemory[int, int]()
	for ; memory.table.Load().prev.Load() == nil; keys++ {
		memory.Put(keys, NewEntry(keys, now, now, now))
	}
	next = memory.table.Load()
	return memory, next.prev.Load(), next, keys
}

// find returns the bucket and the slot of a key that is in a table.
func (t *table[K, V]) find(key K) (n *node[K, V], at *bucket[K, V], slot int) {
	h := t.hash.Of(key)
	return t.bucket(h).find(h, key)
}

// A writer who has seen a table puts a node in place of another, or does not, whatever has happened to that table since.
func TestReplaceInATableThatIsLeft(t *testing.T) {
	memory, prev, next, keys := growing(t)
	key := 0
	for ; key < keys; key++ {
		if n, _, _ := prev.find(key); n != nil {
			break
		}
	}
	written := &node[int, int]{key: key, entry: Entry[int]{Value: -1}}
	h := memory.hash.Of(key)

	// It has not moved: readers find what was written, and that is what moves on.
	if !prev.replace(written, h) {
		t.Fatal("no node has taken the place of one that has not moved")
	}
	if got := memory.Lookup(key); got != &written.entry {
		t.Fatalf("Lookup finds %v", got)
	}
	_, at, slot := prev.find(key)
	_, st := memory.lock(h) // moves it
	st.mu.Unlock()
	if n, _, _ := next.find(key); n != written || at.slots[slot].Load() != nil {
		t.Fatalf("moved: %v; left behind: %v", n, at.slots[slot].Load())
	}

	// It has moved.
	if prev.replace(&node[int, int]{key: key}, h) {
		t.Error("a node has taken the place of one that has moved away")
	}
	if got := memory.Lookup(key); got != &written.entry {
		t.Errorf("Lookup finds %v", got)
	}
	if got := memory.Len(); got != keys {
		t.Errorf("Len = %d, want %d", got, keys)
	}
}

// Where a node is in both tables, one takes its place in the table where readers look first, and that is the one that moves.
func TestReplaceWhatMoves(t *testing.T) {
	memory, prev, next, keys := growing(t)
	moved := 0
	for key := range keys {
		moving, at, slot := prev.find(key)
		if moving == nil {
			continue
		}
		h := memory.hash.Of(key)
		st := &next.stripes[h%stripes]
		st.mu.Lock()
		written := &node[int, int]{key: key}
		next.bucket(h).add(h, moving)
		if next.replace(written, h) {
			t.Fatal("a node has taken the place of one that has not moved yet")
		}
		_, to, copied := next.find(key)
		to.free(copied)
		if !prev.replace(written, h) {
			t.Fatal("no node has taken the place of one that has not moved")
		}
		next.moveNodeLocked(at, slot, moving)
		st.mu.Unlock()
		moved++
		if n, _, _ := next.find(key); n != written {
			t.Fatalf("%p has moved, %p had been written", n, written)
		}
		if n, _, _ := prev.find(key); n != nil {
			t.Fatalf("%p is left behind", n)
		}
	}
	if got := memory.Len(); got != keys || moved == 0 {
		t.Errorf("Len = %d, want %d; %d have moved", got, keys, moved)
	}
}

// A key that is there is written without a lock, and is not a new one.
func TestReplaceTakesNoLock(t *testing.T) {
	memory, now := NewMemory[int, int](), time.Now()
	var last *Entry[int]
	keep := func() (added bool) {
		r, _ := memory.NewRecord(1, 0, now, Moment{}, time.Minute, time.Hour)
		last = r.Entry()
		return memory.Keep(r)
	}
	if !keep() {
		t.Error("the first record has not added a key")
	}
	_, st := memory.lock(memory.hash.Of(1))
	defer st.mu.Unlock()
	if keep() { // would wait
		t.Error("another record has added a key")
	}
	if got := memory.Lookup(1); got != last {
		t.Errorf("Lookup finds %p, want %p", got, last)
	}
}

// A slot that holds a node has its tag.
func TestNodesAreTagged(t *testing.T) {
	var b bucket[int, int]
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 500_000 {
			b.add(0, &node[int, int]{})
			b.free(0)
		}
		done.Store(true)
	})
	for !done.Load() {
		n := b.slots[0].Load()
		tags := b.tags.Load()
		if n != nil && tags == 0 && b.slots[0].Load() == n {
			t.Error("a node without its tag")
			break
		}
	}
	wg.Wait()
}

// A node does not come back in place of one that has been removed.
func TestReplaceWhatIsRemoved(t *testing.T) {
	memory, now := NewMemory[int, int](), time.Now()
	h := memory.hash.Of(1)
	memory.Put(1, NewEntry(1, now, now, now))
	table := memory.table.Load()
	old, at, slot := table.find(1)
	memory.Drop(1)
	if at.slots[slot].Load() == old {
		t.Error("a writer who has found the node could still put another one in its place")
	}
	if table.replace(&node[int, int]{key: 1}, h) || memory.Lookup(1) != nil || memory.Len() != 0 {
		t.Errorf("Lookup finds %v, Len = %d", memory.Lookup(1), memory.Len())
	}
}

// While keys are written again and again, and the table grows, nobody finds a value older than one that somebody has found
// before, and the last ones stay.
func TestTableReplacesWhileItGrows(t *testing.T) {
	const writers, each, rounds = 4, 50, 300
	now := time.Now()
	for range 5 {
		memory := NewMemory[int, int]()
		var writing, reading sync.WaitGroup
		var done atomic.Bool
		for writer := range writers {
			writing.Go(func() {
				for round := 1; round <= rounds; round++ {
					for i := range each {
						key := writer*each + i
						memory.Put(key, NewEntry(round, now, now, now))
						if got := memory.Lookup(key); got == nil || got.Value != round {
							t.Errorf("in round %d, %d has %v", round, key, got)
							return
						}
					}
				}
			})
		}
		writing.Go(func() { // makes it grow
			for key := range 20_000 {
				memory.Put(-1-key, NewEntry(key, now, now, now))
			}
		})
		reading.Go(func() {
			var last [writers * each]int
			for !done.Load() {
				for key := range last {
					entry := memory.Lookup(key)
					switch {
					case entry == nil && last[key] > 0, entry != nil && entry.Value < last[key]:
						t.Errorf("%d has %v after %d", key, entry, last[key])
						return
					case entry != nil:
						last[key] = entry.Value
					}
				}
			}
		})
		writing.Wait()
		done.Store(true)
		reading.Wait()
		if got, want := memory.Len(), writers*each+20_000; got != want {
			t.Fatalf("Len = %d, want %d", got, want)
		}
		for key := range writers * each {
			if got := memory.Lookup(key); got == nil || got.Value != rounds {
				t.Fatalf("at last, %d has %v", key, got)
			}
		}
	}
}

// A key that is written and removed at once is there or not, in every respect.
func TestTableReplacesWhatAnotherOneRemoves(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	for round := range 50_000 {
		memory.Put(1, NewEntry(0, now, now, now))
		var ready atomic.Int32
		var wg sync.WaitGroup
		for _, change := range []func(){
			func() { memory.Put(1, NewEntry(1, now, now, now)) },
			func() { memory.Drop(1) },
		} {
			wg.Go(func() {
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
				change()
			})
		}
		wg.Wait()
		found, listed := 0, 0
		if memory.Lookup(1) != nil {
			found = 1
		}
		for range memory.All() {
			listed++
		}
		if got := memory.Len(); got != found || got != listed {
			t.Fatalf("round %d: Len = %d, but %d are found and %d listed", round, got, found, listed)
		}
		memory.Drop(1)
	}
}

// Many writers at once, while the table grows.
func TestTableManyWriters(t *testing.T) {
	now := time.Now()
	for range 30 {
		memory := NewMemory[int, int]()
		var wg sync.WaitGroup
		for writer := range 8 {
			wg.Go(func() {
				for i := range 3000 {
					key := writer*3000 + i
					memory.Put(key, NewEntry(key, now, now, now))
					if i%3 == 0 {
						memory.Drop(key)
					}
				}
			})
		}
		wg.Wait()
		if got, want := memory.Len(), 8*2000; got != want {
			t.Fatalf("Len = %d, want %d", got, want)
		}
	}
}

// All names no key twice, though nodes are on the move when it begins, and move on meanwhile.
func TestTableIsListedWhileItSettles(t *testing.T) {
	now := time.Now()
	memory, _, _, keys := growing(t)
	seen, next := map[int]int{}, 0
	for key := range memory.All() {
		seen[key]++
		for range 3 {
			memory.Put(next%keys, NewEntry(next%keys, now, now, now))
			next += 7
		}
	}
	for key := range keys {
		if seen[key] != 1 {
			t.Fatalf("%d of %d keys was listed %d times", key, keys, seen[key])
		}
	}
}

// Keys that nobody can find are not stored: with another hash every time they would end up in
// buckets of other stripes.
func TestTableRefusesNaN(t *testing.T) {
	now := time.Now()
	memory := NewMemory[float64, int]()
	for key := range 5000 {
		memory.Put(math.NaN(), NewEntry(0, now, now, now))
		_ = memory.Offer(t.Context(), math.NaN(), NewEntry(0, now, now, now))
		memory.Put(float64(key), NewEntry(key, now, now, now))
	}
	if got := memory.Len(); got != 5000 {
		t.Errorf("Len = %d, want 5000", got)
	}
	for key := range memory.All() {
		if key != key {
			t.Fatal("a NaN is listed")
		}
	}
}

// Of many writers who find the table full, one makes the next one.
func TestTableGrowsOnce(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	full := memory.table.Load()
	full.growing.Store(true) // somebody is at it
	for key := range 1000 {
		memory.Put(key, NewEntry(key, now, now, now))
	}
	if memory.table.Load() != full {
		t.Error("a second one has made a table, too")
	}
	for key := range 1000 {
		if memory.Lookup(key) == nil {
			t.Fatalf("%d is gone", key)
		}
	}
}

// Keep is called under locks of the caller's, and leaves to Grow what takes time in proportion to the number of entries.
func TestKeepLeavesGrowthToItsCaller(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	keep := func(from, to int) {
		for key := from; key < to; key++ {
			r, _ := memory.NewRecord(key, key, now, Moment{}, time.Minute, time.Hour)
			memory.Keep(r)
		}
	}
	first := memory.table.Load()
	keep(0, 10)
	if memory.Grow() {
		t.Error("Grow has made a table for 10 entries")
	}
	keep(10, 5000)
	if memory.table.Load() != first {
		t.Error("Keep has made a table")
	}
	if !memory.Grow() || memory.table.Load() == first {
		t.Error("Grow has made no table for 5,000 entries")
	}
	if memory.table.Load().prev.Load() != nil {
		t.Error("5,000 entries have not moved at once")
	}
	if memory.Grow() {
		t.Error("Grow has made another table, though there was no write")
	}
	keep(5000, 5001)
	if !memory.Grow() {
		t.Error("Grow has made no other table, though this one is crowded as well")
	}
	for key := range 5001 {
		if entry := memory.Lookup(key); entry == nil || entry.Value != key {
			t.Fatalf("Lookup(%d) = %v", key, entry)
		}
	}
}

// A stripe that holds more than others by chance does not make the table grow.
func TestCrowdedStripeAlone(t *testing.T) {
	now := time.Now()
	memory := NewMemory[int, int]()
	first := memory.table.Load()
	stored := []int{}
	for key := 0; len(stored) < 50; key++ {
		if memory.hash.Of(key)%stripes == 0 {
			memory.Put(key, NewEntry(key, now, now, now))
			stored = append(stored, key)
		}
	}
	if memory.table.Load() != first {
		t.Error("50 entries have made the table grow")
	}
	for key := range 1000 {
		memory.KeepCopy(key, NewEntry(key, now, now, now))
	}
	if memory.table.Load() != first {
		t.Error("KeepCopy has made a table")
	}
	if !memory.Grow() {
		t.Error("the table does not grow any more")
	}
	for _, key := range stored {
		if memory.Lookup(key) == nil {
			t.Fatalf("%d is gone", key)
		}
	}
}

// The nodes of a large table do not move at once, and until they have, no other one takes its place.
func TestLargeTableMovesWithTheWrites(t *testing.T) {
	now := time.Now()
	memory, prev, table, keys := growing(t)
	if len(prev.buckets) <= atOnce {
		t.Errorf("the nodes of %d buckets have not moved at once", len(prev.buckets))
	}
	table.crowded.Store(true)
	if memory.Grow() {
		t.Error("a third table has taken the place of one from which nodes have not moved")
	}
	for range len(table.buckets) { // by chance, some stripes have fewer than others
		memory.Put(keys, NewEntry(keys, now, now, now))
		keys++
	}
	if table.prev.Load() != nil {
		t.Errorf("nodes have not moved after %d writes", len(table.buckets))
	}
}

func TestMatches(t *testing.T) {
	tags := uint64(0x81_00_ff_80_81_00) // slots 0 to 5, the first on the right
	for tag, want := range map[uint64][]int{0x81: {1, 5}, 0x80: {2}, 0xff: {3}, 0x82: nil} {
		got := matches(tags, tag)
		for _, slot := range want {
			if got>>(8*slot)&0x80 == 0 {
				t.Errorf("tag %#x in %#x: slot %d does not match", tag, tags, slot)
			}
		}
		if want == nil && got != 0 {
			t.Errorf("tag %#x in %#x: matches %#x", tag, tags, got)
		}
	}
}
