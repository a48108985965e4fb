package workload

import (
	"math"
	"math/rand/v2"
	"sort"
)

// Size is how long a trace is, and how it is drawn.
type Size struct {
	Seed     uint64
	Requests int
	Keys     int // how many there are to choose from
}

// Default is the size of the traces that hit ratios are published of.
var Default = Size{Seed: 1, Requests: 1_000_000, Keys: 100_000}

// Zipf draws each request on its own, the key of rank r with a probability in proportion to 1/r^exponent (Breslau, Cao, Fan, Phillips and
// Shenker, "Web Caching and Zipf-like Distributions: Evidence and Implications", INFOCOM 1999, found exponents of 0.64 to 0.83; key-value
// stores come to about 1). Ranks are dealt to the keys at random, so that neighbours in number are not neighbours in popularity.
func (s Size) Zipf(exponent float64) []uint32 {
	rng := s.rng()
	keyOf := rng.Perm(s.Keys)
	draw := newZipf(s.Keys, exponent)
	trace := make([]uint32, s.Requests)
	for i := range trace {
		trace[i] = uint32(keyOf[draw.rank(rng)])
	}
	return trace
}

// Scan is Zipf, interrupted by scans: after every 2*length requests, the next length go to consecutive keys. The scanned keys are not among
// those of Zipf but are as many, numbered from Keys on; each scan goes on where the last one ended, and after the last key comes the first.
// Caches that follow recency alone lose what is popular to what is read once.
func (s Size) Scan(exponent float64, length int) []uint32 {
	trace := s.Zipf(exponent)
	scanned := 0
	for i := range trace {
		if i%(3*length) >= 2*length {
			trace[i] = uint32(s.Keys + scanned%s.Keys)
			scanned++
		}
	}
	return trace
}

// Loop asks for the keys below length in order, again and again. A cache that is smaller and evicts what was not used for longest never
// hits.
func (s Size) Loop(length int) []uint32 {
	trace := make([]uint32, s.Requests)
	for i := range trace {
		trace[i] = uint32(i % length)
	}
	return trace
}

// Shift is Zipf over a window of keys that moves steadily from the first keys to the last. A key keeps its popularity while it is in the
// window, and the one that enters inherits that of the one that leaves. Caches that follow frequency alone hold on to what was popular.
func (s Size) Shift(exponent float64, window int) []uint32 {
	rng := s.rng()
	placeOf := rng.Perm(window)
	draw := newZipf(window, exponent)
	trace := make([]uint32, s.Requests)
	for i := range trace {
		start := int(int64(i) * int64(s.Keys-window+1) / int64(s.Requests))
		// Of the keys in the window, the one with this remainder by its size.
		trace[i] = uint32(start + (placeOf[draw.rank(rng)]+window-start%window)%window)
	}
	return trace
}

func (s Size) rng() *rand.Rand { return rand.New(rand.NewPCG(s.Seed, 0)) }

// zipf draws ranks from 0 on by looking up a uniform number among the sums of their weights. The generator of math/rand takes no exponent of
// 1 or less.
type zipf []float64

func newZipf(ranks int, exponent float64) zipf {
	sums := make(zipf, ranks)
	sum := 0.0
	for r := range sums {
		sum += math.Pow(float64(r+1), -exponent)
		sums[r] = sum
	}
	return sums
}

func (z zipf) rank(rng *rand.Rand) int {
	x := rng.Float64() * z[len(z)-1]
	return min(sort.Search(len(z), func(r int) bool { return z[r] > x }), len(z)-1) // x may have been rounded up to the whole sum
}
