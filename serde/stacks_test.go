package serde_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// stack is a codec of whatever type with some of what it has encoded, so that codecs of different types fit into one list.
type stack struct {
	name string
	// valid are encoded entries.
	valid [][]byte
	// fuzz decodes data, checks all that every codec owes, and reports whether there was an entry.
	fuzz func(t *testing.T, data []byte) bool
	// damaged decodes data that was made of valid[i], and returns an error unless it is refused or gives the entry of valid[i].
	damaged func(i int, data []byte) error
}

func newStack[V any](name string, codec serde.Codec[V], entries ...*storage.Entry[V]) stack {
	s := stack{name: name}
	for _, entry := range entries {
		data, err := codec.Encode(entry)
		if err != nil {
			panic(err)
		}
		if got, err := codec.Decode(data); err != nil || !got.Equal(entry) {
			panic(fmt.Sprintf("%s: undamaged, %+v is decoded as %+v, %v", name, entry, got, err))
		}
		s.valid = append(s.valid, data)
	}
	s.fuzz = func(t *testing.T, data []byte) bool {
		t.Helper()
		return fuzzDecode(t, codec, data) != nil
	}
	s.damaged = func(i int, data []byte) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%s: %x: panic: %v", name, data, p)
			}
		}()
		got, err := codec.Decode(data)
		switch {
		case err != nil && got == nil && isVerdict(err):
			return nil
		case err != nil || got == nil:
			return fmt.Errorf("%s: %x: got %v, %v", name, data, got, err)
		case !got.Equal(entries[i]):
			return fmt.Errorf("%s: %x was decoded as another value: %+v, not %+v", name, data, got, entries[i])
		}
		return nil
	}
	return s
}

// entriesOf returns an entry for each value, every other one without a life span.
func entriesOf[V any](values ...V) (entries []*storage.Entry[V]) {
	for i, value := range values {
		if i%2 == 0 {
			entries = append(entries, newEntry(value))
		} else {
			entries = append(entries, storage.NewEntry(value, time.Unix(1, 0), time.Time{}, time.Time{}))
		}
	}
	return entries
}

// inner is a codec below a frame, with which a stack is made, and how a payload of any bytes is made one that it takes for its own.
type inner struct {
	name   string
	framed func() stack
	seal   func(payload []byte) []byte
}

func newInner[V any](name string, codec serde.Codec[V], entries ...*storage.Entry[V]) inner {
	return inner{
		name:   name,
		framed: func() stack { return newStack("Framed "+name, serde.Framed(codec, 7), entries...) },
		seal:   bytes.Clone,
	}
}

// flat is a value that gob returns as it was: gob drops what is zero, and does not tell nil from empty.
type flat struct {
	Text  string
	Count int64
	Small [3]int8
	On    bool
}

var flats = []flat{{}, {"x\x00ü", -1 << 63, [3]int8{-1, 0, 1}, true}}

// fuzzLimit keeps what fuzzing inflates small.
var fuzzLimit = serde.MaxBytes(64 << 10)

// inners are all codecs, and all encodings around one.
func inners() []inner {
	json := serde.JSON[record]()
	list := []inner{
		newInner("JSON", json, entriesOf(records...)...),
		newInner("JSONVia", viaDuration(), entriesOf(0, -time.Hour)...),
		newInner("Gob", serde.Gob[flat](), entriesOf(flats...)...),
		newInner("raw", serde.Codec[[]byte](raw{}), newEntry([]byte{}), newEntry([]byte("payload"))),
		newInner("Framed JSON", serde.Framed(json, 8), entriesOf(records...)...),
		newInner("Encoded Zlib Framed Gob", serde.Encoded(serde.Framed(serde.Gob[flat](), 8), serde.Zlib(), fuzzLimit), entriesOf(flats...)...),
	}
	for _, name := range slices.Sorted(maps.Keys(encodings())) {
		list = append(list, newInner("Encoded "+name+" JSON", serde.Encoded(json, encodings()[name](), fuzzLimit), entriesOf(records...)...))
	}
	for i := range list {
		switch list[i].name {
		case "Gob":
			list[i].seal = sealed
		case "Framed JSON":
			list[i].seal = func(payload []byte) []byte { return frame(1, 8, string(payload)) }
		}
	}
	return list
}

// stacks are codecs with a frame on top, or with an encoding around a frame.
func stacks() (list []stack) {
	for _, in := range inners() {
		list = append(list, in.framed())
	}
	framed := serde.Framed(serde.JSON[record](), 7)
	for _, name := range slices.Sorted(maps.Keys(encodings())) {
		list = append(list, newStack("Encoded "+name+" Framed JSON", serde.Encoded(framed, encodings()[name](), fuzzLimit), entriesOf(records...)...))
	}
	twice := serde.Encoded(serde.Encoded(framed, serde.Gzip(), fuzzLimit), serde.Base64(), fuzzLimit)
	return append(list, newStack("Encoded Base64 Encoded Gzip Framed JSON", twice, entriesOf(records...)...))
}
