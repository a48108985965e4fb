package invalidation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/invalidation"
)

// log collects the calls of targets in their order.
type log struct {
	mu    sync.Mutex
	calls []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprintf(format, args...))
}

// target records its calls and returns err, or panics if told so.
type target struct {
	name   string
	log    *log
	err    error
	panics bool
}

func (t *target) Invalidate(_ context.Context, args string) error {
	t.log.add("%s %s", t.name, args)
	if t.panics {
		panic(t.name)
	}
	return t.err
}

func (t *target) InvalidateAll(context.Context) error {
	t.log.add("%s all", t.name)
	if t.panics {
		panic(t.name)
	}
	return t.err
}

// values is a target that == cannot compare.
type values struct{ names []string }

func (values) Invalidate(context.Context, string) error { return nil }
func (values) InvalidateAll(context.Context) error      { return nil }

func wantCalls(t *testing.T, l *log, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, l.calls); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestUnboundSupport(t *testing.T) {
	var zero invalidation.Support[string]
	unbound := invalidation.New[string]()
	once := &target{name: "a", log: &log{}}
	unbound.Bind(once)
	unbound.Unbind(once)
	nothing := invalidation.New[string]()
	nothing.Bind(nil)
	nothing.Unbind(nil)

	for name, support := range map[string]*invalidation.Support[string]{
		"new": invalidation.New[string](), "zero": &zero, "unbound again": unbound, "bound to nil": nothing,
	} {
		if err := support.Invalidate(t.Context(), "k"); !errors.Is(err, invalidation.ErrUnbound) {
			t.Errorf("%s: Invalidate = %v, want ErrUnbound", name, err)
		}
		if err := support.InvalidateAll(t.Context()); !errors.Is(err, invalidation.ErrUnbound) {
			t.Errorf("%s: InvalidateAll = %v, want ErrUnbound", name, err)
		}
	}
	wantCalls(t, once.log)
}

func TestZeroSupportIsReadyForUse(t *testing.T) {
	var support invalidation.Support[string]
	a := &target{name: "a", log: &log{}}
	support.Bind(a)
	if err := support.Invalidate(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	wantCalls(t, a.log, "a k")
}

func TestEveryTargetIsCalledInOrderOfBinding(t *testing.T) {
	errB, errC := errors.New("b failed"), errors.New("c failed")
	tests := []struct {
		name   string
		errors map[string]error
	}{
		{"none fails", nil},
		{"the second fails", map[string]error{"b": errB}},
		{"two fail", map[string]error{"b": errB, "c": errC}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := &log{}
			support := invalidation.New[string]()
			for _, name := range []string{"a", "b", "c", "d"} {
				support.Bind(&target{name: name, log: calls, err: tt.errors[name]})
			}
			for call, err := range map[string]error{
				"Invalidate":    support.Invalidate(t.Context(), "k"),
				"InvalidateAll": support.InvalidateAll(t.Context()),
			} {
				if (err == nil) != (len(tt.errors) == 0) {
					t.Errorf("%s = %v, want an error: %v", call, err, len(tt.errors) > 0)
				}
				for _, want := range tt.errors {
					if !errors.Is(err, want) {
						t.Errorf("%s = %v, want it to match %v", call, err, want)
					}
				}
			}
			wantCalls(t, calls, "a k", "b k", "c k", "d k", "a all", "b all", "c all", "d all")
		})
	}
}

func TestArgumentsAndContextArePassedOn(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	support := invalidation.New[[]int]()
	support.Bind(targetFunc(func(got context.Context, args []int) error {
		if got.Value(key{}) != "value" {
			t.Error("the target got another ctx")
		}
		if diff := cmp.Diff([]int{1, 2}, args); diff != "" {
			t.Errorf("args differ (-want +got):\n%s", diff)
		}
		return nil
	}))
	if err := support.Invalidate(ctx, []int{1, 2}); err != nil {
		t.Error(err)
	}
}

// targetFunc is a target that == cannot compare either.
type targetFunc func(context.Context, []int) error

func (f targetFunc) Invalidate(ctx context.Context, args []int) error { return f(ctx, args) }
func (f targetFunc) InvalidateAll(ctx context.Context) error          { return f(ctx, nil) }

