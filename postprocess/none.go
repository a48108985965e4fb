package postprocess

// None returns a processor that hands out the stored value itself. Callers share it and must not modify it.
func None[V any]() Processor[V] { return none[V]{} }

type none[V any] struct{}

func (none[V]) Apply(value V) V { return value }
