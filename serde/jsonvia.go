package serde

import (
	"errors"

	"github.com/memoize-go/memoize/storage"
)

// JSONVia returns a codec like [JSON] for values that JSON cannot hold as they are: toRepr turns a value into something that it can, and fromRepr
// turns that back.
//
// Both are called from many goroutines at once. The value given to toRepr is shared with the callers of the cache and must not be modified. An
// error or a panic of toRepr fails Encode; one of fromRepr makes the bytes corrupt.
func JSONVia[V, R any](toRepr func(V) (R, error), fromRepr func(R) (V, error)) Codec[V] {
	c := &viaCodec[V, R]{inner: JSON[R](), toRepr: toRepr, fromRepr: fromRepr}
	switch {
	case toRepr == nil:
		c.setup = errors.New("serde: JSONVia: nil toRepr")
	case fromRepr == nil:
		c.setup = errors.New("serde: JSONVia: nil fromRepr")
	}
	return c
}

type viaCodec[V, R any] struct {
	inner    Codec[R]
	toRepr   func(V) (R, error)
	fromRepr func(R) (V, error)
	setup    error
}

func (c *viaCodec[V, R]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	if c.setup != nil {
		return nil, c.setup
	}
	data, err := c.encode(entry)
	if err != nil {
		return nil, encodeError("JSONVia", err)
	}
	return data, nil
}

func (c *viaCodec[V, R]) encode(entry *storage.Entry[V]) (data []byte, err error) {
	if entry == nil {
		return nil, errNilEntry
	}
	defer recovered(&err, "toRepr")
	repr, err := c.toRepr(entry.Value)
	if err != nil {
		return nil, err
	}
	return c.inner.Encode(storage.NewEntry(repr, entry.Created(), entry.UpdateAfter(), entry.ExpireAfter()))
}

func (c *viaCodec[V, R]) Decode(data []byte) (*storage.Entry[V], error) {
	if c.setup != nil {
		return nil, setupError(c.setup)
	}
	entry, err := c.decode(data)
	if err != nil {
		return nil, decodeError("JSONVia", err)
	}
	return entry, nil
}

func (c *viaCodec[V, R]) decode(data []byte) (entry *storage.Entry[V], err error) {
	defer recovered(&err, "fromRepr")
	repr, err := c.inner.Decode(data)
	if err != nil {
		return nil, err
	}
	value, err := c.fromRepr(repr.Value)
	if err != nil {
		return nil, err
	}
	return storage.NewEntry(value, repr.Created(), repr.UpdateAfter(), repr.ExpireAfter()), nil
}
