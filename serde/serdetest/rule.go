package serdetest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// rule is one sentence of a contract with its check, which returns an error if subject breaks it.
type rule[S any] struct {
	name  string
	text  string
	check func(subject S) error
}

func run[S any](t *testing.T, rules []rule[S], subject S) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if err := r.check(subject); err != nil {
				t.Errorf("%v\nThe rule: %s", err, r.text)
			}
		})
	}
}

// codecUnderTest is a codec's factory with the values to try it on.
type codecUnderTest[V any] struct {
	factory func() serde.Codec[V]
	values  []V
}

// recovered, deferred, makes a panic an error.
func recovered(err *error, what string) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s panicked: %v", what, r)
	}
}

func encode[V any](codec serde.Codec[V], entry *storage.Entry[V]) (data []byte, err error) {
	defer recovered(&err, "Encode")
	data, err = codec.Encode(entry)
	if err != nil {
		return nil, fmt.Errorf("its Encode: %w", err)
	}
	return data, nil
}

// errDecode marks that Decode returned an error that it may return.
var errDecode = errors.New("its Decode refused the bytes")

// decode returns an entry; or an error that matches errDecode, which is Decode's own and in order; or any other error, which says what is
// wrong with Decode.
func decode[V any](codec serde.Codec[V], data []byte) (entry *storage.Entry[V], err error) {
	defer recovered(&err, "Decode")
	entry, err = codec.Decode(data)
	switch {
	case err == nil && entry == nil:
		return nil, errors.New("its Decode returned neither an entry nor an error")
	case err == nil:
		return entry, nil
	case entry != nil:
		return nil, fmt.Errorf("its Decode returned both an entry and the error %q", err)
	case !errors.Is(err, serde.ErrCorrupt) && !errors.Is(err, serde.ErrVersion) && !errors.Is(err, serde.ErrTooLarge):
		return nil, fmt.Errorf("the error %q of Decode matches none of ErrCorrupt, ErrVersion and ErrTooLarge", err)
	}
	return nil, fmt.Errorf("%w: %w", errDecode, err)
}

// damaged iterates over descriptions and damaged forms of data: cut, with a bit flipped, prolonged, scrambled; each cut and each bit unless
// there are more than most. The random numbers are the same in every run.
func damaged(data []byte, most int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		step := 1 + len(data)/most
		for n := 0; n < len(data); n += step {
			if !yield(fmt.Sprintf("cut after %d of %d bytes", n, len(data)), slices.Clone(data[:n])) {
				return
			}
		}
		step = 1 + 8*len(data)/most
		for bit := 0; bit < 8*len(data); bit += step {
			flipped := slices.Clone(data)
			flipped[bit/8] ^= 1 << (bit % 8)
			if !yield(fmt.Sprintf("bit %d of byte %d flipped", bit%8, bit/8), flipped) {
				return
			}
		}
		for _, tail := range []string{"\x00", "\n", "}", "x", string(data)} {
			if !yield(fmt.Sprintf("prolonged by %.40q", tail), append(slices.Clone(data), tail...)) {
				return
			}
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range min(most, len(data)) {
			scrambled := slices.Clone(data)
			at := random.IntN(len(data))
			length := 1 + random.IntN(min(16, len(data)-at))
			for i := at; i < at+length; i++ {
				scrambled[i] = byte(random.Uint32())
			}
			if bytes.Equal(scrambled, data) {
				continue
			}
			if !yield(fmt.Sprintf("bytes %d to %d scrambled", at, at+length), scrambled) {
				return
			}
		}
	}
}

// foreign iterates over data that no codec has written for this purpose.
func foreign() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, text := range []string{
			"x", "0", "null", "{}", "[]", `"value"`, `{"created":1}`, "\n", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff",
			"<html><body>502 Bad Gateway</body></html>", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x78\x9c",
			string(make([]byte, 4096)), string(bytes.Repeat([]byte{'['}, 4096)),
		} {
			if !yield(fmt.Sprintf("%.40q", text), []byte(text)) {
				return
			}
		}
		random := rand.New(rand.NewPCG(3, 4))
		for range 256 {
			noise := make([]byte, random.IntN(128))
			for i := range noise {
				noise[i] = byte(random.Uint32())
			}
			if !yield(fmt.Sprintf("%x", noise), noise) {
				return
			}
		}
	}
}
