package invalidation

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrUnbound says that a [Support] has not been given to any cache, and so has invalidated nothing.
var ErrUnbound = errors.New("invalidation: not bound to any cache")

// Support is the handle with which other code throws entries away, of one cache or of several with
// the same arguments. It is a [Target] itself. The zero Support is ready for use; it must not be
// copied. All methods may be called concurrently.
type Support[A any] struct {
	mu sync.Mutex
	// In the order of binding. The slice is replaced, not changed, so that a snapshot may be used
	// without mu: targets are foreign code and never called with it.
	targets []Target[A] // guarded by mu
}

var _ Target[int] = (*Support[int])(nil)

// New returns a support for caches with arguments of type A. It is bound by handing it to a cache.
func New[A any]() *Support[A] { return &Support[A]{} }

// Bind adds target to those that s invalidates. A cache that s is handed to does this itself. A
// target that is there already, by ==, is not added again; nil is ignored. Supports must not be
// bound to each other in a circle.
func (s *Support[A]) Bind(target Target[A]) {
	if target == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.indexLocked(target) < 0 {
		s.targets = append(slices.Clip(s.targets), target)
	}
}

// Unbind takes target out again, for a cache that was closed or given another support: s would keep
// it in memory and pass on its errors. A target that is not there is ignored.
func (s *Support[A]) Unbind(target Target[A]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.indexLocked(target); i >= 0 {
		s.targets = slices.Delete(slices.Clone(s.targets), i, i+1)
	}
}

// indexLocked returns where target is among the targets, or -1.
func (s *Support[A]) indexLocked(target Target[A]) int {
	return slices.IndexFunc(s.targets, func(t Target[A]) bool { return same(t, target) })
}

// Invalidate throws away the entry for args in every target. All are called, one after the other in
// the order of binding, even if some fail; their errors are joined. It returns [ErrUnbound] if
// there is no target.
func (s *Support[A]) Invalidate(ctx context.Context, args A) error {
	return s.each(func(t Target[A]) error { return t.Invalidate(ctx, args) })
}

// InvalidateAll throws away every entry in every target, in the manner of [Support.Invalidate].
func (s *Support[A]) InvalidateAll(ctx context.Context) error {
	return s.each(func(t Target[A]) error { return t.InvalidateAll(ctx) })
}

func (s *Support[A]) each(call func(Target[A]) error) error {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	if len(targets) == 0 {
		return ErrUnbound
	}
	var errs []error
	callEach(targets, call, &errs)
	return errors.Join(errs...)
}

// callEach calls the remaining targets even if one panics, and lets the panic go on afterwards.
func callEach[A any](targets []Target[A], call func(Target[A]) error, errs *[]error) {
	if len(targets) == 0 {
		return
	}
	defer callEach(targets[1:], call, errs)
	if err := call(targets[0]); err != nil {
		*errs = append(*errs, err)
	}
}
