package eviction

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/internal/hash"
)

// fataler is a testing.T or a rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRecency checks, while nobody calls r, that each queue is in the order of its numbers, that its oldest number is published, and
// that total is right. It returns the keys.
func checkRecency(t fataler, r *recency[int]) map[int]bool {
	t.Helper()
	keys := make(map[int]bool)
	numbers := make(map[uint64]bool)
	for i := range r.shards {
		s := &r.shards[i]
		length, number := 0, uint64(0)
		published := r.oldest[i].Load()
		if s.order.oldest == noNode && published != noNumber {
			t.Fatalf("shard %d has no keys, but publishes number %d", i, published)
		}
		for id := s.order.oldest; id != noNode; id = s.books.at(id).newer {
			n := s.books.at(id)
			if length == 0 && n.mark != published {
				t.Fatalf("shard %d publishes number %d, want %d", i, published, n.mark)
			}
			if n.mark <= number || numbers[n.mark] {
				t.Fatalf("shard %d: number %d comes after number %d, or there is another one", i, n.mark, number)
			}
			if keys[n.key] {
				t.Fatalf("key %d is in the books twice", n.key)
			}
			length, number = length+1, n.mark
			numbers[number], keys[n.key] = true, true
		}
		if length != s.order.len || length != s.books.len {
			t.Fatalf("shard %d: %d nodes in the queue, which says %d, and %d in the books", i, length, s.order.len, s.books.len)
		}
	}
	if r.Len() != len(keys) {
		t.Fatalf("Len() = %d with %d keys in the books", r.Len(), len(keys))
	}
	return keys
}

// Whatever is called in whatever order, the numbers are in order and published.
func TestRecencyKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacities := rapid.IntRange(0, 100)
		keys := rapid.IntRange(0, 200)
		l := NewLeastRecentlyUsed[int](capacities.Draw(t, "capacity"))
		t.Repeat(map[string]func(*rapid.T){
			"":      func(t *rapid.T) { checkRecency(t, &l.recency) },
			"write": func(t *rapid.T) { l.MarkWritten(keys.Draw(t, "key"), nil) },
			"write many": func(t *rapid.T) {
				first := keys.Draw(t, "first")
				for key := range keys.Draw(t, "keys") {
					l.MarkWritten((first+key)%200, nil)
				}
			},
			"read":    func(t *rapid.T) { l.MarkRead(keys.Draw(t, "key"), nil) },
			"release": func(t *rapid.T) { l.MarkReleased(keys.Draw(t, "key")) },
			"name":    func(*rapid.T) { l.NextToRelease() },
			"resize":  func(t *rapid.T) { l.Resize(capacities.Draw(t, "capacity")) },
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "whether") == 0 {
					l.Clear()
				}
			},
		})
	})
}

func inFirstShard[K comparable](key K) bool {
	h := hash.New[K]()
	shard, _ := shardOf(h.Of(key))
	return shard == 0
}

// The numbers are in order however many write and read at once. All keys are of one shard, so that all wait for its lock.
func TestRecencyKeepsOrderAtOnce(t *testing.T) {
	const goroutines, perGoroutine = 8, 3000
	l := NewLeastRecentlyUsed[int](goroutines * perGoroutine)
	var keys []int
	for key := 0; len(keys) < goroutines*perGoroutine; key++ {
		if inFirstShard(key) {
			keys = append(keys, key)
		}
	}
	atOnce := func(call func(key int)) {
		var wg sync.WaitGroup
		for mine := range slices.Chunk(keys, perGoroutine) {
			wg.Go(func() {
				for _, key := range mine {
					call(key)
				}
			})
		}
		wg.Wait()
		if got := checkRecency(t, &l.recency); len(got) != len(keys) {
			t.Errorf("%d keys, want %d", len(got), len(keys))
		}
	}
	atOnce(func(key int) { l.MarkWritten(key, nil) })
	atOnce(func(key int) { l.MarkRead(key, nil) })
	atOnce(func(key int) { l.MarkWritten(key, nil) })
}

// Callers at once share out the oldest keys: when a call begins, no older key is left than those that were named by then.
func TestVictimsAtOnceAreTheOldest(t *testing.T) {
	const goroutines, keys = 8, 50_000
	l := NewLeastRecentlyUpdated[int](0)
	l.looks = math.MaxInt64 // a call that comes last each time, as it may on a busy machine, does not take just any key
	for key := range keys {
		l.MarkWritten(key, nil)
	}
	var newest atomic.Int64 // of the victims of calls that have ended
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				before := newest.Load()
				key, ok := l.NextToRelease()
				if !ok {
					return
				}
				if int64(key) < before {
					t.Errorf("key %d was named after key %d", key, before)
					return
				}
				for seen := newest.Load(); seen < int64(key) && !newest.CompareAndSwap(seen, int64(key)); seen = newest.Load() {
				}
			}
		})
	}
	wg.Wait()
}

