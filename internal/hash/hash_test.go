package hash

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// Whoever looks a key up knows from AreIntegers which hash it has.
func TestOfDependsOnTheTypeAlone(t *testing.T) {
	type id int64
	for _, i := range []uint64{0, 1, math.MaxInt32, math.MaxUint32, math.MaxUint64} {
		agrees(t, i, true)
		agrees(t, int64(i), true)
		agrees(t, int(i), true)
		agrees(t, uint32(i), true)
		agrees(t, int32(i), true)
		agrees(t, uint(i), true)
		agrees(t, id(i), false)
		agrees(t, fmt.Sprint(i), false)
		agrees(t, any(int(i)), false)
		agrees(t, [1]any{int(i)}, false)
	}
}

func agrees[K comparable](t *testing.T, key K, integers bool) {
	t.Helper()
	want := maphash.Comparable(Seed, key)
	if integers {
		want = OfInteger(key)
	}
	if AreIntegers[K]() != integers || Of(key) != want {
		t.Errorf("%T: AreIntegers = %v, want %v; Of(%v) = %x, want %x", *new(K), AreIntegers[K](), integers, key, Of(key), want)
	}
}

func TestNaNHasAnotherHashEveryTime(t *testing.T) {
	first, second := Of(math.NaN()), Of(math.NaN())
	if first == second {
		t.Error("the same hash twice")
	}
}

// Integers that lie side by side, or differ in a few bits wherever, do not crowd in any part of the hash from which buckets, shards and
// tags are taken, whatever the secret numbers are.
func TestIntegersSpread(t *testing.T) {
	const n, buckets, secrets = 1 << 14, 1 << 8, 100
	random := rand.New(rand.NewPCG(1, 2))
	for range secrets {
		mask, multiplier := random.Uint64(), random.Uint64()|1<<63|1
		for name, number := range map[string]func(i uint64) uint64{
			"one after the other": func(i uint64) uint64 { return i },
			"multiples of 4096":   func(i uint64) uint64 { return i << 12 },
			"in the upper half":   func(i uint64) uint64 { return i << 32 },
			"the highest bits":    func(i uint64) uint64 { return i << 50 },
			"reversed":            bits.Reverse64,
			"both ends":           func(i uint64) uint64 { return i&0xff | i>>8<<56 },
			"negative":            func(i uint64) uint64 { return -i },
		} {
			for shift := 0; shift <= 56; shift += 4 {
				var load [buckets]int
				for i := range uint64(n) {
					load[mix(number(i), mask, multiplier)>>shift%buckets]++
				}
				// 64 each on average. With a random hash less than 16 or more than 128 come once in hundreds of millions.
				if least, most := slices.Min(load[:]), slices.Max(load[:]); least < 16 || most > 128 {
					t.Errorf("%s, bits from %d, secrets %#x, %#x: between %d and %d of %d in each of %d buckets",
						name, shift, mask, multiplier, least, most, n, buckets)
				}
			}
		}
	}
}
