package serde

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Gob returns a codec on [encoding/gob], for Go programs among themselves. All instants are kept exactly.
//
// It is for trusted bytes only: gob is not hardened against input that was made to harm, and whoever can write to the storage can take all
// memory. A changed bit could do so too; therefore a checksum of 16 bytes comes first, and what was damaged by accident does not reach
// gob.
//
// V has to survive a trip through gob: unexported fields are lost, and inside of the value gob does not tell a nil pointer from a pointer to zero, nor nil
// from empty; the value itself may be nil, empty or zero. Concrete types behind an interface have to be registered with
// [gob.Register]. A value with cycles overflows the stack.
func Gob[V any]() Codec[V] { return gobCodec[V]{} }

type gobCodec[V any] struct{}

// gobEntry is what is written. Its fields are exported for gob.
type gobEntry[V any] struct {
	Created, UpdateAfter, ExpireAfter gobInstant
	// Value has one element, or none for a nil value: gob drops a field that is zero, or points to zero, but no element.
	Value []V
}

// gobInstant is an instant. It is not a time.Time because that believes any number of nanoseconds when it is decoded.
type gobInstant struct {
	// Kind is 0 in a gob of something else, which lacks the field.
	Kind      gobInstantKind
	Sec, Nsec int64
}

type gobInstantKind uint8

const (
	gobNever gobInstantKind = 1
	gobUnix  gobInstantKind = 2
)

func newGobInstant(t time.Time) gobInstant {
	if t.IsZero() {
		return gobInstant{Kind: gobNever}
	}
	return gobInstant{Kind: gobUnix, Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

func (i gobInstant) time() (time.Time, error) {
	switch {
	case i.Kind == gobNever && i.Sec == 0 && i.Nsec == 0:
		return time.Time{}, nil
	case i.Kind == gobUnix && i.Nsec >= 0 && i.Nsec < 1e9:
		if t := time.Unix(i.Sec, i.Nsec).UTC(); !t.IsZero() {
			return t, nil
		}
	}
	return time.Time{}, errors.New("invalid instant")
}

func (c gobCodec[V]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	data, err := c.encode(entry)
	if err != nil {
		return nil, encodeError("Gob", err)
	}
	return data, nil
}

func (gobCodec[V]) encode(entry *storage.Entry[V]) (data []byte, err error) {
	if entry == nil {
		return nil, errNilEntry
	}
	defer recovered(&err, "the value's encoding")
	e := gobEntry[V]{
		Created:     newGobInstant(entry.Created()),
		UpdateAfter: newGobInstant(entry.UpdateAfter()),
		ExpireAfter: newGobInstant(entry.ExpireAfter()),
	}
	if v := reflect.ValueOf(&entry.Value).Elem(); !nilable(v.Kind()) || !v.IsNil() {
		e.Value = []V{entry.Value}
	}
	var out bytes.Buffer
	out.Write(make([]byte, checksumSize))
	if err := gob.NewEncoder(&out).Encode(&e); err != nil {
		return nil, err
	}
	data = out.Bytes()
	sum := checksum(data[checksumSize:])
	copy(data, sum[:])
	return data, nil
}

func nilable(kind reflect.Kind) bool {
	switch kind {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return false
}

func (c gobCodec[V]) Decode(data []byte) (*storage.Entry[V], error) {
	entry, err := c.decode(data)
	if err != nil {
		return nil, decodeError("Gob", err)
	}
	return entry, nil
}

func (gobCodec[V]) decode(data []byte) (entry *storage.Entry[V], err error) {
	defer recovered(&err, "the value's decoding")
	if len(data) < checksumSize || checksum(data[checksumSize:]) != [checksumSize]byte(data) {
		return nil, errors.New("wrong checksum")
	}
	var e gobEntry[V]
	if err := gob.NewDecoder(bytes.NewReader(data[checksumSize:])).Decode(&e); err != nil {
		return nil, err
	}
	var times [3]time.Time
	for i, instant := range []gobInstant{e.Created, e.UpdateAfter, e.ExpireAfter} {
		if times[i], err = instant.time(); err != nil {
			return nil, err
		}
	}
	var value V
	v := reflect.ValueOf(&value).Elem()
	switch {
	case len(e.Value) > 1 || len(e.Value) == 0 && !nilable(v.Kind()):
		return nil, fmt.Errorf("%d values instead of one", len(e.Value))
	case len(e.Value) == 1:
		value = e.Value[0]
		// It was not nil when it was encoded: gob makes a nil slice of an empty one (and an empty map of an empty one).
		if v.Kind() == reflect.Slice && v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
	}
	return storage.NewEntry(value, times[0], times[1], times[2]), nil
}
