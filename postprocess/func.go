package postprocess

// Func returns f as a processor. A nil f is [None].
func Func[V any](f func(V) V) Processor[V] {
	if f == nil {
		return None[V]()
	}
	return function[V](f)
}

type function[V any] func(V) V

func (f function[V]) Apply(value V) V { return f(value) }
