package serde

import (
	"errors"
	"fmt"
	"strings"

	"github.com/memoize-go/memoize/storage"
)

var errNilEntry = errors.New("nil entry")

// described is an error with a text of its own, so that the name of the package stands once at the beginning however many codecs
// are nested.
type described struct {
	text string
	errs []error
}

func (d *described) Error() string   { return d.text }
func (d *described) Unwrap() []error { return d.errs }

func describe(part, text string, errs ...error) error {
	return &described{text: "serde: " + part + ": " + text, errs: errs}
}

// bare returns the text of err, which may be foreign: fmt survives a nil pointer in it.
func bare(err error) string { return strings.TrimPrefix(fmt.Sprint(err), "serde: ") }

// encodeError says which part err comes from.
func encodeError(part string, err error) error { return describe(part, bare(err), err) }

// decodeError says which part err comes from, and makes it match ErrCorrupt unless it matches one of the three errors of Decode already.
func decodeError(part string, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) || errors.Is(err, ErrTooLarge) {
		return describe(part, bare(err), err)
	}
	return describe(part, bare(ErrCorrupt)+": "+bare(err), ErrCorrupt, err)
}

// setupError makes what is wrong with a codec itself an error of Decode. It matches ErrCorrupt, as some error of Decode has to, but does not
// say that the bytes are to blame.
func setupError(err error) error {
	return &described{text: err.Error(), errs: []error{err, ErrCorrupt}}
}

// recovered, deferred, makes a panic of foreign code an error.
func recovered(err *error, what string) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("panic in %s: %w", what, r)
	default:
		*err = fmt.Errorf("panic in %s: %v", what, r)
	}
}

// encodeInner calls inner.Encode, which may be foreign.
func encodeInner[V any](inner Codec[V], entry *storage.Entry[V]) (data []byte, err error) {
	defer recovered(&err, "the inner codec")
	return inner.Encode(entry)
}

// decodeInner calls inner.Decode, which may be foreign, and holds it to "an entry or an error".
func decodeInner[V any](inner Codec[V], data []byte) (entry *storage.Entry[V], err error) {
	defer recovered(&err, "the inner codec")
	entry, err = inner.Decode(data)
	if err == nil && entry == nil {
		err = errors.New("the inner codec returned neither an entry nor an error")
	}
	return entry, err
}
