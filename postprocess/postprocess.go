package postprocess

// Processor makes what a caller receives out of the stored value.
//
// The cache calls it on the caller's goroutine, for every value handed out and concurrently for one
// value: the value is shared with all other callers and must not be modified. The result belongs to
// the caller. A panic goes up the stack of that caller and harms nobody else.
type Processor[V any] interface {
	Apply(value V) V
}
