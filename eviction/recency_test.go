package eviction_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

func TestLeastRecentlyUpdated(t *testing.T) {
	c := cache(eviction.NewLeastRecentlyUpdated[string](3))
	c.write("a", "b", "c")
	c.read("a", "a", "a")
	c.MarkRead("a", &storage.Mark{})
	if diff := cmp.Diff([]string{"a"}, c.write("d")); diff != "" {
		t.Errorf("reads ought not to count (-want +got):\n%s", diff)
	}
	c.write("b")
	if diff := cmp.Diff([]string{"c", "d"}, c.write("e", "f")); diff != "" {
		t.Errorf("b was written again (-want +got):\n%s", diff)
	}
}

func TestLeastRecentlyUsed(t *testing.T) {
	c := cache(eviction.NewLeastRecentlyUsed[string](3))
	c.write("a", "b", "c")
	c.read("a")
	if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
		t.Errorf("a was read (-want +got):\n%s", diff)
	}
	c.MarkRead("c", &storage.Mark{})
	if diff := cmp.Diff([]string{"a"}, c.write("e")); diff != "" {
		t.Errorf("c was read with an unseen mark (-want +got):\n%s", diff)
	}
	c.write("d")
	if diff := cmp.Diff([]string{"c", "e"}, c.write("f", "g")); diff != "" {
		t.Errorf("d was written again (-want +got):\n%s", diff)
	}
}

// recencyModel is a slice of keys, the oldest first.
type recencyModel struct {
	capacity    int
	readsCount  bool
	oldestFirst []int
}

func (m *recencyModel) release(key int) (known bool) {
	i := slices.Index(m.oldestFirst, key)
	if i < 0 {
		return false
	}
	m.oldestFirst = slices.Delete(m.oldestFirst, i, i+1)
	return true
}

func (m *recencyModel) write(key int) {
	m.release(key)
	m.oldestFirst = append(m.oldestFirst, key)
}

func (m *recencyModel) read(key int) {
	if m.readsCount && m.release(key) {
		m.write(key)
	}
}

func (m *recencyModel) next() (key int, ok bool) {
	if len(m.oldestFirst) <= m.capacity {
		return 0, false
	}
	key, m.oldestFirst = m.oldestFirst[0], m.oldestFirst[1:]
	return key, true
}

func (m *recencyModel) clear()              { m.oldestFirst = nil }
func (m *recencyModel) resize(capacity int) { m.capacity = capacity }
func (m *recencyModel) len() int            { return len(m.oldestFirst) }

func TestRecencyAgainstModel(t *testing.T) {
	t.Run("LeastRecentlyUpdated", func(t *testing.T) {
		againstModel(t, func(capacity int) (strategy[int], model) {
			return eviction.NewLeastRecentlyUpdated[int](capacity), &recencyModel{capacity: capacity}
		})
	})
	t.Run("LeastRecentlyUsed", func(t *testing.T) {
		againstModel(t, func(capacity int) (strategy[int], model) {
			return eviction.NewLeastRecentlyUsed[int](capacity), &recencyModel{capacity: capacity, readsCount: true}
		})
	})
}

// recencies are the strategies that keep keys in shards.
var recencies = []struct {
	name       string
	new        func(capacity int) strategy[int]
	readsCount bool
}{
	{"LeastRecentlyUpdated", func(n int) strategy[int] { return eviction.NewLeastRecentlyUpdated[int](n) }, false},
	{"LeastRecentlyUsed", func(n int) strategy[int] { return eviction.NewLeastRecentlyUsed[int](n) }, true},
}

