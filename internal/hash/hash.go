// Package hash hashes keys, in the same way for all that find something by its key: so one hash serves them all.
package hash

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"unsafe"
)

// Seed is the seed of the hashes of this process, so that nobody can tell which keys collide.
var Seed = maphash.MakeSeed()

// The secret numbers of mix.
var (
	mask       = rand.Uint64()
	multiplier = rand.Uint64() | 1<<63 | 1 // odd, and great
)

// Hasher hashes the keys of a type. All of a type hash alike. It does not change, and may be copied. The zero Hasher works, but finds out
// anew with every key how.
//
// Integers, and structs and arrays of integers and strings, are hashed part by part. All others are left to maphash.Comparable. For a
// struct that takes several times as long: it loads 16 bytes where the fields have just been stored one by one, and processors
// cannot pass on several stores to one load before they are in the cache.
type Hasher[K comparable] struct {
	Way   Way
	parts []part
}

// Way is how the keys of a type are hashed. Whoever cannot spare the time that a call of Of takes may do what it does.
type Way uint8

const (
	unknown Way = iota
	Whole       // with maphash.Comparable
	Word        // with OfWord
	Parts       // part by part
)

// maxParts is with how many parts a key is hashed part by part. With more it is no faster.
const maxParts = 8

// part is something in a key that counts when keys are compared.
type part struct {
	offset uintptr
	size   uintptr // of an integer: 1, 2, 4 or 8 bytes; 0: it is a string
}

// New returns the hasher of a type.
func New[K comparable]() Hasher[K] {
	parts, ok := appendParts(nil, reflect.TypeFor[K](), 0)
	switch {
	case !ok || len(parts) == 1 && parts[0] == part{}: // a string is one part as it is
		return Hasher[K]{Way: Whole}
	case len(parts) == 1 && parts[0] == part{size: 8}:
		return Hasher[K]{Way: Word}
	default:
		return Hasher[K]{Way: Parts, parts: parts}
	}
}

// appendParts appends the parts of a value of type t that lies at an offset. It reports false if there are too many, or one that can
// equal another one with other bytes, as a float or an interface can.
func appendParts(parts []part, t reflect.Type, at uintptr) (_ []part, ok bool) {
	switch {
	case t.Size() == 0:
	case t.Kind() == reflect.String:
		parts = append(parts, part{at, 0})
	case isInteger(t):
		parts = append(parts, part{at, t.Size()})
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" { // does not count
				continue
			}
			if parts, ok = appendParts(parts, f.Type, at+f.Offset); !ok {
				return nil, false
			}
		}
	case t.Kind() == reflect.Array && isInteger(t.Elem()):
		for end := at + t.Size(); at < end && len(parts) <= maxParts; {
			size := uintptr(8)
			for at+size > end {
				size /= 2
			}
			parts = append(parts, part{at, size})
			at += size
		}
	case t.Kind() == reflect.Array:
		for i := range t.Len() {
			if parts, ok = appendParts(parts, t.Elem(), at+uintptr(i)*t.Elem().Size()); !ok {
				return nil, false
			}
		}
	default:
		return nil, false
	}
	return parts, len(parts) <= maxParts
}

// isInteger reports whether a type is one of integers, or of truth values.
func isInteger(t reflect.Type) bool { return reflect.Bool <= t.Kind() && t.Kind() <= reflect.Uintptr }

// Of returns the hash of a key. For a key that does not equal itself it is another one every time. It panics for an interface
// that holds an incomparable value, as a map would.
func (h *Hasher[K]) Of(key K) uint64 {
	switch h.Way {
	case Word:
		return OfWord(key)
	case Parts:
		return ofParts(h.parts, unsafe.Pointer(&key))
	case Whole:
		return maphash.Comparable(Seed, key)
	default:
		h := New[K]()
		return h.Of(key)
	}
}

// OfWord is Of for the way Word: what counts are the first 8 bytes.
func OfWord[K comparable](key K) uint64 {
	return mix(mix(mask, word(unsafe.Pointer(&key))), mask)
}

func ofParts(parts []part, key unsafe.Pointer) uint64 {
	h := mask
	for _, p := range parts {
		at := unsafe.Add(key, p.offset)
		switch p.size {
		case 8:
			h = mix(h, word(at))
		case 4:
			h = mix(h, uint64(binary.NativeEndian.Uint32((*[4]byte)(at)[:])))
		case 2:
			h = mix(h, uint64(binary.NativeEndian.Uint16((*[2]byte)(at)[:])))
		case 1:
			h = mix(h, uint64(*(*byte)(at)))
		default:
			h = mix(h, maphash.String(Seed, *(*string)(at)))
		}
	}
	return mix(h, mask)
}

// word reads 8 bytes, of which an array of bytes may begin anywhere.
func word(at unsafe.Pointer) uint64 { return binary.NativeEndian.Uint64((*[8]byte)(at)[:]) }

// mix multiplies and lays the halves of the product of 128 bits one over the other, as wyhash does (Wang Yi,
// https://github.com/wangyi-fudan/wyhash) and the Go runtime where it has no AES. A hash takes it once more than it has parts: with some secret
// numbers, keys at regular distances would crowd otherwise.
func mix(h, i uint64) uint64 {
	hi, lo := bits.Mul64(h^i, multiplier)
	return hi ^ lo
}
