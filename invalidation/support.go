package invalidation

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrUnbound says that a [Support] has not yet been given to any cache, so that there is nothing to invalidate.
var ErrUnbound = errors.New("invalidation: not bound to any cache")

// Support is the handle with which code that knows of a change throws entries away, without knowing the caches. It is safe for
// concurrent use; the zero Support is ready and unbound.
type Support[A any] struct {
	mu      sync.Mutex
	targets []Target[A] // replaced, never modified
}

// New returns a support that is bound to no cache yet.
func New[A any]() *Support[A] { return &Support[A]{} }

// Bind adds a target, after those that are bound already. A target that is bound already, or nil, changes nothing.
func (s *Support[A]) Bind(target Target[A]) {
	if target == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.targets, func(t Target[A]) bool { return same(t, target) }) {
		s.targets = append(slices.Clip(s.targets), target)
	}
}

// Invalidate throws away the entry for args in every bound target, in the order in which they were bound, also when one of them
// fails. The errors are joined; without a target it is [ErrUnbound].
func (s *Support[A]) Invalidate(ctx context.Context, args A) error {
	return s.each(func(t Target[A]) error { return t.Invalidate(ctx, args) })
}

// InvalidateAll throws away every entry of every bound target, in the same way.
func (s *Support[A]) InvalidateAll(ctx context.Context) error {
	return s.each(func(t Target[A]) error { return t.InvalidateAll(ctx) })
}

// each calls the targets outside the lock, which foreign code must not hold.
func (s *Support[A]) each(call func(Target[A]) error) error {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	if len(targets) == 0 {
		return ErrUnbound
	}
	var errs []error
	for _, t := range targets {
		errs = append(errs, call(t))
	}
	return errors.Join(errs...)
}
