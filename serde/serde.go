package serde

import (
	"errors"

	"github.com/memoize-go/memoize/storage"
)

// Errors of decoding, and of encoding what would not decode. They are to be tested with
// [errors.Is].
var (
	// ErrCorrupt says that bytes are not, or no longer, an entry.
	ErrCorrupt = errors.New("serde: corrupt entry")
	// ErrVersion says that bytes are an entry of another format or schema.
	ErrVersion = errors.New("serde: entry of another version")
	// ErrTooLarge says that an entry has more bytes than allowed, in one of its forms.
	ErrTooLarge = errors.New("serde: entry too large")
)

// Codec turns entries into bytes and back, for storages outside the process.
//
// A storage calls it, from many goroutines at once. The entry belongs to the cache and the data to
// the storage: neither may be modified or kept; what is returned belongs to the caller and shares
// no memory with the argument.
//
// Decode is total: whatever the bytes are, it returns an entry or an error, never both and never
// neither, without a panic. Every error of Decode matches [ErrCorrupt], [ErrVersion] or
// [ErrTooLarge]; to a cache all of them are a miss. Decode of what Encode returned gives an entry
// that is Equal to the first, as far as the format can tell instants apart. An implementation must
// not judge the age of an entry.
type Codec[V any] interface {
	Encode(entry *storage.Entry[V]) ([]byte, error)
	Decode(data []byte) (*storage.Entry[V], error)
}
