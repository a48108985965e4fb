package serde

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// Zlib returns the zlib compression (RFC 1950), which Python calls "zip".
func Zlib() Encoding {
	return &compression{
		writers: sync.Pool{New: func() any { return zlib.NewWriter(nil) }},
		open:    func(in *bytes.Reader) (io.Reader, error) { return zlib.NewReader(in) },
	}
}

// Gzip returns the gzip compression (RFC 1952), of a single member. It is zlib with 12 bytes more, in the format of the tool of that name.
func Gzip() Encoding {
	return &compression{
		writers: sync.Pool{New: func() any { return gzip.NewWriter(nil) }},
		open: func(in *bytes.Reader) (io.Reader, error) {
			r, err := gzip.NewReader(in)
			if err != nil {
				return nil, err
			}
			r.Multistream(false)
			return r, nil
		},
	}
}

type compression struct {
	// writers are pooled because each has tables of nearly a megabyte.
	writers sync.Pool
	open    func(in *bytes.Reader) (io.Reader, error)
}

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

func (c *compression) Encode(data []byte) ([]byte, error) {
	w := c.writers.Get().(resetWriter)
	defer c.writers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Decode inflates into a buffer of a likely size, which is enough for most. If it is not, the rest is only counted, and a second
// run inflates into a buffer of just that size. A buffer that grows would be there twice while it is copied, which with
// the compressed data is three times the limit; and nothing in the data can be believed about its size.
func (c *compression) Decode(data []byte, maxBytes int) ([]byte, error) {
	if maxBytes < 0 {
		return nil, tooLarge(maxBytes)
	}
	out := make([]byte, likelySize(len(data), maxBytes))
	for {
		in := bytes.NewReader(data)
		r, err := c.open(in)
		if err != nil {
			return nil, err
		}
		n, err := fill(out, r)
		if err != nil {
			return nil, err
		}
		rest, err := io.Copy(io.Discard, io.LimitReader(r, oneMore(maxBytes-n)))
		if err != nil {
			return nil, err
		}
		if rest > int64(maxBytes-n) {
			return nil, tooLarge(maxBytes)
		}
		if rest == 0 {
			if in.Len() > 0 {
				return nil, fmt.Errorf("%d bytes after the end", in.Len())
			}
			return out[:n], nil
		}
		out = nil // Dead to the collector before the next one is made.
		out = make([]byte, n+int(rest))
	}
}

func tooLarge(maxBytes int) error { return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxBytes) }

// likelySize is four times the size of the data: text is seldom compressed to less than a quarter.
func likelySize(size, maxBytes int) int {
	if size > maxBytes/4 {
		return maxBytes
	}
	return 4 * size
}

// oneMore is n+1, the number of bytes to ask for to know that there are no more than n.
func oneMore(n int) int64 {
	if n == math.MaxInt {
		return math.MaxInt64
	}
	return int64(n) + 1
}

// fill reads until buf is full or r has ended. Unlike io.ReadFull it tells a stream that has ended from one that was cut.
func fill(buf []byte, r io.Reader) (n int, err error) {
	for n < len(buf) {
		read, err := r.Read(buf[n:])
		n += read
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
