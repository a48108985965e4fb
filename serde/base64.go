package serde

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// Base64 returns the standard base64 encoding with padding (RFC 4648), for storages that take text only. Decoding is strict: no line breaks,
// no other way to write the same bytes.
func Base64() Encoding { return base64Encoding{} }

type base64Encoding struct{}

func (base64Encoding) Encode(data []byte) ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, data), nil
}

func (base64Encoding) Decode(data []byte, maxBytes int) ([]byte, error) {
	if len(data)%4 != 0 {
		return nil, errors.New("base64: length is not a multiple of 4")
	}
	if bytes.ContainsAny(data, "\r\n") {
		return nil, errors.New("base64: line break")
	}
	size := len(data) / 4 * 3
	for i := 1; i <= 2 && i <= len(data) && data[len(data)-i] == '='; i++ {
		size--
	}
	if size > maxBytes {
		return nil, tooLarge(maxBytes)
	}
	return base64.StdEncoding.Strict().AppendDecode(nil, data)
}
