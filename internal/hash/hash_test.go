package hash

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// For each type: how its keys are hashed, and keys of which no two are equal.
func TestHashersTellKeysApart(t *testing.T) {
	type id int64
	type name string
	apart(t, Word, []uint64{0, 1, math.MaxInt32, math.MaxUint32, math.MaxUint64})
	apart(t, Word, []int64{0, 1, -1, math.MaxInt32})
	apart(t, Word, []id{0, 1, -1})
	apart(t, Word, [][8]byte{{}, {7: 1}, {0: 1}})
	apart(t, Parts, []uint32{0, 1, math.MaxUint32})
	apart(t, Parts, []int8{0, 1, -1})
	apart(t, Parts, []bool{false, true})
	apart(t, Parts, []struct{}{{}})
	apart(t, Parts, [][0]float64{{}})
	apart(t, Parts, [][1 << 30]struct{}{{}})
	apart(t, Whole, []string{"", "a", "b", "ab"})
	apart(t, Whole, []name{"", "a"})
	apart(t, Whole, []float64{0, 1, math.Inf(1)})
	apart(t, Whole, []any{0, int8(0), "", nil})
	apart(t, Whole, []*int{nil, new(int), new(int)})
	apart(t, Whole, []struct{ f float32 }{{0}, {1}})
	apart(t, Whole, [][65]byte{{}, {64: 1}})
	apart(t, Whole, [][5]struct{ a, b string }{{}, {4: {b: "a"}}})

	// Every part counts, wherever it lies, and in which of several it is.
	type inner struct {
		a int16
		b [3]uint16
	}
	type several struct {
		a uint8
		b string
		c inner
		d [1]uint64
		_ float64
	}
	apart(t, Parts, []several{
		{}, {a: 1}, {b: "x"}, {c: inner{a: 1}}, {c: inner{b: [3]uint16{1}}}, {c: inner{b: [3]uint16{0, 1}}},
		{c: inner{b: [3]uint16{0, 0, 1}}}, {d: [1]uint64{1}}, {d: [1]uint64{1 << 63}},
	})
	apart(t, Parts, []struct{ a, b string }{{"a", "b"}, {"b", "a"}, {"ab", ""}, {"", "ab"}})
	apart(t, Parts, [][2]uint64{{1, 2}, {2, 1}, {1, 1}, {0, 0}})
	apart(t, Parts, [][16]byte{{}, {0: 1}, {7: 1}, {8: 1}, {15: 1}})
	apart(t, Parts, [][15]byte{{}, {7: 1}, {8: 1}, {11: 1}, {12: 1}, {13: 1}, {14: 1}})
	apart(t, Parts, [][7]byte{{}, {0: 1}, {3: 1}, {4: 1}, {6: 1}})
	apart(t, Parts, [][2]struct{ a, b string }{{}, {{a: "x"}}, {{b: "x"}}, {{}, {a: "x"}}, {{}, {b: "x"}}})
	apart(t, Parts, [][64]byte{{}, {63: 1}})
}

// apart fails if two of the keys have the same hash, which comes by chance once in 2^64 pairs, or one has two.
func apart[K comparable](t *testing.T, way Way, keys []K) {
	t.Helper()
	h, other, zero := New[K](), New[K](), Hasher[K]{}
	if h.Way != way {
		t.Errorf("%T: way %d, want %d", *new(K), h.Way, way)
	}
	seen := map[uint64]K{}
	for _, key := range keys {
		of := h.Of(key)
		if k, ok := seen[of]; ok {
			t.Errorf("%T: %v and %v have the same hash", key, k, key)
		}
		seen[of] = key
		if a, b := other.Of(key), zero.Of(key); a != of || b != of {
			t.Errorf("%T: three hashers give %v the hashes %x, %x and %x", key, key, of, a, b)
		}
		if way == Word && OfWord(key) != of {
			t.Errorf("%T: OfWord(%v) = %x, want %x", key, key, OfWord(key), of)
		}
	}
}

