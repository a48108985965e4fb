package serde

import (
	"errors"

	"github.com/memoize-go/memoize/storage"
)

// Encoding turns bytes into other bytes and back: compression, encryption, text.
//
// [Encoded] calls it, from many goroutines at once. The data belongs to the caller and may be neither modified nor kept; what is returned may
// be the data itself.
//
// Decode of what Encode returned gives the first bytes. Decode is total: it makes an error of what Encode cannot have returned, bytes after
// the end included, and never panics. It never returns more than maxBytes bytes nor needs memory for more: if there are more, it
// returns an error that matches [ErrTooLarge] as soon as that is known. Its other errors need not match any in this package; they count as
// [ErrCorrupt].
type Encoding interface {
	Encode(data []byte) ([]byte, error)
	Decode(data []byte, maxBytes int) ([]byte, error)
}

// Encoded returns inner with encoding around it: what inner has encoded is encoded once more. [MaxBytes] holds before and after.
func Encoded[V any](inner Codec[V], encoding Encoding, opts ...Option) Codec[V] {
	c := &encodedCodec[V]{inner: inner, encoding: encoding}
	c.settings, c.setup = newSettings("Encoded", opts)
	switch {
	case inner == nil:
		c.setup = errors.New("serde: Encoded: nil inner codec")
	case encoding == nil:
		c.setup = errors.New("serde: Encoded: nil encoding")
	}
	return c
}

type encodedCodec[V any] struct {
	inner    Codec[V]
	encoding Encoding
	settings settings
	setup    error
}

func (c *encodedCodec[V]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	if c.setup != nil {
		return nil, c.setup
	}
	data, err := c.encode(entry)
	if err != nil {
		return nil, encodeError("Encoded", err)
	}
	return data, nil
}

func (c *encodedCodec[V]) encode(entry *storage.Entry[V]) (data []byte, err error) {
	if entry == nil {
		return nil, errNilEntry
	}
	plain, err := encodeInner(c.inner, entry)
	if err != nil {
		return nil, err
	}
	if err := c.settings.fits(len(plain), "before encoding"); err != nil {
		return nil, err
	}
	defer recovered(&err, "the encoding")
	data, err = c.encoding.Encode(plain)
	if err != nil {
		return nil, err
	}
	return data, c.settings.fits(len(data), "encoded")
}

func (c *encodedCodec[V]) Decode(data []byte) (*storage.Entry[V], error) {
	if c.setup != nil {
		return nil, setupError(c.setup)
	}
	plain, err := c.decode(data)
	if err != nil {
		return nil, decodeError("Encoded", err)
	}
	entry, err := decodeInner(c.inner, plain)
	if err != nil {
		return nil, decodeError("Encoded", err)
	}
	return entry, nil
}

func (c *encodedCodec[V]) decode(data []byte) (plain []byte, err error) {
	if err := c.settings.fits(len(data), "encoded"); err != nil {
		return nil, err
	}
	defer recovered(&err, "the encoding")
	plain, err = c.encoding.Decode(data, c.settings.maxBytes)
	if err != nil {
		return nil, err
	}
	return plain, c.settings.fits(len(plain), "decoded")
}
