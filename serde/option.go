package serde

import (
	"errors"
	"fmt"
)

// Option changes a figure of [Encoded] and [Framed].
type Option interface {
	apply(*settings)
}

const defaultMaxBytes = 64 << 20

type settings struct {
	maxBytes int
}

type maxBytes int

func (n maxBytes) apply(s *settings) { s.maxBytes = int(n) }

// MaxBytes sets the most bytes that an entry may have in either of its forms, encoded and decoded: of [Encoded], before and after the encoding;
// of [Framed], with and without the frame. Beyond, Encode and Decode return an error that matches [ErrTooLarge]. The default is 64 MiB.
//
// Both forms together are the most memory that is in use at a time while bytes are decoded, 2n, whatever the bytes claim (the
// tables of a decompressor apart, some forty kilobytes). What the inner codec makes of them, the value itself, comes on top.
//
// A number below 1 makes every call of Encode and Decode fail.
func MaxBytes(n int) Option { return maxBytes(n) }

// newSettings returns the settings after opts, of which the last wins, and what is wrong with them.
func newSettings(part string, opts []Option) (settings, error) {
	s := settings{maxBytes: defaultMaxBytes}
	for _, opt := range opts {
		if opt == nil {
			return s, errors.New("serde: " + part + ": nil option")
		}
		opt.apply(&s)
	}
	if s.maxBytes < 1 {
		return s, fmt.Errorf("serde: %s: MaxBytes: %d is not positive", part, s.maxBytes)
	}
	return s, nil
}

// fits returns an error that matches ErrTooLarge if n bytes are too many.
func (s settings) fits(n int, form string) error {
	if n <= s.maxBytes {
		return nil
	}
	return fmt.Errorf("%w: %d bytes %s, MaxBytes is %d", ErrTooLarge, n, form, s.maxBytes)
}
