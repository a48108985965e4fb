package serde_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestEncodedIsReadableByOthers(t *testing.T) {
	const want = `{"created":1.5,"update_after":2,"expires_after":3,"value":"x"}`
	for name, test := range map[string]struct {
		encoding serde.Encoding
		open     func(io.Reader) (io.ReadCloser, error)
	}{
		"zlib": {serde.Zlib(), zlib.NewReader},
		"gzip": {serde.Gzip(), func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := serde.Encoded(serde.JSON[string](), test.encoding).Encode(newEntry("x"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := test.open(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestZlibFromPython decodes what the zip codec of Python, the default of its EncodingSerDe, makes of an entry.
func TestZlibFromPython(t *testing.T) {
	data, err := hex.DecodeString("789cab564a2e4a4d2c494d51b25230d433d551502a2d4801f2e313d34a528b8082467a0640c1" +
		"d48a82cca2d462b8a83158b42c31a73415c853cacc53aa05005aa0167f")
	if err != nil {
		t.Fatal(err)
	}
	got, err := serde.Encoded(serde.JSON[string](), serde.Zlib()).Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(newEntry("in"), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBase64IsStrict(t *testing.T) {
	for name, data := range map[string]string{
		"line break":            "YWJj\n",
		"four line breaks":      "YWJj\n\n\n\n",
		"four carriage returns": "YW\r\r\r\rJj",
		"line breaks":           "YW\r\nJj",
		"break in place of one": "YWJ\nYWJj",
		"no padding":            "YQ",
		"too much padding":      "YWJj====",
		"only padding":          "====",
		"loose bits":            "YR==",
		"URL alphabet":          "_-8=",
		"text after the end":    "YQ==YQ==",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := serde.Base64().Decode([]byte(data), 100); err == nil {
				t.Errorf("Decode(%q) = %q, want an error", data, got)
			}
		})
	}
}

// TestCompressionRefusesWhatFollowsTheEnd asks the encodings themselves: an inner codec may refuse two texts in a row too, and hide
// that it got them.
func TestCompressionRefusesWhatFollowsTheEnd(t *testing.T) {
	for name, encoding := range map[string]serde.Encoding{"zlib": serde.Zlib(), "gzip": serde.Gzip()} {
		t.Run(name, func(t *testing.T) {
			data, err := encoding.Encode([]byte("abc"))
			if err != nil {
				t.Fatal(err)
			}
			for _, tail := range [][]byte{{0}, data} {
				if got, err := encoding.Decode(append(bytes.Clone(data), tail...), 1000); err == nil {
					t.Errorf("Decode with %q behind = %q, want an error", tail, got)
				}
			}
		})
	}
}

// rawString is a codec whose bytes are the value.
type rawString struct{}

func (rawString) Encode(entry *storage.Entry[string]) ([]byte, error) {
	return []byte(entry.Value), nil
}
func (rawString) Decode(data []byte) (*storage.Entry[string], error) {
	return newEntry(string(data)), nil
}

func TestMaxBytesHoldsForBothForms(t *testing.T) {
	const limit = 1000
	codec := func(e serde.Encoding, opts ...serde.Option) serde.Codec[string] {
		return serde.Encoded[string](rawString{}, e, opts...)
	}
	frame := func(opts ...serde.Option) serde.Codec[string] { return serde.Framed[string](rawString{}, 1, opts...) }
	const frameSize = 34
	noise := string(noise(limit))
	for _, test := range []struct {
		name             string
		limited, another serde.Codec[string]
		fits, tooLarge   string
	}{
		{"before zlib", codec(serde.Zlib(), serde.MaxBytes(limit)), codec(serde.Zlib()), strings.Repeat("a", limit), strings.Repeat("a", limit+1)},
		{"before gzip", codec(serde.Gzip(), serde.MaxBytes(limit)), codec(serde.Gzip()), strings.Repeat("a", limit), strings.Repeat("a", limit+1)},
		{"after zlib", codec(serde.Zlib(), serde.MaxBytes(limit)), codec(serde.Zlib()), noise[:limit-50], noise},
		{"after base64", codec(serde.Base64(), serde.MaxBytes(limit)), codec(serde.Base64()), noise[:750], noise[:751]},
		{"with the frame", frame(serde.MaxBytes(limit)), frame(), noise[:limit-frameSize], noise[:limit-frameSize+1]},
		{"last wins", frame(serde.MaxBytes(1), serde.MaxBytes(limit)), frame(), noise[:limit-frameSize], noise[:limit-frameSize+1]},
		{"no limit", frame(serde.MaxBytes(1)), frame(serde.MaxBytes(math.MaxInt)), "", noise},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.fits != "" {
				data, err := test.limited.Encode(newEntry(test.fits))
				if err != nil {
					t.Fatal(err)
				}
				got, err := test.limited.Decode(data)
				if err != nil {
					t.Fatal(err)
				}
				if got.Value != test.fits {
					t.Errorf("%.40q was decoded as %.40q", test.fits, got.Value)
				}
			}
			if data, err := test.limited.Encode(newEntry(test.tooLarge)); !errors.Is(err, serde.ErrTooLarge) || data != nil {
				t.Errorf("Encode of too much = %.40q, %v; want an error that matches ErrTooLarge", data, err)
			}
			data, err := test.another.Encode(newEntry(test.tooLarge))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := test.limited.Decode(data); !errors.Is(err, serde.ErrTooLarge) {
				t.Errorf("Decode of too much: error %v, want one that matches ErrTooLarge", err)
			}
			if got, err := test.another.Decode(data); err != nil || got.Value != test.tooLarge {
				t.Errorf("Decode without a limit: %v", err)
			}
		})
	}
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// TestC26_MemoryIsBounded: promise 26, never more live memory than twice the size cap. All that is allocated counts here, alive or not.
func TestC26_MemoryIsBounded(t *testing.T) {
	const (
		limit  = 256 << 10
		tables = 128 << 10
	)
	deflated := func(e serde.Encoding, data []byte) []byte {
		t.Helper()
		out, err := e.Encode(data)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, encoding := range map[string]serde.Encoding{"zlib": serde.Zlib(), "gzip": serde.Gzip()} {
		incompressible := deflated(encoding, noise(limit-1000))
		for _, test := range []struct {
			name string
			data []byte
			most uint64
			want error
		}{
			{"bomb", deflated(encoding, make([]byte, 8*limit)), limit, serde.ErrTooLarge},
			{"one byte too many", deflated(encoding, make([]byte, limit+1)), limit, serde.ErrTooLarge},
			{"just fits", deflated(encoding, make([]byte, limit)), limit + limit/4, nil},
			{"incompressible", incompressible, limit, nil}, // The data itself is the other half.
			{"cut", incompressible[:len(incompressible)-1], limit, serde.ErrCorrupt},
		} {
			t.Run(name+" "+test.name, func(t *testing.T) {
				codec := serde.Encoded[int](sizeOnly{}, encoding, serde.MaxBytes(limit))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := codec.Decode(test.data)
				runtime.ReadMemStats(&after)
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				if got := after.TotalAlloc - before.TotalAlloc; got > test.most+tables {
					t.Errorf("%d bytes were allocated for %d of data, more than %d", got, len(test.data), test.most+tables)
				}
			})
		}
	}
}

// sizeOnly is a codec that needs no memory.
type sizeOnly struct{}

func (sizeOnly) Encode(*storage.Entry[int]) ([]byte, error) { return nil, errors.ErrUnsupported }
func (sizeOnly) Decode(data []byte) (*storage.Entry[int], error) {
	return newEntry(len(data)), nil
}

// encodingFuncs is an encoding made of functions.
type encodingFuncs struct {
	encode func([]byte) ([]byte, error)
	decode func([]byte, int) ([]byte, error)
}

func (e encodingFuncs) Encode(data []byte) ([]byte, error)        { return e.encode(data) }
func (e encodingFuncs) Decode(data []byte, n int) ([]byte, error) { return e.decode(data, n) }

func TestEncodedSurvivesTheEncoding(t *testing.T) {
	cause := errors.New("cause")
	for name, test := range map[string]struct {
		encoding serde.Encoding
		decode   error
	}{
		"error": {encodingFuncs{
			func([]byte) ([]byte, error) { return []byte("x"), cause },
			func([]byte, int) ([]byte, error) { return []byte("x"), cause },
		}, serde.ErrCorrupt},
		"panic": {encodingFuncs{
			func([]byte) ([]byte, error) { panic(cause) },
			func([]byte, int) ([]byte, error) { panic(cause) },
		}, serde.ErrCorrupt},
		"more than allowed": {encodingFuncs{
			func([]byte) ([]byte, error) { return make([]byte, 101), cause },
			func([]byte, int) ([]byte, error) { return make([]byte, 101), nil },
		}, serde.ErrTooLarge},
		"verdict": {encodingFuncs{
			func([]byte) ([]byte, error) { return nil, cause },
			func([]byte, int) ([]byte, error) { return nil, fmt.Errorf("old key: %w", serde.ErrVersion) },
		}, serde.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			codec := serde.Encoded[string](rawString{}, test.encoding, serde.MaxBytes(100))
			if data, err := codec.Encode(newEntry("x")); !errors.Is(err, cause) || data != nil {
				t.Errorf("Encode = %q, %v; want an error that wraps the encoding's", data, err)
			}
			entry, err := codec.Decode([]byte("x"))
			if !errors.Is(err, test.decode) || entry != nil {
				t.Errorf("Decode = %v, %v; want an error that matches %v", entry, err, test.decode)
			}
		})
	}
}
