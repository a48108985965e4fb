// Package serde turns entries into bytes and back, for storages outside the process: the [Codec] contract and its implementations.
//
// Callers of a cache need this package only to choose a codec for such a storage. [JSON] is readable by people and by other programs,
// [JSONVia] is the same for values that JSON cannot hold as they are, [Gob] takes nearly every Go value. Wrap them in [Encoded] to
// compress them, and in [Framed] to notice damage and changes of the value's type:
//
//	serde.Framed(serde.Encoded(serde.JSON[Page](), serde.Zlib()), 1)
//
// All codecs share one rule: Decode never trusts the bytes. Whatever they are, it returns an entry or an error that matches [ErrCorrupt],
// [ErrVersion] or [ErrTooLarge], all of which are a miss to a cache. A panic in code that belongs to the value or was handed in (UnmarshalJSON, the
// functions of JSONVia, an [Encoding], an inner codec) is such an error too. What Encode cannot encode is an error and never a
// damaged entry. Codecs know nothing of age: an expired entry is decoded like any other.
//
// Those who write a codec or an encoding check it with the suite in [github.com/memoize-go/memoize/serde/serdetest].
package serde
