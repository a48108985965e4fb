package serde_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// fuzzDecode checks that Decode is total, and that what it decodes survives another trip. It returns the entry, if there is one.
func fuzzDecode[V any](t *testing.T, codec serde.Codec[V], data []byte) *storage.Entry[V] {
	t.Helper()
	before := bytes.Clone(data)
	entry, err := codec.Decode(data)
	if (entry == nil) == (err == nil) {
		t.Fatalf("Decode = %v, %v", entry, err)
	}
	if !bytes.Equal(before, data) {
		t.Fatal("Decode modified its argument")
	}
	if err != nil {
		if !isVerdict(err) {
			t.Fatalf("the error %v matches none of the three", err)
		}
		return nil
	}
	again, err := codec.Encode(entry)
	if err != nil {
		t.Fatalf("Encode of what was decoded: %v", err)
	}
	got, err := codec.Decode(again)
	if err != nil {
		t.Fatalf("Decode of what was decoded and encoded: %v", err)
	}
	if !entry.Equal(got) {
		t.Fatalf("after another trip (-want +got):\n%s", cmp.Diff(entry, got))
	}
	return entry
}

// addSeeds adds what codec makes of some entries, whole and cut.
func addSeeds[V any](f *testing.F, codec serde.Codec[V], values ...V) {
	f.Helper()
	f.Add([]byte{})
	for _, value := range values {
		for _, entry := range []*storage.Entry[V]{newEntry(value), storage.NewEntry(value, time.Time{}, time.Time{}, time.Time{})} {
			data, err := codec.Encode(entry)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
}

// record has every kind of JSON in it.
type record struct {
	Text  string
	List  []bool
	Map   map[string]*int
	Any   any
	Inner *record
}

var records = func() []record {
	one := 1
	return []record{
		{},
		{"ü\u2028\x00", []bool{true, false}, map[string]*int{"": nil, "a": &one}, []any{1.5, "x", nil, map[string]any{}}, &record{}},
	}
}()

func FuzzJSONDecode(f *testing.F) {
	codec := serde.JSON[record](serde.UseNumber())
	addSeeds(f, codec, records...)
	f.Add([]byte(`{"created":-1.5e-3,"update_after":1e1000000000,"expires_after":null,"value":{"any":1e400}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzDecode(t, codec, data)
		fuzzDecode(t, serde.JSON[any](), data)
		fuzzDecode(t, serde.JSON[[]byte](serde.DisallowUnknownFields()), data)
	})
}

func FuzzJSONTime(f *testing.F) {
	for _, text := range []string{"1.5", "-0.5", "1e3", "123456789.123456789", "1e-1000000000", "-9223372036854775808", "0.0e99999999999999999999"} {
		f.Add(text)
	}
	codec := serde.JSON[int]()
	f.Fuzz(func(t *testing.T, text string) {
		fuzzDecode(t, codec, fmt.Appendf(nil, `{"created":%s,"update_after":%s,"expires_after":1,"value":1}`, text, text))
	})
}

func FuzzJSONInstants(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0))
	f.Add(int64(-1), int64(999_999_999), int64(-62135596800))
	f.Add(int64(math.MinInt64), int64(1), int64(math.MaxInt64-62135596800))
	f.Fuzz(func(t *testing.T, sec, nsec, other int64) {
		want := storage.NewEntry("x", time.Unix(sec, nsec), time.Unix(other, nsec), time.Unix(sec, 0))
		for _, codec := range []serde.Codec[string]{serde.JSON[string](), serde.Gob[string]()} {
			data, err := codec.Encode(want)
			if err != nil {
				continue // An instant that wrapped around.
			}
			got, err := codec.Decode(data)
			if err != nil {
				t.Fatalf("Decode(%q): %v", data, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}
	})
}

func FuzzJSONViaDecode(f *testing.F) {
	addSeeds(f, viaDuration(), 0, time.Hour, -1)
	f.Fuzz(func(t *testing.T, data []byte) { fuzzDecode(t, viaDuration(), data) })
}

func FuzzGobDecode(f *testing.F) {
	codec := serde.Gob[record]()
	addSeeds(f, codec, record{}, record{Text: "x", Map: map[string]*int{}})
	f.Fuzz(func(t *testing.T, data []byte) { fuzzDecode(t, codec, data) })
}

func FuzzEncodedDecode(f *testing.F) {
	var codecs []serde.Codec[record]
	for _, encoding := range []serde.Encoding{serde.Zlib(), serde.Gzip(), serde.Base64()} {
		codec := serde.Encoded(serde.JSON[record](serde.UseNumber()), encoding, serde.MaxBytes(64<<10))
		codecs = append(codecs, codec)
		addSeeds(f, codec, records...)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, codec := range codecs {
			fuzzDecode(t, codec, data)
		}
	})
}

func FuzzEncodingDecode(f *testing.F) {
	all := []serde.Encoding{serde.Zlib(), serde.Gzip(), serde.Base64()}
	for _, plain := range [][]byte{nil, []byte("abc"), make([]byte, 1000), noise(100)} {
		for _, encoding := range all {
			data, err := encoding.Encode(plain)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, len(plain))
			f.Add(data, len(plain)-1)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		limit = min(limit, 1<<20)
		for _, encoding := range all {
			plain, err := encoding.Decode(data, limit)
			if err != nil {
				continue
			}
			if len(plain) > limit {
				t.Fatalf("%T: %d bytes, more than %d", encoding, len(plain), limit)
			}
			again, err := encoding.Encode(plain)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := encoding.Decode(again, limit); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%T: after another trip %q, %v; want %q", encoding, got, err, plain)
			}
		}
	})
}

func FuzzFramedDecode(f *testing.F) {
	codec := serde.Framed[string](rawString{}, 7, serde.MaxBytes(64<<10))
	addSeeds(f, codec, "", "payload")
	f.Add(frame(1, 8, "payload"))
	f.Add(frame(2, 7, "payload"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entry := fuzzDecode(t, codec, data)
		if entry != nil && !bytes.Equal(data, frame(1, 7, entry.Value)) {
			t.Fatalf("%x was decoded as %q", data, entry.Value)
		}
	})
}

// FuzzFramedDamage changes a frame by xor with a mask, cuts or prolongs it: what comes out is never another value.
func FuzzFramedDamage(f *testing.F) {
	codec := serde.Framed[string](rawString{}, 7)
	f.Add("payload", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0)
	f.Add("payload", bytes.Repeat([]byte{0}, 40), 1)
	f.Add("payload", []byte{}, -1)
	f.Add("payload", []byte{}, 0)
	f.Fuzz(func(t *testing.T, value string, mask []byte, longer int) {
		want := newEntry(value)
		valid, err := codec.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(valid)
		if longer > 0 {
			damaged = append(damaged, make([]byte, longer%100)...)
		} else {
			damaged = damaged[:len(damaged)+longer%(len(damaged)+1)]
		}
		for i := range min(len(mask), len(damaged)) {
			damaged[i] ^= mask[i]
		}
		entry := fuzzDecode(t, codec, damaged)
		if entry == nil {
			if bytes.Equal(damaged, valid) {
				t.Fatal("a valid frame was refused")
			}
			return
		}
		if diff := cmp.Diff(want, entry); diff != "" {
			t.Fatalf("another value (-want +got):\n%s", diff)
		}
	})
}
