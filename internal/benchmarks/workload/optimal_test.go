package workload_test

import (
	"container/list"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/memoize-go/memoize/internal/benchmarks/workload"
)

func TestOptimalIsBestOfAllChoices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	beaten := 0
	for range 3000 {
		trace := make([]uint32, 1+rng.IntN(11))
		for i := range trace {
			trace[i] = rng.Uint32N(5)
		}
		capacity := rng.IntN(4)
		got, want := workload.Optimal(trace, capacity), best(trace, nil, capacity)
		if got != want {
			t.Fatalf("trace %v, capacity %d: %d hits, the best choice of victims has %d", trace, capacity, got, want)
		}
		if lru(trace, capacity) < got {
			beaten++
		}
	}
	if beaten == 0 {
		t.Error("LRU was optimal for every trace: they show nothing")
	}
}

// best tries every victim at every miss, and keeping none.
func best(trace, kept []uint32, capacity int) int {
	if len(trace) == 0 {
		return 0
	}
	key, rest := trace[0], trace[1:]
	if slices.Contains(kept, key) {
		return 1 + best(rest, kept, capacity)
	}
	most := best(rest, kept, capacity)
	if len(kept) < capacity {
		most = max(most, best(rest, append(slices.Clone(kept), key), capacity))
	}
	for victim := range kept {
		replaced := slices.Clone(kept)
		replaced[victim] = key
		most = max(most, best(rest, replaced, capacity))
	}
	return most
}

func TestOptimalIsNotBeatenByLRU(t *testing.T) {
	size := workload.Size{Seed: 3, Requests: 50_000, Keys: 5000}
	for name, trace := range map[string][]uint32{
		"zipf":  size.Zipf(0.9),
		"scan":  size.Scan(0.9, 100),
		"loop":  size.Loop(1000),
		"shift": size.Shift(0.9, 1000),
	} {
		for _, capacity := range []int{1, 50, 500, 900} {
			if optimal, lru := workload.Optimal(trace, capacity), lru(trace, capacity); optimal <= lru {
				t.Errorf("%s, capacity %d: %d hits, LRU has %d", name, capacity, optimal, lru)
			}
		}
	}
}

func TestOptimalOfALoop(t *testing.T) {
	// Of each round of 10 keys, 4 can be kept for the next.
	trace := workload.Size{Requests: 1000}.Loop(10)
	if got, want := workload.Optimal(trace, 4), 99*4; got != want {
		t.Errorf("%d hits, want %d", got, want)
	}
	if got := lru(trace, 4); got != 0 {
		t.Errorf("LRU has %d hits", got)
	}
}

func TestOptimalWithoutRequestsOrRoom(t *testing.T) {
	if got := workload.Optimal(nil, 10); got != 0 {
		t.Errorf("%d hits without requests", got)
	}
	if got := workload.Optimal([]uint32{1, 1, 1}, 0); got != 0 {
		t.Errorf("%d hits without room", got)
	}
}

func lru(trace []uint32, capacity int) (hits int) {
	order := list.New() // the key used last in front
	kept := make(map[uint32]*list.Element)
	for _, key := range trace {
		if e := kept[key]; e != nil {
			hits++
			order.MoveToFront(e)
			continue
		}
		kept[key] = order.PushFront(key)
		if len(kept) > capacity {
			delete(kept, order.Remove(order.Back()).(uint32))
		}
	}
	return hits
}
