package serde_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// frame builds a frame from its description in the documentation, to hold the format to it.
func frame(format byte, schema uint32, payload string) []byte {
	return frameOfLength(format, schema, payload, uint64(len(payload)))
}

// frameOfLength builds a frame that is in order apart from its length.
func frameOfLength(format byte, schema uint32, payload string, length uint64) []byte {
	head := append([]byte("\x89mzg"), format, ^format)
	head = binary.BigEndian.AppendUint32(head, schema)
	head = binary.BigEndian.AppendUint64(head, length)
	sum := sha256.Sum256(append(bytes.Clone(head), payload...))
	return append(append(head, sum[:16]...), payload...)
}

func TestFrameFormat(t *testing.T) {
	codec := serde.Framed[string](rawString{}, 0xA1B2C3D4)
	data, err := codec.Encode(newEntry("payload"))
	if err != nil {
		t.Fatal(err)
	}
	want := frame(1, 0xA1B2C3D4, "payload")
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got, err := codec.Decode(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(newEntry("payload"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// edited returns a changed copy of data.
func edited(data []byte, edit func(data []byte)) []byte {
	data = bytes.Clone(data)
	edit(data)
	return data
}

func TestC26_FrameVerdicts(t *testing.T) {
	valid := frame(1, 7, "payload")
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"nil", nil, serde.ErrCorrupt},
		{"foreign", []byte(`{"created":1.5,"update_after":2,"expires_after":3,"value":"x"}`), serde.ErrCorrupt},
		{"another magic", edited(valid, func(d []byte) { d[0] = 0x88 }), serde.ErrCorrupt},
		{"another format", frame(2, 7, "payload"), serde.ErrVersion},
		{"another format, shorter", frame(2, 7, "payload")[:10], serde.ErrVersion},
		{"damaged format", edited(valid, func(d []byte) { d[4] ^= 1 }), serde.ErrCorrupt},
		{"another schema", frame(1, 8, "payload"), serde.ErrVersion},
		{"damaged schema", edited(valid, func(d []byte) { d[9] ^= 1 }), serde.ErrCorrupt},
		{"schema 0", frame(1, 0, ""), serde.ErrVersion},
		{"damaged length", edited(valid, func(d []byte) { d[10] ^= 0x80 }), serde.ErrCorrupt},
		{"too short a length with its checksum", frameOfLength(1, 7, "payload", 6), serde.ErrCorrupt},
		{"too long a length with its checksum", frameOfLength(1, 7, "payload", 1<<63), serde.ErrCorrupt},
		{"damaged checksum", edited(valid, func(d []byte) { d[18] ^= 1 }), serde.ErrCorrupt},
		{"damaged payload", edited(valid, func(d []byte) { d[34] ^= 1 }), serde.ErrCorrupt},
		{"cut in the head", valid[:20], serde.ErrCorrupt},
		{"cut after the head", valid[:34], serde.ErrCorrupt},
		{"prolonged", append(bytes.Clone(valid), 0), serde.ErrCorrupt},
		{"twice", append(bytes.Clone(valid), valid...), serde.ErrCorrupt},
		{"too large", frame(1, 7, string(make([]byte, 100))), serde.ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			inner := &counting{}
			entry, err := serde.Framed[string](inner, 7, serde.MaxBytes(100)).Decode(test.data)
			if !errors.Is(err, test.want) || entry != nil {
				t.Errorf("Decode = %v, %v; want an error that matches %v", entry, err, test.want)
			}
			for _, other := range []error{serde.ErrCorrupt, serde.ErrVersion, serde.ErrTooLarge} {
				if other != test.want && errors.Is(err, other) {
					t.Errorf("the error %v matches %v too", err, other)
				}
			}
			if inner.decoded > 0 {
				t.Error("the inner codec was shown the payload")
			}
		})
	}
}

// counting is a rawString that counts.
type counting struct {
	rawString
	decoded int
}

func (c *counting) Decode(data []byte) (*storage.Entry[string], error) {
	c.decoded++
	return c.rawString.Decode(data)
}

func TestFramedAllocatesNothingForThePayload(t *testing.T) {
	codec := serde.Framed[int](sizeOnly{}, 7)
	data := frame(1, 7, string(make([]byte, 1<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	entry, err := codec.Decode(data)
	runtime.ReadMemStats(&after)
	if err != nil || entry.Value != 1<<20 {
		t.Fatalf("Decode = %v, %v", entry, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
		t.Errorf("Decode of %d bytes allocated %d", len(data), got)
	}
}
