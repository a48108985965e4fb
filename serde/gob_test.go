package serde_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestGobKeepsEveryInstant(t *testing.T) {
	codec := serde.Gob[int]()
	for _, instant := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(0, 1), time.Unix(-1, 999_999_999), time.Now(),
		time.Unix(math.MaxInt64, 999_999_999), time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64-62135596800, 0),
		time.Date(2024, 1, 1, 0, 0, 0, 0, time.FixedZone("odd", 1234567)),
	} {
		want := storage.NewEntry(0, instant, instant, instant)
		data, err := codec.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", instant, diff)
		}
	}
}

func TestGobRefusesWhatGobDrops(t *testing.T) {
	if data, err := serde.Gob[func()]().Encode(newEntry(func() {})); err == nil {
		t.Errorf("Encode of a function = %q", data)
	}
	if data, err := serde.Gob[chan int]().Encode(newEntry(make(chan int))); err == nil {
		t.Errorf("Encode of a channel = %q", data)
	}
	if data, err := serde.Gob[struct{ hidden int }]().Encode(newEntry(struct{ hidden int }{1})); err == nil {
		t.Errorf("Encode of a struct without exported fields = %q", data)
	}
	var inner *int
	if data, err := serde.Gob[**int]().Encode(newEntry(&inner)); err == nil {
		t.Errorf("Encode of a pointer to nil = %q", data)
	}
}

func TestGobIsNotAnyGob(t *testing.T) {
	for name, other := range map[string]any{
		"string":              "x",
		"struct":              struct{ Value []string }{[]string{"x"}},
		"entry of other type": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var data bytes.Buffer
			if other == nil {
				encoded, err := serde.Gob[int]().Encode(newEntry(1))
				if err != nil {
					t.Fatal(err)
				}
				data.Write(encoded)
			} else if err := gob.NewEncoder(&data).Encode(other); err != nil {
				t.Fatal(err)
			}
			if entry, err := serde.Gob[string]().Decode(data.Bytes()); !errors.Is(err, serde.ErrCorrupt) {
				t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt", entry, err)
			}
		})
	}
}

// TestGobNilIsNotZero decodes a nil pointer where the value is no pointer: to gob both are of one type.
func TestGobNilIsNotZero(t *testing.T) {
	data, err := serde.Gob[*int]().Encode(newEntry[*int](nil))
	if err != nil {
		t.Fatal(err)
	}
	if entry, err := serde.Gob[int]().Decode(data); !errors.Is(err, serde.ErrCorrupt) {
		t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt", entry, err)
	}
}

// TestGobDamageDoesNotReachGob changes every byte of a map to a large number: encoding/gob makes room for so many keys as the bytes
// claim before it reads the first, which may be more than there is memory.
func TestGobDamageDoesNotReachGob(t *testing.T) {
	codec := serde.Gob[map[string]int]()
	data, err := codec.Encode(newEntry(map[string]int{"a": 1}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 0xfc
		if entry, err := codec.Decode(damaged); !errors.Is(err, serde.ErrCorrupt) {
			t.Errorf("Decode with byte %d changed = %v, %v; want an error that matches ErrCorrupt", i, entry, err)
		}
	}
}

type gobBomb struct{ Value int }

func (gobBomb) GobEncode() ([]byte, error) { return []byte{1}, nil }
func (*gobBomb) GobDecode([]byte) error    { panic("boom") }

type gobDud struct{ Value int }

func (gobDud) GobEncode() ([]byte, error) { panic("boom") }
func (*gobDud) GobDecode([]byte) error    { return nil }

func TestGobPanicsAreErrors(t *testing.T) {
	data, err := serde.Gob[gobBomb]().Encode(newEntry(gobBomb{1}))
	if err != nil {
		t.Fatal(err)
	}
	if entry, err := serde.Gob[gobBomb]().Decode(data); !errors.Is(err, serde.ErrCorrupt) || entry != nil {
		t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt", entry, err)
	}
	if data, err := serde.Gob[gobDud]().Encode(newEntry(gobDud{1})); err == nil || data != nil {
		t.Errorf("Encode = %q, %v; want an error", data, err)
	}
}

// sealed returns what Gob takes for its own bytes: payload with its checksum in front.
func sealed(payload []byte) []byte {
	sum := sha256.Sum256(payload)
	return append(sum[:16:16], payload...)
}