// However many see one key too many, it is one victim.
func TestVictimsAreCountedOnce(t *testing.T) {
	const goroutines, calls, capacity = 8, 20_000, 10
	l := NewLeastRecentlyUpdated[int](capacity)
	l.total.Store(capacity + 1)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range calls {
				if !l.countVictim() {
					continue
				}
				if n := l.total.Load(); n < capacity {
					t.Errorf("%d keys are left, with room for %d", n, capacity)
					return
				}
				l.total.Add(1)
			}
		})
	}
	wg.Wait()
}

// Clear is one step: what others add or take out beside it is counted before or after.
func TestRecencyClearBesideOtherCalls(t *testing.T) {
	const rounds, goroutines, calls, capacity, keys = 100, 8, 200, 40, 160
	for round := range rounds {
		l := NewLeastRecentlyUsed[int](capacity)
		var wg sync.WaitGroup
		for id := range goroutines {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(id)))
				for range calls {
					key := rng.IntN(keys)
					switch rng.IntN(16) {
					default:
						l.MarkWritten(key, nil)
					case 0, 1:
						l.MarkReleased(key)
					case 2, 3:
						l.MarkRead(key, nil)
					case 4, 5:
						l.NextToRelease()
					case 6:
						l.Clear()
					}
					if n := l.Len(); n < 0 || n > keys {
						t.Errorf("Len() = %d with %d different keys", n, keys)
						return
					}
				}
			})
		}
		wg.Wait()
		left := checkRecency(t, &l.recency)
		victims := 0
		for _, ok := l.NextToRelease(); ok; _, ok = l.NextToRelease() {
			victims++
		}
		if want := max(len(left)-capacity, 0); victims != want {
			t.Fatalf("%d victims of %d keys with room for %d, want %d", victims, len(left), capacity, want)
		}
		l.Clear()
		if left := checkRecency(t, &l.recency); len(left) != 0 {
			t.Fatalf("%d keys after Clear", len(left))
		}
	}
}

// The oldest key of all may be gone, or be the newest, each time that NextToRelease has taken its lock. Here a shard publishes
// a number that it does not have, as if it had always been changed in between.
func TestNextToReleaseComesToAnEnd(t *testing.T) {
	const keys = 100
	for i := range shards {
		l := NewLeastRecentlyUpdated[int](0)
		for key := range keys {
			l.MarkWritten(key, nil)
		}
		for victims := 0; ; victims++ {
			l.oldest[i].Store(0)
			if _, ok := l.NextToRelease(); !ok {
				if victims != keys {
					t.Errorf("%d victims of %d keys while shard %d always changes", victims, keys, i)
				}
				break
			}
		}
	}
}

// A shard names its oldest key if that is the one that was seen, and only while there are too many keys in all shards.
func TestNameFromShard(t *testing.T) {
	l := NewLeastRecentlyUpdated[int](1)
	l.MarkWritten(1, nil)
	i, number := l.oldestShard()
	if key, ok := l.nameFrom(i, noNumber); ok {
		t.Errorf("key %d was named, with one key and room for it", key)
	}
	l.Resize(0)
	l.MarkWritten(1, nil)
	if key, ok := l.nameFrom(i, number); ok {
		t.Errorf("key %d was named, which is newer than what was seen", key)
	}
	if key, ok := l.nameFrom((i+1)%shards, noNumber); ok {
		t.Errorf("key %d was named from a shard without keys", key)
	}
	if key, ok := l.nameFrom(i, noNumber); !ok || key != 1 {
		t.Errorf("named %d, %t, want 1", key, ok)
	}
	if got := l.Len(); got != 0 {
		t.Errorf("Len() = %d, want 0", got)
	}
}

// Keys are spread over all shards, and within each over all buckets.
func TestRecencyUsesAllShards(t *testing.T) {
	const keys = 16_000
	l := NewLeastRecentlyUpdated[int](keys)
	for key := range keys {
		l.MarkWritten(key, nil)
	}
	for i := range l.shards {
		b := &l.shards[i].books
		if b.len < keys/shards/2 || b.len > keys/shards*2 {
			t.Errorf("shard %d has %d of %d keys", i, b.len, keys)
		}
		used := 0
		for bucket := range b.linear.buckets {
			if *b.heads.at(bucket) != noNode {
				used++
			}
		}
		if used < b.len/2 {
			t.Errorf("shard %d: %d of %d buckets are in use", i, used, b.len)
		}
	}
}

// What different processors write stands apart.
func TestRecencyLayout(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the layout is made for 64 bits")
	}
	var r recency[string]
	if size := unsafe.Sizeof(r.shards[0]); size != apart {
		t.Errorf("a shard has %d bytes, want %d", size, apart)
	}
	offsets := []uintptr{
		unsafe.Offsetof(r.capacity), unsafe.Offsetof(r.shards), unsafe.Offsetof(r.oldest), unsafe.Offsetof(r.last), unsafe.Offsetof(r.total), unsafe.Sizeof(r),
	}
	for i, offset := range offsets[1:] {
		if offset%apart != 0 || offset-offsets[i] < apart {
			t.Errorf("offsets %v, want each a multiple of %d", offsets, apart)
		}
	}
}
