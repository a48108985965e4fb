package postprocess

// None returns the processor that hands out the value itself. All callers share it and must not modify it.
func None[V any]() Processor[V] { return none[V]{} }

type none[V any] struct{}

func (none[V]) Apply(value V) V { return value }
