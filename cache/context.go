package cache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// callContext is the ctx of a load or of a storage call: the values of the caller it is made for,
// nobody's cancellation, and a deadline of its own by the cache's clock. Whoever made it ends it.
type callContext struct {
	context.Context // of the same values; ends with end
	cancel          context.CancelCauseFunc
	once            sync.Once
	done            chan struct{}
	deadline        time.Time // zero: none
	flight          any       // of a load: which
	alone           bool      // nobody waits for the load
}

// newCallContext returns a ctx with the values of caller that ends limit after now; Forever means
// by end only.
func newCallContext(caller context.Context, now time.Time, limit time.Duration) *callContext {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(caller))
	c := &callContext{Context: inner, cancel: cancel, done: make(chan struct{})}
	if limit != Forever {
		c.deadline = now.Add(limit)
	}
	return c
}

// end ends the call, for a cause or because it is over. Only the first end counts.
func (c *callContext) end(cause error) {
	c.once.Do(func() {
		c.cancel(cause)
		close(c.done)
	})
}

// Done has a channel of its own, because the context package would take the error of the inner
// context for that of this one where it recognizes its channel.
func (c *callContext) Done() <-chan struct{} { return c.done }

// Deadline returns the instant at which the call is given up.
func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Err returns context.DeadlineExceeded if the call was ended for a timeout.
func (c *callContext) Err() error {
	err := c.Context.Err()
	if err != nil && errors.Is(context.Cause(c.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// AfterFunc lets the context package derive contexts without a goroutine for each.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.Context, f)
}

type loadKey struct{}

// Value also finds the load that a ctx belongs to.
func (c *callContext) Value(key any) any {
	if key == (loadKey{}) && c.flight != nil {
		return c
	}
	return c.Context.Value(key)
}

// loads returns the flights of type F that the caller with this ctx is part of, directly or through
// the loads that led to it.
func loads[F comparable](ctx context.Context) (flights []F) {
	for {
		c, ok := ctx.Value(loadKey{}).(*callContext)
		if !ok {
			return flights
		}
		if f, ok := c.flight.(F); ok {
			flights = append(flights, f)
		}
		if c.alone {
			return flights // who caused it does not wait for it
		}
		ctx = c.Context
	}
}
