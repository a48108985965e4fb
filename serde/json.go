package serde

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/memoize-go/memoize/storage"
)

// JSONOption changes how [JSON] decodes the value.
type JSONOption interface {
	applyJSON(*jsonSettings)
}

type jsonSettings struct {
	useNumber       bool
	disallowUnknown bool
}

type jsonOption func(*jsonSettings)

func (o jsonOption) applyJSON(s *jsonSettings) { o(s) }

// UseNumber makes numbers that land in an interface a [json.Number] instead of a float64, which holds no whole number beyond 2^53
// exactly. The default is float64.
func UseNumber() JSONOption {
	return jsonOption(func(s *jsonSettings) { s.useNumber = true })
}

// DisallowUnknownFields makes a value with a field that its Go struct does not have corrupt. The default is to drop the field. Unknown fields
// beside the value are always tolerated.
func DisallowUnknownFields() JSONOption {
	return jsonOption(func(s *jsonSettings) { s.disallowUnknown = true })
}

// JSON returns a codec that writes an entry as
//
//	{"created":1.5,"update_after":2,"expires_after":3,"value":...}
//
// with the value as [encoding/json] writes it. Times are seconds since the epoch as decimal numbers, exact to the nanosecond in both
// directions; a zero Time, which means never, is null. The Python library memoize reads and writes the same, where times are
// between the years 1 and 9999 (and not null).
//
// V has to survive a trip through JSON: unexported fields are lost, text that is not UTF-8 is changed, and an interface comes back as the
// types that [encoding/json] chooses. If it does not, use [JSONVia].
//
// Decode takes any JSON number as a time, dropping what is finer than a nanosecond. All four fields have to be there; others are ignored.
// The value null is nil for a pointer, slice, map or interface, what its UnmarshalJSON says for a type that has one, and corrupt for
// everything else.
func JSON[V any](opts ...JSONOption) Codec[V] {
	c := &jsonCodec[V]{nullable: nullable(reflect.TypeFor[V]())}
	for _, opt := range opts {
		if opt == nil {
			c.setup = errors.New("serde: JSON: nil option")
			continue
		}
		opt.applyJSON(&c.settings)
	}
	return c
}

func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

type jsonCodec[V any] struct {
	settings jsonSettings
	nullable bool
	setup    error
}

// jsonEntry is an entry while it is being decoded. Its fields read themselves, so that the text is not copied on the way.
type jsonEntry[V any] struct {
	Created     jsonInstant  `json:"created"`
	UpdateAfter jsonInstant  `json:"update_after"`
	ExpireAfter jsonInstant  `json:"expires_after"`
	Value       jsonValue[V] `json:"value"`
}

type jsonInstant struct {
	time    time.Time
	present bool
	null    bool
}

func (i *jsonInstant) UnmarshalJSON(text []byte) (err error) {
	i.present, i.null = true, string(text) == "null"
	i.time, err = parseInstant(text)
	return err
}

// deadline reports what is wrong with an instant that may be never.
func (i *jsonInstant) deadline(name string) error {
	if !i.present {
		return missing(name)
	}
	if i.time.IsZero() && !i.null {
		return fmt.Errorf("%s is the instant that stands for never", name)
	}
	return nil
}

func missing(name string) error { return fmt.Errorf("%s is missing", name) }

type jsonValue[V any] struct {
	codec   *jsonCodec[V]
	value   V
	present bool
}

func (v *jsonValue[V]) UnmarshalJSON(text []byte) error {
	if string(text) == "null" && !v.codec.nullable {
		return fmt.Errorf("value is null, which no %v is", reflect.TypeFor[V]())
	}
	v.present = true
	// Of two values the last one counts, and nothing of the first may shine through.
	v.value = *new(V)
	if v.codec.settings == (jsonSettings{}) {
		return json.Unmarshal(text, &v.value)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if v.codec.settings.useNumber {
		decoder.UseNumber()
	}
	if v.codec.settings.disallowUnknown {
		decoder.DisallowUnknownFields()
	}
	return decoder.Decode(&v.value)
}

func (c *jsonCodec[V]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	if c.setup != nil {
		return nil, c.setup
	}
	data, err := c.encode(entry)
	if err != nil {
		return nil, encodeError("JSON", err)
	}
	return data, nil
}

func (c *jsonCodec[V]) encode(entry *storage.Entry[V]) (data []byte, err error) {
	if entry == nil {
		return nil, errNilEntry
	}
	defer recovered(&err, "the value's encoding")
	var text []byte
	for _, field := range []struct {
		name string
		time time.Time
	}{
		{`{"created":`, entry.Created()},
		{`,"update_after":`, entry.UpdateAfter()},
		{`,"expires_after":`, entry.ExpireAfter()},
	} {
		text = append(text, field.name...)
		if text, err = appendInstant(text, field.time); err != nil {
			return nil, err
		}
	}
	out := bytes.NewBuffer(append(text, `,"value":`...))
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	// By address, so that a MarshalJSON on the pointer is found, as Decode finds the UnmarshalJSON there.
	if err := encoder.Encode(&entry.Value); err != nil {
		return nil, err
	}
	out.Truncate(out.Len() - len("\n"))
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (c *jsonCodec[V]) Decode(data []byte) (*storage.Entry[V], error) {
	if c.setup != nil {
		return nil, setupError(c.setup)
	}
	entry, err := c.decode(data)
	if err != nil {
		return nil, decodeError("JSON", err)
	}
	return entry, nil
}

func (c *jsonCodec[V]) decode(data []byte) (entry *storage.Entry[V], err error) {
	defer recovered(&err, "the value's decoding")
	if !utf8.Valid(data) {
		// encoding/json would put another character in place of what is broken.
		return nil, errors.New("not UTF-8")
	}
	e := jsonEntry[V]{Value: jsonValue[V]{codec: c}}
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	if !e.Created.present {
		return nil, missing("created")
	}
	if err := e.UpdateAfter.deadline("update_after"); err != nil {
		return nil, err
	}
	if err := e.ExpireAfter.deadline("expires_after"); err != nil {
		return nil, err
	}
	if !e.Value.present {
		return nil, missing("value")
	}
	return storage.NewEntry(e.Value.value, e.Created.time, e.UpdateAfter.time, e.ExpireAfter.time), nil
}
