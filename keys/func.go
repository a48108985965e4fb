package keys

import "errors"

// Func returns the extractor that calls f, for keys of the caller's own making. It must be safe for concurrent use and must return the same key
// for the same arguments every time. Its errors are returned as they are, and its panics go up the stack of the caller.
//
// If f is nil, every call of Key returns an error.
func Func[A any, K comparable](f func(args A) (K, error)) Extractor[A, K] {
	if f == nil {
		return broken[A, K]{errors.New("keys: Func: nil function")}
	}
	return extractorFunc[A, K](f)
}

type extractorFunc[A any, K comparable] func(args A) (K, error)

func (f extractorFunc[A, K]) Key(args A) (K, error) { return f(args) }

// broken is what a constructor returns when it was given nothing to work with: it has no error to return itself, and a panic is
// no way to report a mistake in a configuration.
type broken[A any, K comparable] struct{ err error }

func (b broken[A, K]) Key(A) (key K, err error) { return key, b.err }
