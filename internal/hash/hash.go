// Package hash hashes keys, in the same way for all that find something by its key: so one hash serves them all.
package hash

import (
	"hash/maphash"
	"math/bits"
)

// Seed is the seed of the hashes of this process, so that nobody can tell which keys collide.
var Seed = maphash.MakeSeed()

// The secret numbers of OfInteger.
var (
	mask       = maphash.Comparable(Seed, "mask")
	multiplier = maphash.Comparable(Seed, "multiplier") | 1<<63 | 1 // odd, and great
)

// Of returns the hash of a key. For a key that does not equal itself it is another one every time. It panics for an interface
// that holds an incomparable value, as a map would.
func Of[K comparable](key K) uint64 {
	if AreIntegers[K]() {
		return OfInteger(key)
	}
	return maphash.Comparable(Seed, key)
}

// AreIntegers reports whether keys are of one of the types that integer keys mostly are of. It is false for interfaces, whatever they
// hold.
func AreIntegers[K comparable]() bool {
	var zero K
	_, ok := integer(zero)
	return ok
}

func integer[K comparable](key K) (i uint64, ok bool) {
	switch k := any(key).(type) {
	case uint64:
		return k, true
	case int64:
		return uint64(k), true
	case int:
		return uint64(k), true
	case uint32:
		return uint64(k), true
	case int32:
		return uint64(k), true
	case uint:
		return uint64(k), true
	default:
		return 0, false
	}
}

// OfInteger is Of if [AreIntegers], in a fraction of the time.
func OfInteger[K comparable](key K) uint64 {
	i, _ := integer(key)
	return mix(i, mask, multiplier)
}

// mix multiplies twice and lays the halves of each product of 128 bits one over the other, as wyhash does (Wang Yi,
// https://github.com/wangyi-fudan/wyhash) and the Go runtime where it has no AES. Once is not enough: with some secret numbers, keys at
// regular distances would crowd.
func mix(i, mask, multiplier uint64) uint64 {
	hi, lo := bits.Mul64(i^mask, multiplier)
	hi, lo = bits.Mul64(hi^lo^mask, multiplier)
	return hi ^ lo
}
