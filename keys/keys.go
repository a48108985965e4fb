package keys

import "errors"

// Extractor makes the cache key of a call from its arguments.
//
// The cache calls it on the caller's goroutine, concurrently, once per call and on hits too, so it has to be cheap. The arguments
// belong to the caller and must not be modified or kept. Equal keys mean the same cached value. A key must be equal to itself, which
// NaN is not. An error fails the call it was made for and nothing else.
type Extractor[A any, K comparable] interface {
	Key(args A) (K, error)
}

// ErrUnencodable says that arguments cannot become a key. The errors that match it name the path to the culprit, and its
// type. It is to be tested with [errors.Is].
var ErrUnencodable = errors.New("keys: cannot encode")
