package eviction_test

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// zipf returns n draws of the keys 0 to keys-1, of which key i is drawn in proportion to 1/(i+1)^exponent. It is the same
// for the same arguments.
func zipf(n, keys int, exponent float64) []int {
	cumulated := make([]float64, keys)
	sum := 0.0
	for i := range cumulated {
		sum += math.Pow(float64(i+1), -exponent)
		cumulated[i] = sum
	}
	rng := rand.New(rand.NewPCG(1, 2))
	draws := make([]int, n)
	for i := range draws {
		draws[i] = sort.SearchFloat64s(cumulated, rng.Float64()*sum)
	}
	return draws
}

// hitRatio plays a trace through a cache with that strategy.
func hitRatio(s eviction.Strategy[int], trace []int) float64 {
	c := cache(s)
	hits := 0
	for _, key := range trace {
		if c.get(key) {
			hits++
		}
	}
	return float64(hits) / float64(len(trace))
}

// Web traffic is about zipf with an exponent of 0.9. With room for a hundredth of the keys, what matters is which ones stay.
func TestHitRatioOnZipf(t *testing.T) {
	const keys, capacity = 10_000, 100
	trace := zipf(60_000, keys, 0.9)
	ratios := make(map[string]float64)
	for _, c := range constructors[int]() {
		ratios[c.name] = hitRatio(c.new(capacity), trace)
		t.Logf("%-20s %.3f", c.name, ratios[c.name])
	}

	// Nothing that does not know the future is better than the most popular keys, always.
	const margin = 0.08
	popular := 0
	for _, key := range trace {
		if key < capacity {
			popular++
		}
	}
	best := float64(popular) / float64(len(trace))
	for _, name := range []string{"SIEVE", "S3FIFO", "TinyLFU"} {
		if got, lru := ratios[name], ratios["LeastRecentlyUsed"]; got < lru+margin {
			t.Errorf("%s hits %.3f of the reads, want %.2f more than the %.3f of LeastRecentlyUsed", name, got, margin, lru)
		}
		if ratios[name] > best {
			t.Errorf("%s hits %.3f of the reads, more than the %.3f that are possible", name, ratios[name], best)
		}
	}
	if lru, lru2 := ratios["LeastRecentlyUsed"], ratios["LeastRecentlyUpdated"]; lru < lru2+0.02 {
		t.Errorf("LeastRecentlyUsed hits %.3f of the reads, want 0.02 more than the %.3f of LeastRecentlyUpdated", lru, lru2)
	}
}

// A run of keys that are read once, ten times as long as the cache is large, comes between two uses of popular keys.
func TestPopularKeysSurviveAScan(t *testing.T) {
	const capacity, popular = 100, 40
	tests := []struct {
		name string
		want int
	}{
		{"LeastRecentlyUpdated", 0},
		{"LeastRecentlyUsed", 0},
		{"SIEVE", popular},
		{"S3FIFO", popular},
		{"TinyLFU", popular},
	}
	for i, c := range constructors[int]() {
		tt := tests[i]
		cc := cache(eviction.Strategy[int](c.new(capacity)))
		for range 4 {
			for key := range popular {
				cc.get(key)
			}
		}
		for key := range 10 * capacity {
			cc.get(1000 + key)
		}
		got := 0
		for key := range popular {
			if cc.marks[key] != nil {
				got++
			}
		}
		if c.name != tt.name || got != tt.want {
			t.Errorf("%s keeps %d of %d popular keys, want %d for %s", c.name, got, popular, tt.want, tt.name)
		}
	}
}

// Keys are asked for in turn, over and over. What is to be used soonest was not used for longest, so the strategies that go by age
// let everything go just before it is asked for. The best that is possible is to keep some keys and let the others pass.
func TestHitRatioOnALoop(t *testing.T) {
	const keys, rounds = 20_000, 12
	for capacity, want := range map[int]float64{5000: 0.20, 10_000: 0.47} {
		s := eviction.NewTinyLFU[int](capacity)
		marks := make([]storage.Mark, keys)
		stored := make([]bool, keys)
		hits := 0
		for range rounds {
			for key := range keys {
				if stored[key] {
					s.MarkRead(key, &marks[key])
					hits++
					continue
				}
				s.MarkWritten(key, &marks[key])
				stored[key] = true
				if victim, ok := s.NextToRelease(); ok {
					stored[victim] = false
				}
			}
		}
		// In the first round there is nothing to hit.
		if got := float64(hits) / (keys * (rounds - 1)); got < want {
			t.Errorf("TinyLFU with room for %d of %d keys hits %.3f of the reads, want %.2f", capacity, keys, got, want)
		} else {
			t.Logf("%d: %.3f", capacity, got)
		}
	}
}

// What is popular changes from one request to the next: TinyLFU must not hold on to what was popular.
func TestHitRatioAfterAChange(t *testing.T) {
	const keys, capacity = 10_000, 100
	trace := zipf(60_000, keys, 0.9)
	for i := range trace[30_000:] {
		trace[30_000+i] += keys
	}
	s := eviction.NewTinyLFU[int](capacity)
	c := cache(eviction.Strategy[int](s))
	hits := make([]int, 6) // in each 10,000 requests
	for i, key := range trace {
		if c.get(key) {
			hits[i/10_000]++
		}
	}
	t.Log(hits)
	for i := range 3 {
		if before, after := hits[i], hits[3+i]; after < before*9/10 {
			t.Errorf("of the requests from %d,000 on after the change %d hit, and %d of those after the start", 10*i, after, before)
		}
	}
}
