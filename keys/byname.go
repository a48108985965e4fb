package keys

import (
	"crypto/rand"
	"encoding/binary"
	"reflect"
	"sync"
	"sync/atomic"
)

// The first byte of a key: how it was made.
const (
	madeByName      = 1
	madeByReference = 2
)

// ByName returns the extractor whose key is name followed by an encoding of the arguments. The encoding tells apart all
// arguments that are not equal, in the sense of the package comment, and is the same in every process and on every machine: caches
// in several processes may share a storage, and caches of several functions too, as long as the names of the
// functions differ.
//
// The type A itself is not part of the key, only the kinds of what is in it: a change of A calls for another name. Functions, channels,
// cycles and the like give an error that matches [ErrUnencodable].
func ByName[A any](name string) Extractor[A, string] {
	return newByEncoding[A](appendText([]byte{madeByName}, name))
}

// ByReference returns an extractor that makes keys as [ByName] does, but with a prefix of its own in place of the name: no two
// extractors ever make the same key, in this process or another. So caches that share a storage do not share entries,
// even if nobody thought of names, and entries in a storage that outlives the process are not found again.
func ByReference[A any]() Extractor[A, string] {
	nonce := processNonce()
	prefix := append([]byte{madeByReference}, nonce[:]...)
	return newByEncoding[A](binary.AppendUvarint(prefix, references.Add(1)))
}

// processNonce is drawn once per process; with 128 bits, no two processes draw the same.
var processNonce = sync.OnceValue(func() (nonce [16]byte) {
	rand.Read(nonce[:]) // never fails
	return nonce
})

// references counts the extractors made by reference in this process.
var references atomic.Uint64

// byEncoding makes keys out of a prefix and the encoding of the arguments.
type byEncoding[A any] struct {
	prefix  []byte
	scalars scalarMaker[A] // nil: use root
	root    *encoder
	types   dynamicTypes
	calls   sync.Pool // of *call[A]
}

// call is the working memory of one call of Key. The arguments are copied into it because they have to be on the heap to be looked at
// through reflection; from the pool, that takes no allocation.
type call[A any] struct {
	args  A
	value reflect.Value // of args, addressable
	encoding
}

// maxPooled is the capacity, in bytes, up to which a buffer is kept for the next call.
const maxPooled = 64 << 10

func newByEncoding[A any](prefix []byte) *byEncoding[A] {
	x := &byEncoding[A]{
		prefix:  prefix,
		scalars: scalarMakerOf[A](),
		root:    newEncoder(reflect.TypeFor[A]()),
	}
	x.calls.New = func() any {
		c := &call[A]{encoding: encoding{types: &x.types}}
		c.value = reflect.ValueOf(&c.args).Elem()
		return c
	}
	return x
}

func (x *byEncoding[A]) Key(args A) (string, error) {
	if x.scalars != nil {
		if key, ok := x.scalars.scalarKey(x.prefix, args); ok && len(key) <= maxLength {
			return key, nil
		}
	}
	c := x.calls.Get().(*call[A])
	defer x.release(c)

	c.args = args
	c.buf = append(c.buf[:0], x.prefix...)
	if bad := x.root.encode(&c.encoding, c.value); bad != nil {
		return "", bad
	}
	if len(c.buf) > maxLength {
		return "", tooLong()
	}
	return string(c.buf), nil
}

// release puts c back into the pool without what belongs to the caller.
func (x *byEncoding[A]) release(c *call[A]) {
	var none A
	c.args = none
	if cap(c.buf) > maxPooled {
		c.buf = nil
	}
	x.calls.Put(c)
}
