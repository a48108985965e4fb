package workload_test

import (
	"math"
	"slices"
	"testing"

	"github.com/memoize-go/memoize/internal/benchmarks/workload"
)

var size = workload.Size{Seed: 1, Requests: 300_000, Keys: 30_000}

func TestTracesDependOnNothingButTheirSize(t *testing.T) {
	other := size
	other.Seed++
	for name, trace := range map[string]func(workload.Size) []uint32{
		"zipf":  func(s workload.Size) []uint32 { return s.Zipf(1) },
		"scan":  func(s workload.Size) []uint32 { return s.Scan(0.9, 100) },
		"shift": func(s workload.Size) []uint32 { return s.Shift(0.9, 1000) },
	} {
		first := trace(size)
		if len(first) != size.Requests {
			t.Errorf("%s: %d requests", name, len(first))
		}
		if !slices.Equal(first, trace(size)) {
			t.Errorf("%s: the same seed makes another trace", name)
		}
		if slices.Equal(first, trace(other)) {
			t.Errorf("%s: another seed makes the same trace", name)
		}
	}
}

func TestZipf(t *testing.T) {
	for _, exponent := range []float64{0.9, 1} {
		trace := size.Zipf(exponent)
		keys, counts := byPopularity(trace)

		sums := []float64{0}
		for r := range size.Keys {
			sums = append(sums, sums[r]+math.Pow(float64(r+1), -exponent))
		}
		for _, ranks := range []int{1, 10, 100, 1000} {
			got, want := share(counts[:ranks], len(trace)), sums[ranks]/sums[size.Keys]
			if math.Abs(got-want) > 0.01 {
				t.Errorf("exponent %v: the first %d keys have %.3f of the requests, want %.3f", exponent, ranks, got, want)
			}
		}

		// The mean of 1000 keys drawn at random is off by 0.02 at twice its standard deviation.
		mean := 0.0
		for _, key := range keys[:1000] {
			mean += float64(key) / float64(size.Keys) / 1000
		}
		if math.Abs(mean-0.5) > 0.03 {
			t.Errorf("exponent %v: popular keys have numbers around %.2f of all", exponent, mean)
		}
	}
}

func TestScan(t *testing.T) {
	const length = 100
	trace := size.Scan(0.9, length)
	zipf := size.Zipf(0.9)
	scanned := 0
	for i, key := range trace {
		if i%(3*length) < 2*length {
			if key != zipf[i] {
				t.Fatalf("request %d is for key %d, want the one of Zipf, %d", i, key, zipf[i])
			}
			continue
		}
		if want := size.Keys + scanned%size.Keys; int(key) != want {
			t.Fatalf("request %d is for key %d, want %d of the scan", i, key, want)
		}
		scanned++
	}
	if scanned <= size.Keys {
		t.Errorf("%d requests of scans never start over", scanned)
	}
}

func TestLoop(t *testing.T) {
	if got := (workload.Size{Requests: 7}).Loop(3); !slices.Equal(got, []uint32{0, 1, 2, 0, 1, 2, 0}) {
		t.Error(got)
	}
}

func TestShift(t *testing.T) {
	const window = 3000
	trace := size.Shift(0.9, window)
	tenth := len(trace) / 10
	for n := range 10 {
		part := trace[n*tenth : (n+1)*tenth]
		first, end := n*(size.Keys-window)/10, (n+1)*(size.Keys-window)/10+window
		if low, high := int(slices.Min(part)), int(slices.Max(part)); low < first || high > end {
			t.Errorf("tenth %d asks for keys %d to %d, want them from %d to %d", n, low, high, first, end)
		}
		if _, counts := byPopularity(part); share(counts[:window/10], tenth) < 0.5 {
			t.Errorf("tenth %d: the first keys have only %.2f of the requests", n, share(counts[:window/10], tenth))
		}
	}
	if first, last := slices.Max(trace[:tenth]), slices.Min(trace[9*tenth:]); first >= last {
		t.Errorf("the keys at the end, from %d on, are still those of the beginning, up to %d", last, first)
	}

	// A popular key stays so until it leaves the window, which is after a window's length of steps.
	keys, _ := byPopularity(trace[:tenth/10])
	before := slices.IndexFunc(keys, func(key uint32) bool { return key > window/2 }) // still inside when half of the window has passed
	later := trace[tenth/2 : tenth/2+tenth/10]
	keysLater, _ := byPopularity(later)
	if rank := slices.Index(keysLater, keys[before]); rank < 0 || rank > before+20 {
		t.Errorf("key %d was at rank %d and is at %d soon after", keys[before], before, rank)
	}
}

// byPopularity returns the keys of a trace and how often they occur, the most popular first.
func byPopularity(trace []uint32) (keys []uint32, counts []int) {
	count := make(map[uint32]int)
	for _, key := range trace {
		count[key]++
	}
	for key := range count {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b uint32) int {
		if count[a] != count[b] {
			return count[b] - count[a]
		}
		return int(a) - int(b)
	})
	for _, key := range keys {
		counts = append(counts, count[key])
	}
	return keys, counts
}

func share(counts []int, requests int) float64 {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / float64(requests)
}
