package serde_test

import (
	"bytes"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

var damageSeed = flag.Uint64("damage.seed", 1, "seed of the random damage of frames")

// damages counts damaged entries and how many of them were decoded as something else.
type damages struct {
	checked, violations int64
	first               error
}

func (d *damages) check(s stack, i int, data []byte) {
	d.checked++
	if err := s.damaged(i, data); err != nil {
		d.violations++
		if d.first == nil {
			d.first = err
		}
	}
}

// every does to valid[i] all that is small enough to be done in full: every bit flipped, every cut, every byte in front and behind.
func (d *damages) every(s stack, i int) {
	valid := s.valid[i]
	for bit := range 8 * len(valid) {
		d.check(s, i, edited(valid, func(data []byte) { data[bit/8] ^= 1 << (bit % 8) }))
	}
	for n := range valid {
		d.check(s, i, valid[:n:n])
		d.check(s, i, valid[n+1:])
	}
	for b := range 256 {
		d.check(s, i, append(bytes.Clone(valid), byte(b)))
		d.check(s, i, append([]byte{byte(b)}, valid...))
	}
}

// everyByte puts every other byte in place of every byte.
func (d *damages) everyByte(s stack, i int) {
	for at := range s.valid[i] {
		for mask := 1; mask < 256; mask++ {
			d.check(s, i, edited(s.valid[i], func(data []byte) { data[at] ^= byte(mask) }))
		}
	}
}

// random damages valid[i] n times.
func (d *damages) random(s stack, i, n int) {
	rng := rand.New(rand.NewPCG(*damageSeed, uint64(i)))
	for range n {
		data := spoil(rng, s.valid[i], s.valid[rng.IntN(len(s.valid))])
		// Chance, or a whole other entry, may make a valid one of it.
		if !slices.ContainsFunc(s.valid, func(valid []byte) bool { return bytes.Equal(valid, data) }) {
			d.check(s, i, data)
		}
	}
}

// spoil returns data as a bad disk, a torn write or a mix-up would leave it.
func spoil(rng *rand.Rand, data, other []byte) []byte {
	data = bytes.Clone(data)
	at := rng.IntN(len(data))
	n := 1 + rng.IntN(min(32, len(data)-at))
	part := data[at : at+n]
	switch rng.IntN(8) {
	case 0: // a burst
		for i := range part {
			part[i] = byte(rng.Uint32())
		}
	case 1: // a part that was never written
		for i := range part {
			part[i] = 0
		}
	case 2: // a few bits anywhere
		for range 2 + rng.IntN(7) {
			bit := rng.IntN(8 * len(data))
			data[bit/8] ^= 1 << (bit % 8)
		}
	case 3: // a tail that was never written
		for i := range data[at:] {
			data[at+i] = 0
		}
	case 4: // two parts in the other's place
		to := rng.IntN(len(data) - n + 1)
		moved := bytes.Clone(part)
		copy(part, data[to:to+n])
		copy(data[to:], moved)
	case 5: // a part twice
		data = slices.Insert(data, at, bytes.Clone(part)...)
	case 6: // a part missing
		data = slices.Delete(data, at, at+n)
	default: // the head of one and the tail of another
		data = append(data[:at:at], other[rng.IntN(len(other)+1):]...)
	}
	return data
}

// TestC26_NoDamageIsAnotherValue: promise 26, bytes that were cut or flipped are never a wrong value. Every codec is tried below a frame, and every
// encoding around one.
//
//	EVIDENCE=long go test -run NoDamageIsAnotherValue -v ./serde -args -damage.seed 2
func TestC26_NoDamageIsAnotherValue(t *testing.T) {
	list := stacks()
	var d damages
	for _, s := range list {
		for i := range s.valid {
			d.every(s, i)
			if evidence.Amount(0, 1) == 1 {
				d.everyByte(s, i)
			}
			d.random(s, i, evidence.Amount(200, 50_000))
		}
	}
	if d.first != nil {
		t.Errorf("seed %d: %v", *damageSeed, d.first)
	}
	evidence.Report(t, "frames", d.checked, fmt.Sprintf("damaged frames of %d kinds", len(list)), d.violations)
}

// TestDamageIsSeen shows that the check above can fail, and that its parts see different things.
func TestDamageIsSeen(t *testing.T) {
	value := []byte("a text, and not a short one")
	for _, test := range []struct {
		name          string
		codec         serde.Codec[[]byte]
		every, random bool
	}{
		{"no frame", serde.JSON[[]byte](), true, true},
		{"checksum of half", lengthAnd{func(data []byte) byte { return byte(crc32.ChecksumIEEE(data[:len(data)/2])) }}, true, true},
		{"checksum that the order does not change", lengthAnd{sum}, false, true},
		{"panic", fragile{lengthAnd{sum}}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStack(test.name, test.codec, newEntry(value))
			var every, random damages
			every.every(s, 0)
			random.random(s, 0, 1000)
			if got := every.violations > 0; got != test.every {
				t.Errorf("small damage: %d violations of %d", every.violations, every.checked)
			}
			if got := random.violations > 0; got != test.random {
				t.Errorf("random damage: %d violations of %d", random.violations, random.checked)
			}
		})
	}
}

// lengthAnd is a codec with the length and a checksum of one byte in front.
type lengthAnd struct{ sum func([]byte) byte }

func sum(data []byte) (sum byte) {
	for _, b := range data {
		sum += b
	}
	return sum
}

func (c lengthAnd) Encode(entry *storage.Entry[[]byte]) ([]byte, error) {
	return append([]byte{byte(len(entry.Value)), c.sum(entry.Value)}, entry.Value...), nil
}

func (c lengthAnd) Decode(data []byte) (*storage.Entry[[]byte], error) {
	if len(data) < 2 || int(data[0]) != len(data)-2 || c.sum(data[2:]) != data[1] {
		return nil, serde.ErrCorrupt
	}
	return newEntry(bytes.Clone(data[2:])), nil
}

// fragile believes the length.
type fragile struct{ lengthAnd }

func (c fragile) Decode(data []byte) (*storage.Entry[[]byte], error) {
	if len(data) > 0 {
		data = data[: int(data[0])+2 : int(data[0])+2]
	}
	return c.lengthAnd.Decode(data)
}
