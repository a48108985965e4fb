package serde_test

import (
	"bytes"
	"encoding/gob"
	"strings"
	"testing"
	"time"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/serde/serdetest"
	"github.com/memoize-go/memoize/storage"
)

// page is a value with what values commonly have.
type page struct {
	Title string
	Tags  []string
	Links map[string]int
	Next  *page
}

var pages = []page{
	{},
	{Title: "Überschrift <b>&amp;</b> \u2028 😀", Tags: []string{"a", ""}, Links: map[string]int{"": 0, "x": -1}, Next: &page{Title: "next"}},
}

func viaDuration() serde.Codec[time.Duration] {
	return serde.JSONVia(
		func(d time.Duration) (string, error) { return d.String(), nil },
		time.ParseDuration,
	)
}

func TestCodecsConform(t *testing.T) {
	zero, empty := 0, ""
	t.Run("JSON struct", func(t *testing.T) {
		serdetest.Run(t, func() serde.Codec[page] { return serde.JSON[page]() }, pages...)
	})
	t.Run("JSON pointer", func(t *testing.T) {
		serdetest.Run(t, func() serde.Codec[*int] { return serde.JSON[*int]() }, nil, &zero)
	})
	t.Run("JSON slice", func(t *testing.T) {
		serdetest.Run(t, func() serde.Codec[[]byte] { return serde.JSON[[]byte]() }, nil, []byte{}, []byte("abc"))
	})
	t.Run("JSON interface", func(t *testing.T) {
		serdetest.Run[any](t, func() serde.Codec[any] { return serde.JSON[any]() }, nil, "", 0.5, true, []any{}, map[string]any{"a": nil})
	})
	t.Run("JSON with options", func(t *testing.T) {
		factory := func() serde.Codec[page] { return serde.JSON[page](serde.UseNumber(), serde.DisallowUnknownFields()) }
		serdetest.Run(t, factory, pages...)
	})
	t.Run("JSONVia", func(t *testing.T) {
		serdetest.Run(t, viaDuration, 0, time.Minute, -time.Nanosecond)
	})
	t.Run("Gob struct", func(t *testing.T) {
		serdetest.Run(t, serde.Gob[page], pages...)
	})
	t.Run("Gob pointer", func(t *testing.T) {
		serdetest.Run(t, serde.Gob[*string], nil, &empty)
	})
	t.Run("Gob slice", func(t *testing.T) {
		serdetest.Run(t, serde.Gob[[]int], nil, []int{}, []int{0, 1})
	})
	t.Run("Gob map", func(t *testing.T) {
		serdetest.Run(t, serde.Gob[map[string]int], nil, map[string]int{}, map[string]int{"a": 0})
	})
	t.Run("Gob interface", func(t *testing.T) {
		gob.Register(page{})
		serdetest.Run[any](t, serde.Gob[any], nil, 0, "", false, pages[1])
	})
	for name, encoding := range encodings() {
		t.Run("Encoded "+name, func(t *testing.T) {
			factory := func() serde.Codec[page] { return serde.Encoded(serde.JSON[page](), encoding()) }
			serdetest.Run(t, factory, pages...)
		})
	}
	t.Run("Framed", func(t *testing.T) {
		factory := func() serde.Codec[string] { return serde.Framed(serde.JSON[string](), 1) }
		serdetest.Run(t, factory, "", "a", strings.Repeat("long ", 1000))
	})
}

// TestC26_DamageIsNeverAnotherValue: promise 26, bytes that were damaged are never a wrong value.
func TestC26_DamageIsNeverAnotherValue(t *testing.T) {
	t.Run("Framed", func(t *testing.T) {
		serdetest.RunIntegrity(t, func() serde.Codec[string] { return serde.Framed(serde.JSON[string](), 1) }, "", "1", "0123456789")
	})
	t.Run("Framed Encoded", func(t *testing.T) {
		factory := func() serde.Codec[page] { return serde.Framed(serde.Encoded(serde.JSON[page](), serde.Zlib()), 1) }
		serdetest.RunIntegrity(t, factory, pages...)
	})
	t.Run("Encoded Framed", func(t *testing.T) {
		factory := func() serde.Codec[page] { return serde.Encoded(serde.Framed(serde.JSON[page](), 1), serde.Base64()) }
		serdetest.RunIntegrity(t, factory, pages...)
	})
	t.Run("Framed raw", func(t *testing.T) {
		serdetest.RunIntegrity(t, func() serde.Codec[[]byte] { return serde.Framed[[]byte](raw{}, 1) }, []byte{}, bytes.Repeat([]byte{0}, 100))
	})
}

func encodings() map[string]func() serde.Encoding {
	return map[string]func() serde.Encoding{"Zlib": serde.Zlib, "Gzip": serde.Gzip, "Base64": serde.Base64}
}

func TestEncodingsConform(t *testing.T) {
	for name, encoding := range encodings() {
		t.Run(name, func(t *testing.T) { serdetest.RunEncoding(t, encoding) })
	}
}

// raw is a codec that notices nothing: any bytes are the value of an entry, whose times are always the same.
type raw struct{}

func (raw) Encode(entry *storage.Entry[[]byte]) ([]byte, error) {
	return bytes.Clone(entry.Value), nil
}

func (raw) Decode(data []byte) (*storage.Entry[[]byte], error) {
	return newEntry(bytes.Clone(data)), nil
}

// newEntry returns an entry with three different times.
func newEntry[V any](value V) *storage.Entry[V] {
	return storage.NewEntry(value, time.Unix(1, 500_000_000), time.Unix(2, 0), time.Unix(3, 0))
}
