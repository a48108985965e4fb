package model_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/memoize-go/memoize/cache"
)

// FuzzOperations plays the sequence that the bytes choose. One byte is one choice, so that a change
// of a byte is a change of the sequence, which rapid's own encoding, of eight bytes for each draw and
// several draws for each number, would make a rare thing.
func FuzzOperations(f *testing.F) {
	for n := range 32 {
		f.Add(noise(uint64(n), 16+8*n))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := decode(data)
		if _, v := play(t, s, sound, ""); v != nil {
			t.Fatalf("%v\n%v", s, v)
		}
	})
}

// noise returns n bytes that are the same every time.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// decode draws a sequence from bytes; when they have come to an end every choice is 0.
func decode(data []byte) sequence {
	const most = 80 // operations
	c := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := int(data[0])
		data = data[1:]
		return b % n
	}
	s, keys := drawSequence(c)
	for len(data) > 0 && len(s.ops) < most {
		s.ops = append(s.ops, drawOp(c))
	}
	s.within(keys)
	return s
}

// FuzzNew makes a cache with arbitrary figures, uses it at every boundary that they make, gives it
// others with Reconfigure, and uses it again, all beside the model. A bit of given and given2 says
// whether a figure, or something that contradicts it, is given.
func FuzzNew(f *testing.F) {
	const second = int64(time.Second)
	f.Add(uint32(0), uint32(0), 1, second, 2*second, second, second, second, second, int64(0), "")
	f.Add(uint32(0x7f), uint32(0x7f), 1, second, 2*second, second, second, second, second, int64(0), "name")
	f.Add(uint32(0x7f), uint32(0x7f), math.MaxInt, int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64),
		int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), "")
	f.Add(uint32(0x7f), uint32(0x3), math.MaxInt, int64(math.MaxInt64-1), int64(math.MaxInt64-1), int64(math.MaxInt64-1), int64(math.MaxInt64-2),
		int64(1), int64(math.MaxInt64-1), int64(-1<<40), "")
	f.Add(uint32(0x6), uint32(0x6), 1, int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(1), "")
	f.Add(uint32(0x7f), uint32(0x7f), math.MinInt, int64(math.MinInt64), int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), int64(1), "")
	for bit := range 32 { // everything alone, on two kinds of storage
		f.Add(uint32(1)<<bit, uint32(1)<<bit|7, 2, int64(math.MaxInt64/3+1), int64(math.MaxInt64-1), second, second, second, 3*second, int64(bit), "name")
		f.Add(uint32(1)<<bit|1<<15, uint32(1)<<bit, 2, second, second+1, second, 2*second, second, 3*second, int64(-bit), "name")
	}
	f.Fuzz(func(t *testing.T, given, given2 uint32, capacity int, update, expire, timeout, lock, storage, backoff, start int64, name string) {
		s := ofFigures(given, given2, capacity, [6]int64{update, expire, timeout, lock, storage, backoff}, start, name)
		if _, v := play(t, s, sound, ""); v != nil {
			t.Fatalf("%v\n%v", s, v)
		}
	})
}

// ofFigures makes the sequence of FuzzNew.
func ofFigures(given, given2 uint32, capacity int, d [6]int64, start int64, name string) sequence {
	s := sequence{options: figures(given, capacity, d, name), start: time.Duration(start), peeks: given>>31 == 1}
	if s.options.store == nil {
		s.options.store = &storeSpec{kind: inMemory, clears: true, lists: true}
	}
	d[0], d[1], d[2], d[3], d[4], d[5] = d[1], d[0], d[4], d[2], d[5], d[3] // the same figures in other places
	s.ops = append(s.ops, usage...)
	s.ops = append(s.ops, op{kind: opReconfigure, options: figures(given2, capacity, d, name)})
	s.ops = append(s.ops, usage...)
	return s
}

// figures makes options of figures.
func figures(bits uint32, capacity int, d [6]int64, name string) (o options) {
	bit := func(n int) bool { return bits>>n&1 == 1 }
	span := func(n int) figure[time.Duration] { return figure[time.Duration]{bit(n + 1), time.Duration(d[n])} }
	o.capacity = figure[int]{bit(0), capacity}
	o.update, o.expire, o.timeout, o.lock, o.storage, o.backoff = span(0), span(1), span(2), span(3), span(4), span(5)
	o.name = figure[string]{bit(7), name}
	o.stats, o.await, o.repeated, o.support = bit(8), bit(9), bit(10), bit(11)
	if bit(12) {
		o.process = processors[0]
	}
	if bit(13) {
		o.strategy = &strategySpec{strategyKind(bits >> 16 % (uint32(noStrategy) + 1)), capacity}
	}
	if bit(14) && d[0] >= 0 && d[0] <= d[1] { // entrybuilder.NewLifespan refuses the others
		o.builder = &builder{time.Duration(d[0]), time.Duration(d[1]), builds}
	}
	if bit(15) {
		o.store = &storeSpec{kind: storeKind(1 + bits>>20%2), clears: bit(21), lists: bit(22), keeps: bit(23) && bits>>20%2 == 1, foreign: uint(bits >> 24 & 3)}
	}
	if bit(26) {
		o.misfit = misfit(bits >> 27 % uint32(misfits))
	}
	return o
}

// usage uses a cache, at the boundaries of whatever its figures are.
var usage = []op{
	{kind: opGet}, {kind: opPeek},
	{kind: opAdvanceTo, d: -1}, {kind: opGet}, {kind: opAdvanceTo}, {kind: opGet}, // stale
	{kind: opAdvanceTo, n: 1, d: -1}, {kind: opGet}, {kind: opAdvanceTo}, {kind: opGet}, {kind: opPeek}, // expired
	{kind: opSet, key: 1}, {kind: opGet, key: 1}, {kind: opInvalidate, key: 1}, {kind: opGet, key: 1}, {kind: opGet, key: 2},
	{kind: opAnswer, does: returnsError}, {kind: opRefresh}, {kind: opGet}, // the backoff
	{kind: opAdvanceTo, d: -1}, {kind: opGet}, {kind: opAdvanceTo}, {kind: opGet}, {kind: opAdvanceTo}, {kind: opGet},
	{kind: opAnswer, does: succeeds}, {kind: opHold, hold: held}, {kind: opRefresh}, {kind: opRefresh}, {kind: opGet}, // the timeouts
	{kind: opAdvanceTo, d: -1}, {kind: opAdvanceTo}, {kind: opAdvanceTo, n: 1}, {kind: opAdvance, d: cache.Forever}, {kind: opGet},
	{kind: opLetAllGo}, {kind: opGet}, {kind: opInvalidateAll}, {kind: opGet}, {kind: opGet, key: 1}, {kind: opPeek, key: 2},
	{kind: opAdvance, d: cache.Forever}, {kind: opGet},
}