func TestBindCountsATargetOnce(t *testing.T) {
	calls := &log{}
	a, b := &target{name: "a", log: calls}, &target{name: "b", log: calls}
	support := invalidation.New[string]()
	for _, each := range []*target{a, b, a, b, b} {
		support.Bind(each)
	}
	support.Bind(&target{name: "a", log: calls}) // alike, but another one
	if err := support.Invalidate(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	wantCalls(t, calls, "a k", "b k", "a k")
}

func TestTargetsThatCannotBeCompared(t *testing.T) {
	support := invalidation.New[string]()
	calls := &log{}
	for range 2 {
		support.Bind(values{[]string{"a"}})
		support.Bind(&target{name: "a", log: calls})
	}
	support.Unbind(values{[]string{"a"}})
	if err := support.Invalidate(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	wantCalls(t, calls, "a k", "a k")
}

func TestUnbind(t *testing.T) {
	calls := &log{}
	a, b, c := &target{name: "a", log: calls}, &target{name: "b", log: calls}, &target{name: "c", log: calls}
	support := invalidation.New[string]()
	support.Bind(a)
	support.Bind(b)
	support.Unbind(c)
	support.Bind(c)
	support.Unbind(a)
	support.Unbind(a)
	support.Bind(a)
	if err := support.Invalidate(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	wantCalls(t, calls, "b k", "c k", "a k")
}

func TestPanickingTarget(t *testing.T) {
	calls := &log{}
	a, b, c := &target{name: "a", log: calls}, &target{name: "b", log: calls, panics: true}, &target{name: "c", log: calls}
	support := invalidation.New[string]()
	for _, each := range []*target{a, b, c} {
		support.Bind(each)
	}
	panicked := func(call func() error) (value any) {
		defer func() { value = recover() }()
		return call()
	}
	if got := panicked(func() error { return support.Invalidate(t.Context(), "k") }); got != "b" {
		t.Errorf("Invalidate ended with %v, want the panic of b", got)
	}
	if got := panicked(func() error { return support.InvalidateAll(t.Context()) }); got != "b" {
		t.Errorf("InvalidateAll ended with %v, want the panic of b", got)
	}
	wantCalls(t, calls, "a k", "b k", "c k", "a all", "b all", "c all")

	support.Unbind(b) // hangs if a lock is still held
	if err := support.Invalidate(t.Context(), "l"); err != nil {
		t.Error(err)
	}
}

// binder changes the support that calls it.
type binder struct {
	target
	support *invalidation.Support[string]
	next    *target
}

func (b *binder) Invalidate(ctx context.Context, args string) error {
	b.support.Unbind(b)
	b.support.Bind(b.next)
	return b.target.Invalidate(ctx, args)
}

func TestTargetsMayCallTheSupport(t *testing.T) {
	calls := &log{}
	support := invalidation.New[string]()
	support.Bind(&binder{target{name: "a", log: calls}, support, &target{name: "c", log: calls}})
	support.Bind(&target{name: "b", log: calls})
	for _, key := range []string{"k", "l"} {
		if err := support.Invalidate(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	wantCalls(t, calls, "a k", "b k", "b l", "c l")
}

func TestSupportAsTarget(t *testing.T) {
	calls := &log{}
	inner, outer := invalidation.New[string](), invalidation.New[string]()
	outer.Bind(inner)
	if err := outer.Invalidate(t.Context(), "k"); !errors.Is(err, invalidation.ErrUnbound) {
		t.Errorf("Invalidate = %v, want the ErrUnbound of the inner support", err)
	}
	inner.Bind(&target{name: "a", log: calls})
	if err := outer.InvalidateAll(t.Context()); err != nil {
		t.Error(err)
	}
	wantCalls(t, calls, "a all")
}

func TestSupportIsSafeForConcurrentUse(t *testing.T) {
	const goroutines, rounds = 8, 200
	calls := &log{}
	lasting := &target{name: "lasting", log: calls}
	support := invalidation.New[string]()
	support.Bind(lasting)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			passing := &target{name: fmt.Sprint(g), log: &log{}}
			for round := range rounds {
				support.Bind(passing)
				support.Bind(lasting)
				if err := support.Invalidate(t.Context(), "k"); err != nil {
					t.Error(err)
				}
				passing.log.mu.Lock()
				if got := len(passing.log.calls); got < round+1 {
					t.Errorf("%d calls of a target that was bound before %d invalidations", got, round+1)
				}
				passing.log.mu.Unlock()
				support.Unbind(passing)
			}
		})
	}
	wg.Wait()
	if got, want := len(calls.calls), goroutines*rounds; got != want {
		t.Errorf("a target that was bound throughout was called %d times, want %d", got, want)
	}
}
