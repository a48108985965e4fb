package serde

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/memoize-go/memoize/storage"
)

// Framed returns inner with a frame around it, by which Decode notices what is not an entry, what was damaged on the way and what belongs to another
// version of the program: give each incompatible change of V, or of the codecs inside, another schema number.
//
// Decode returns an error that matches [ErrCorrupt] for bytes without a frame, cut, prolonged or changed; [ErrVersion] for an intact frame
// of another schema and for a frame of another format; [ErrTooLarge] for more bytes than [MaxBytes]. The inner codec sees only what
// the inner codec of the same schema has written. The checksum finds accidents, not forgeries: whoever can write to the storage can
// write a valid frame.
//
// The frame takes 34 bytes: 4 of a magic number, the number of the format and its complement, 4 of the schema, 8 of the payload's length (all
// big-endian), and 16 of a checksum over all the others and the payload.
func Framed[V any](inner Codec[V], schema uint32, opts ...Option) Codec[V] {
	c := &framedCodec[V]{inner: inner, schema: schema}
	c.settings, c.setup = newSettings("Framed", opts)
	if inner == nil {
		c.setup = errors.New("serde: Framed: nil inner codec")
	}
	return c
}

const (
	frameMagic  = "\x89mzg" // The first byte occurs in no text.
	frameFormat = 1

	frameFormatAt   = len(frameMagic)
	frameSchemaAt   = frameFormatAt + 2
	frameLengthAt   = frameSchemaAt + 4
	frameChecksumAt = frameLengthAt + 8
	framePayloadAt  = frameChecksumAt + checksumSize
)

type framedCodec[V any] struct {
	inner    Codec[V]
	schema   uint32
	settings settings
	setup    error
}

func (c *framedCodec[V]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	if c.setup != nil {
		return nil, c.setup
	}
	data, err := c.encode(entry)
	if err != nil {
		return nil, encodeError("Framed", err)
	}
	return data, nil
}

func (c *framedCodec[V]) encode(entry *storage.Entry[V]) ([]byte, error) {
	if entry == nil {
		return nil, errNilEntry
	}
	payload, err := encodeInner(c.inner, entry)
	if err != nil {
		return nil, err
	}
	// Compared without the sum, which could overflow.
	if len(payload) > c.settings.maxBytes-framePayloadAt {
		return nil, fmt.Errorf("%w: %d bytes and the frame, MaxBytes is %d", ErrTooLarge, len(payload), c.settings.maxBytes)
	}
	data := make([]byte, framePayloadAt, framePayloadAt+len(payload))
	copy(data, frameMagic)
	format := byte(frameFormat)
	data[frameFormatAt], data[frameFormatAt+1] = format, ^format
	binary.BigEndian.PutUint32(data[frameSchemaAt:], c.schema)
	binary.BigEndian.PutUint64(data[frameLengthAt:], uint64(len(payload)))
	sum := checksum(data[:frameChecksumAt], payload)
	copy(data[frameChecksumAt:], sum[:])
	return append(data, payload...), nil
}

func (c *framedCodec[V]) Decode(data []byte) (*storage.Entry[V], error) {
	if c.setup != nil {
		return nil, setupError(c.setup)
	}
	payload, err := c.payload(data)
	if err != nil {
		return nil, decodeError("Framed", err)
	}
	entry, err := decodeInner(c.inner, payload)
	if err != nil {
		return nil, decodeError("Framed", err)
	}
	return entry, nil
}

// payload returns the part of data that is for the inner codec. The schema is looked at last, so that one that was damaged is not
// taken for another version.
func (c *framedCodec[V]) payload(data []byte) ([]byte, error) {
	if err := c.settings.fits(len(data), "with the frame"); err != nil {
		return nil, err
	}
	if len(data) < frameSchemaAt || string(data[:len(frameMagic)]) != frameMagic {
		return nil, errors.New("not a frame")
	}
	format, complement := data[frameFormatAt], data[frameFormatAt+1]
	if format != ^complement {
		return nil, errors.New("damaged format number")
	}
	if format != frameFormat {
		return nil, fmt.Errorf("%w: format %d, not %d", ErrVersion, format, frameFormat)
	}
	if len(data) < framePayloadAt {
		return nil, errors.New("cut within the frame")
	}
	payload := data[framePayloadAt:len(data):len(data)]
	if length := binary.BigEndian.Uint64(data[frameLengthAt:]); length != uint64(len(payload)) {
		return nil, fmt.Errorf("%d bytes of payload instead of %d", len(payload), length)
	}
	if checksum(data[:frameChecksumAt], payload) != [checksumSize]byte(data[frameChecksumAt:framePayloadAt]) {
		return nil, errors.New("wrong checksum")
	}
	if schema := binary.BigEndian.Uint32(data[frameSchemaAt:]); schema != c.schema {
		return nil, fmt.Errorf("%w: schema %d, not %d", ErrVersion, schema, c.schema)
	}
	return payload, nil
}