// The order is one for all shards, with so many keys that each shard has a lot of them, and with fewer keys than shards.
func TestRecencyOverManyKeys(t *testing.T) {
	const calls = 20_000
	for _, r := range recencies {
		for _, capacity := range []int{1, 2, 15, 17, 100, 2000} {
			t.Run(fmt.Sprintf("%s/%d", r.name, capacity), func(t *testing.T) {
				s, m := r.new(capacity), &recencyModel{capacity: capacity, readsCount: r.readsCount}
				rng := rand.New(rand.NewPCG(1, uint64(capacity)))
				mark := &storage.Mark{}
				for call := range calls {
					key := rng.IntN(2 * capacity)
					switch rng.IntN(8) {
					default:
						s.MarkWritten(key, mark)
						m.write(key)
					case 0, 1:
						s.MarkRead(key, mark)
						m.read(key)
					case 2:
						s.MarkReleased(key)
						m.release(key)
					}
					if call == calls/2 {
						s.Resize(capacity / 2)
						m.resize(capacity / 2)
					}
					for rng.IntN(3) > 0 {
						got, gotOK := s.NextToRelease()
						want, wantOK := m.next()
						if got != want || gotOK != wantOK {
							t.Fatalf("call %d: NextToRelease() = %d, %t, want %d, %t", call, got, gotOK, want, wantOK)
						}
						if !gotOK {
							break
						}
					}
				}
				if got := s.Len(); got != m.len() {
					t.Fatalf("Len() = %d, want %d", got, m.len())
				}
				s.Resize(0)
				if got := cache(s).drain(); !slices.Equal(got, m.oldestFirst) {
					t.Errorf("keys that were left: %v, want %v", got, m.oldestFirst)
				}
			})
		}
	}
}

// Many goroutines write, read, release and name at once. Each key is written once, so that afterwards it is plain where it is:
// released, or named once, or still in the books. Keys that all write, over and over, are left out of that, and so are those that
// were there before. Without releases there are never fewer keys than the capacity.
func TestRecencyAtOnce(t *testing.T) {
	const goroutines, perGoroutine, shared = 8, 2000, 5
	for _, r := range recencies {
		for _, capacity := range []int{1, 20, 500} {
			for _, releases := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%t", r.name, capacity, releases), func(t *testing.T) {
					s := r.new(capacity)
					mark := &storage.Mark{}
					for key := range capacity {
						s.MarkWritten(-1-key, mark)
					}
					var released, named [goroutines][]int
					var wg sync.WaitGroup
					for id := range goroutines {
						wg.Go(func() {
							rng := rand.New(rand.NewPCG(1, uint64(id)))
							for i := range perGoroutine {
								key := shared + id*perGoroutine + i
								s.MarkWritten(key, mark)
								s.MarkRead(key-rng.IntN(i+1), mark)
								if releases && rng.IntN(4) == 0 {
									earlier := key - rng.IntN(min(i+1, capacity))
									s.MarkReleased(earlier)
									released[id] = append(released[id], earlier)
								}
								if i%8 == 0 {
									s.MarkWritten(rng.IntN(shared), mark)
								}
								for key, ok := s.NextToRelease(); ok; key, ok = s.NextToRelease() {
									named[id] = append(named[id], key)
								}
								if n := s.Len(); !releases && n < capacity {
									t.Errorf("%d keys, though none was released and there is room for %d", n, capacity)
									return
								}
							}
						})
					}
					wg.Wait()

					left := s.Len()
					if left > capacity || !releases && left != capacity {
						t.Errorf("%d keys are left, with room for %d", left, capacity)
					}
					s.Resize(0)
					drained := cache(s).drain()
					if len(drained) != left || s.Len() != 0 {
						t.Errorf("%d keys were left, and Len() was %d before and is %d after", len(drained), left, s.Len())
					}
					times := make(map[int]int)
					for _, key := range append(slices.Concat(named[:]...), drained...) {
						times[key]++
					}
					wasReleased := make(map[int]bool)
					for _, key := range slices.Concat(released[:]...) {
						wasReleased[key] = true
						if slices.Contains(drained, key) {
							t.Errorf("key %d was released, and is in the books", key)
						}
					}
					for key := shared; key < shared+goroutines*perGoroutine; key++ {
						if times[key] > 1 || times[key] == 0 && !wasReleased[key] {
							t.Errorf("key %d was named %d times", key, times[key])
						}
					}
				})
			}
		}
	}
}
