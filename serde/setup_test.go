package serde_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func isVerdict(err error) bool {
	return errors.Is(err, serde.ErrCorrupt) || errors.Is(err, serde.ErrVersion) || errors.Is(err, serde.ErrTooLarge)
}

func TestWrongSetupIsAnError(t *testing.T) {
	same := func(s string) (string, error) { return s, nil }
	inner := serde.JSON[string]()
	for _, test := range []struct {
		codec serde.Codec[string]
		want  string
	}{
		{serde.JSON[string](nil), "serde: JSON: nil option"},
		{serde.JSONVia[string, string](nil, same), "serde: JSONVia: nil toRepr"},
		{serde.JSONVia[string, string](same, nil), "serde: JSONVia: nil fromRepr"},
		{serde.Encoded[string](nil, serde.Zlib()), "serde: Encoded: nil inner codec"},
		{serde.Encoded(inner, nil), "serde: Encoded: nil encoding"},
		{serde.Encoded(inner, serde.Zlib(), nil), "serde: Encoded: nil option"},
		{serde.Encoded(inner, serde.Zlib(), serde.MaxBytes(0)), "serde: Encoded: MaxBytes: 0 is not positive"},
		{serde.Framed[string](nil, 1), "serde: Framed: nil inner codec"},
		{serde.Framed(inner, 1, nil), "serde: Framed: nil option"},
		{serde.Framed(inner, 1, serde.MaxBytes(-5)), "serde: Framed: MaxBytes: -5 is not positive"},
	} {
		t.Run(test.want, func(t *testing.T) {
			data, err := test.codec.Encode(newEntry("x"))
			if err == nil || data != nil {
				t.Fatalf("Encode = %q, %v; want an error", data, err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("error of Encode (-want +got):\n%s", diff)
			}
			entry, err := test.codec.Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"x"}`))
			if err == nil || entry != nil {
				t.Fatalf("Decode = %v, %v; want an error", entry, err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("error of Decode (-want +got):\n%s", diff)
			}
			if !isVerdict(err) {
				t.Error("the error of Decode matches none of the three")
			}
		})
	}
}

func TestNilEntryIsAnError(t *testing.T) {
	for name, codec := range map[string]serde.Codec[int]{
		"JSON":    serde.JSON[int](),
		"JSONVia": serde.JSONVia(func(int) (int, error) { return 0, nil }, func(int) (int, error) { return 0, nil }),
		"Gob":     serde.Gob[int](),
		"Encoded": serde.Encoded(serde.JSON[int](), serde.Zlib()),
		"Framed":  serde.Framed(serde.JSON[int](), 1),
	} {
		data, err := codec.Encode(nil)
		if want := "serde: " + name + ": nil entry"; err == nil || err.Error() != want || data != nil {
			t.Errorf("%s: Encode(nil) = %q, %v; want the error %q", name, data, err, want)
		}
	}
}

func TestErrorsNameThePackageOnce(t *testing.T) {
	codec := serde.Encoded(serde.Framed(serde.JSON[int](), 1), serde.Base64())
	data, err := serde.Encoded(serde.Framed(serde.JSON[string](), 1), serde.Base64()).Encode(newEntry("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = codec.Decode(data)
	if want := "serde: Encoded: Framed: JSON: corrupt entry: "; !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("error %q, want it to begin with %q", err, want)
	}
}

// codecFuncs is a codec made of functions.
type codecFuncs struct {
	encode func(*storage.Entry[string]) ([]byte, error)
	decode func([]byte) (*storage.Entry[string], error)
}

func (c codecFuncs) Encode(entry *storage.Entry[string]) ([]byte, error) { return c.encode(entry) }
func (c codecFuncs) Decode(data []byte) (*storage.Entry[string], error)  { return c.decode(data) }

func TestInnerCodecIsHeldToTheContract(t *testing.T) {
	cause := errors.New("cause")
	for name, inner := range map[string]codecFuncs{
		"error": {
			func(*storage.Entry[string]) ([]byte, error) { return nil, cause },
			func([]byte) (*storage.Entry[string], error) { return nil, cause },
		},
		"error and entry": {
			func(*storage.Entry[string]) ([]byte, error) { return []byte("x"), cause },
			func([]byte) (*storage.Entry[string], error) { return newEntry("x"), cause },
		},
		"panic": {
			func(*storage.Entry[string]) ([]byte, error) { panic(cause) },
			func([]byte) (*storage.Entry[string], error) { panic("boom") },
		},
		"nothing": {
			func(*storage.Entry[string]) ([]byte, error) { return nil, cause },
			func([]byte) (*storage.Entry[string], error) { return nil, nil },
		},
	} {
		for outer, test := range map[string]struct {
			codec serde.Codec[string]
			data  string
		}{
			"Encoded": {serde.Encoded[string](inner, serde.Base64()), "YQ=="},
			"Framed":  {serde.Framed[string](inner, 7), string(frame(1, 7, "a"))},
		} {
			t.Run(outer+" "+name, func(t *testing.T) {
				if data, err := test.codec.Encode(newEntry("x")); !errors.Is(err, cause) || data != nil {
					t.Errorf("Encode = %q, %v; want an error that wraps the inner codec's", data, err)
				}
				entry, err := test.codec.Decode([]byte(test.data))
				if !errors.Is(err, serde.ErrCorrupt) || entry != nil {
					t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt", entry, err)
				}
			})
		}
	}
}
