package keys

import "errors"

// Args2 holds two arguments as one. It is comparable if both are, and so can be a key with [Identity].
type Args2[A, B any] struct {
	First  A
	Second B
}

// Of2 returns its arguments as one.
func Of2[A, B any](a A, b B) Args2[A, B] { return Args2[A, B]{a, b} }

// Args3 holds three arguments as one. It is comparable if all are, and so can be a key with [Identity].
type Args3[A, B, C any] struct {
	First  A
	Second B
	Third  C
}

// Of3 returns its arguments as one.
func Of3[A, B, C any](a A, b B, c C) Args3[A, B, C] { return Args3[A, B, C]{a, b, c} }

// SkipFirst returns the extractor that leaves the first argument out of the key and hands the second to rest. It is for what a load
// function needs but its answer does not depend on: a receiver, a logger, a connection. To keep several arguments in the
// key, nest them: the second of an Args2 may be an Args2 or Args3 itself.
//
// If rest is nil, every call of Key returns an error.
func SkipFirst[A, B any, K comparable](rest Extractor[B, K]) Extractor[Args2[A, B], K] {
	if rest == nil {
		return broken[Args2[A, B], K]{errors.New("keys: SkipFirst: nil extractor")}
	}
	return skipFirst[A, B, K]{rest}
}

type skipFirst[A, B any, K comparable] struct{ rest Extractor[B, K] }

func (s skipFirst[A, B, K]) Key(args Args2[A, B]) (K, error) { return s.rest.Key(args.Second) }
