package invalidation

import "context"

// Target is what a [Support] invalidates: a cache, or anything else with the same two methods. Both
// are safe for concurrent use.
type Target[A any] interface {
	// Invalidate throws away the entry for args: when it has returned nil, later calls load anew.
	Invalidate(ctx context.Context, args A) error

	// InvalidateAll throws away every entry.
	InvalidateAll(ctx context.Context) error
}
