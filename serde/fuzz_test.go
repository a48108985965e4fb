package serde_test

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
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

// FuzzStackDecode gives any bytes to codecs below and above frames.
func FuzzStackDecode(f *testing.F) {
	list := stacks()
	f.Add([]byte{})
	for _, s := range list {
		for _, data := range s.valid {
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range list {
			s.fuzz(t, data)
		}
	})
}

// FuzzFramedPayload puts any bytes into an intact frame, as a program does whose values are of another type under the same schema.
func FuzzFramedPayload(f *testing.F) {
	type framed struct {
		inner
		stack
	}
	var list []framed
	for _, in := range inners() {
		list = append(list, framed{in, in.framed()})
	}
	const head = 34
	f.Add([]byte{})
	for _, s := range list {
		for _, data := range s.valid {
			f.Add(data[head:])
			f.Add(data[head : head+(len(data)-head)/2])
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, s := range list {
			s.fuzz(t, frame(1, 7, string(s.seal(payload))))
		}
	})
}

// FuzzGobPayload gives any bytes with the right checksum to gob. There is no map among the types: for those it takes all the memory that the
// bytes ask for, which is why Gob is for trusted bytes only.
func FuzzGobPayload(f *testing.F) {
	for _, add := range []func() ([]byte, error){
		func() ([]byte, error) { return serde.Gob[flat]().Encode(newEntry(flats[1])) },
		func() ([]byte, error) { return serde.Gob[[]string]().Encode(newEntry([]string{"a", ""})) },
		func() ([]byte, error) { return serde.Gob[*int]().Encode(newEntry[*int](nil)) },
		func() ([]byte, error) { return serde.Gob[[]byte]().Encode(newEntry([]byte{1})) },
	} {
		data, err := add()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[16:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := sealed(payload)
		fuzzDecode(t, serde.Gob[flat](), data)
		fuzzDecode(t, serde.Gob[[]string](), data)
		fuzzDecode(t, serde.Gob[*int](), data)
		fuzzDecode(t, serde.Gob[[]byte](), data)
	})
}

// FuzzDamage changes what a stack has encoded, from some byte on, by xor with a mask, and cuts or prolongs it: what comes out is never
// another value.
func FuzzDamage(f *testing.F) {
	list := stacks()
	for i := range list {
		f.Add(uint8(i), uint8(0), uint16(0), []byte{1}, []byte{}, uint16(0))
		f.Add(uint8(i), uint8(1), uint16(34), []byte{0xff, 0, 0xff}, []byte{}, uint16(0))
		f.Add(uint8(i), uint8(1), uint16(0), []byte{}, []byte{0}, uint16(3))
	}
	f.Fuzz(func(t *testing.T, which, entry uint8, at uint16, mask, tail []byte, cut uint16) {
		s := list[int(which)%len(list)]
		i := int(entry) % len(s.valid)
		data := bytes.Clone(s.valid[i])
		for j := range mask {
			data[(int(at)+j)%len(data)] ^= mask[j]
		}
		data = append(data[:len(data)-int(cut)%len(data)], tail...)
		if err := s.damaged(i, data); err != nil {
			t.Fatal(err)
		}
		s.fuzz(t, data)
	})
}

// FuzzDecodeMemory checks that Decode never needs more memory than twice the limit, whatever the bytes claim: as they are, and
// as the compressed form, flipped in one place, of many repetitions.
func FuzzDecodeMemory(f *testing.F) {
	all := []serde.Encoding{serde.Zlib(), serde.Gzip(), serde.Base64()}
	for _, kib := range []uint16{0, 63, 255} {
		f.Add([]byte{0}, uint32(1<<20), uint32(0), kib)
		f.Add([]byte("a text that is repeated, "), uint32(1<<16), uint32(500), kib)
		f.Add(noise(1000), uint32(1), uint32(0), kib)
		f.Add(noise(70_000), uint32(1), uint32(3), kib)
	}
	for _, encoding := range all {
		data, err := encoding.Encode(make([]byte, 100_000))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint32(1), uint32(0), uint16(4))
	}
	f.Fuzz(func(t *testing.T, data []byte, times, flip uint32, kib uint16) {
		limit := (1 + int(kib)%256) << 10
		inFrame := serde.Framed[int](sizeOnly{}, 7, serde.MaxBytes(limit))
		expectBounded(t, inFrame, data, limit)
		expectBounded(t, inFrame, frame(1, 7, string(data)), limit)
		const most = 512 << 10
		plain := bytes.Repeat(data, min(int(times%most), most/max(1, len(data))))
		for _, encoding := range all {
			codec := serde.Encoded[int](sizeOnly{}, encoding, serde.MaxBytes(limit))
			expectBounded(t, codec, data, limit)
			encoded, err := encoding.Encode(plain)
			if err != nil {
				t.Fatal(err)
			}
			expectBounded(t, codec, encoded, limit)
			if len(encoded) > 0 {
				encoded[int(flip/8)%len(encoded)] ^= 1 << (flip % 8)
				expectBounded(t, codec, encoded, limit)
			}
		}
	})
}

// expectBounded decodes data and checks that it and all that is allocated meanwhile are no more than twice the limit. Of what is allocated only
// the first guess at the size of inflated data may be dead by the end, if it was too small.
func expectBounded(t *testing.T, codec serde.Codec[int], data []byte, limit int) {
	t.Helper()
	const tables = 128 << 10 // of decompressors, and rounding
	dead := 0
	if 4*len(data) < limit {
		dead = 4 * len(data)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	entry, err := codec.Decode(data)
	runtime.ReadMemStats(&after)
	allocated := int(after.TotalAlloc - before.TotalAlloc)
	if allocated > max(0, 2*limit-len(data))+dead+tables {
		t.Fatalf("%d bytes allocated for %d, where %d are allowed in each form", allocated, len(data), limit)
	}
	if err == nil && entry.Value > limit || err != nil && !isVerdict(err) {
		t.Fatalf("Decode = %v, %v", entry, err)
	}
}
