package postprocess

// Func returns a processor that hands out f(value). A nil f hands out the value itself.
func Func[V any](f func(V) V) Processor[V] { return function[V](f) }

type function[V any] func(V) V

func (f function[V]) Apply(value V) V {
	if f == nil {
		return value
	}
	return f(value)
}