// What does not count when keys are compared does not count in their hashes: where strings lie, what is between fields
// and in those that have no name, and the sign of zero.
func TestEqualKeysHashAlike(t *testing.T) {
	type padded struct {
		a uint8
		b uint64
		c string
		_ uint32
		d uint16
	}
	h := New[padded]()
	if h.Way != Parts {
		t.Fatalf("way %d, want %d", h.Way, Parts)
	}
	key := padded{a: 1, b: 2, c: "three", d: 4}
	dirty := new(padded)
	for i := range unsafe.Slice((*byte)(unsafe.Pointer(dirty)), unsafe.Offsetof(key.c)) {
		unsafe.Slice((*byte)(unsafe.Pointer(dirty)), unsafe.Sizeof(key))[i] = 0xa5
	}
	for i := unsafe.Offsetof(key.c) + unsafe.Sizeof(""); i < unsafe.Sizeof(key); i++ {
		unsafe.Slice((*byte)(unsafe.Pointer(dirty)), unsafe.Sizeof(key))[i] = 0xa5
	}
	dirty.a, dirty.b, dirty.c, dirty.d = 1, 2, strings.Clone("three"), 4
	if *dirty != key || h.Of(*dirty) != h.Of(key) {
		t.Errorf("equal: %v; hashes %x and %x", *dirty == key, h.Of(*dirty), h.Of(key))
	}
	floats := New[[2]float64]()
	if a, b := floats.Of([2]float64{0, 1}), floats.Of([2]float64{math.Copysign(0, -1), 1}); a != b {
		t.Errorf("zeros hash to %x and %x", a, b)
	}
}

func TestNaNHasAnotherHashEveryTime(t *testing.T) {
	h := New[float64]()
	first, second := h.Of(math.NaN()), h.Of(math.NaN())
	if first == second {
		t.Error("the same hash twice")
	}
}

func TestOfDoesNotAllocate(t *testing.T) {
	type pair struct {
		a string
		b int32
	}
	words, pairs, strings := New[uint64](), New[pair](), New[string]()
	if n := testing.AllocsPerRun(100, func() {
		sink = words.Of(1) + pairs.Of(pair{"a", 2}) + strings.Of("b")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var sink uint64

// Integers that lie side by side, or differ in a few bits wherever, and structs of them do not crowd in any part of the hash from
// which buckets, shards and tags are taken, whatever the secret numbers are.
func TestIntegersSpread(t *testing.T) {
	defer func(a, b uint64) { mask, multiplier = a, b }(mask, multiplier)
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		mask, multiplier = random.Uint64(), random.Uint64()|1<<63|1
		spread(t, "one after the other", func(i uint64) uint64 { return i })
		spread(t, "multiples of 4096", func(i uint64) uint64 { return i << 12 })
		spread(t, "in the upper half", func(i uint64) uint64 { return i << 32 })
		spread(t, "the highest bits", func(i uint64) uint64 { return i << 50 })
		spread(t, "reversed", bits.Reverse64)
		spread(t, "both ends", func(i uint64) uint64 { return i&0xff | i>>8<<56 })
		spread(t, "negative", func(i uint64) uint64 { return -i })
		spread(t, "a square", func(i uint64) [2]uint64 { return [2]uint64{i % 128, i / 128} })
		spread(t, "a square of multiples", func(i uint64) [2]uint64 { return [2]uint64{i % 128 << 12, i / 128 << 40} })
		spread(t, "in the first part", func(i uint64) [2]uint64 { return [2]uint64{i} })
		spread(t, "in the last part", func(i uint64) [2]uint64 { return [2]uint64{1: i} })
		spread(t, "the same in both parts", func(i uint64) [2]uint64 { return [2]uint64{i, i} })
		type id struct {
			tenant uint32
			id     uint64
			kind   uint8
		}
		spread(t, "a struct", func(i uint64) id { return id{uint32(i % 16), i, uint8(i % 3)} })
	}
}

func spread[K comparable](t *testing.T, name string, key func(i uint64) K) {
	const n, buckets = 1 << 14, 1 << 8
	h := New[K]()
	if h.Way == Whole {
		t.Fatalf("%s: %T is not hashed by what it holds", name, *new(K))
	}
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = h.Of(key(uint64(i)))
	}
	for shift := 0; shift <= 56; shift += 4 {
		var load [buckets]int
		for _, h := range hashes {
			load[h>>shift%buckets]++
		}
		// 64 each on average. With a random hash less than 16 or more than 128 come once in hundreds of millions.
		if least, most := slices.Min(load[:]), slices.Max(load[:]); least < 16 || most > 128 {
			t.Errorf("%s, bits from %d, secrets %#x, %#x: between %d and %d of %d in each of %d buckets",
				name, shift, mask, multiplier, least, most, n, buckets)
		}
	}
}
