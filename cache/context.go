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
	caller   context.Context // only its values count
	deadline time.Time       // zero: none
	flight   any             // of a load: which
	alone    bool            // nobody waits for the load

	mu    sync.Mutex
	ended bool
	cause error

	// What is only made when somebody asks for it: many loads never look at their ctx.
	inner  context.Context // of the same values; ends with cancel
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// newCallContext returns a ctx with the values of caller that ends limit after now; Forever means
// by end only.
func newCallContext(caller context.Context, now time.Time, limit time.Duration) *callContext {
	c := &callContext{caller: caller}
	if limit != Forever {
		c.deadline = now.Add(limit)
	}
	return c
}

// Cancel ends the call, for a cause or because it is over. Only the first end counts.
func (c *callContext) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.cause = true, cause
	if c.inner != nil { // nothing foreign runs under it: what is derived is told on goroutines of its own
		c.cancel(cause)
		close(c.done)
	}
}

// made returns the inner context and the channel that Done has of its own, because the context
// package would take the error of the inner context for that of this one where it recognizes its
// channel.
func (c *callContext) made() (inner context.Context, done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancelCause(context.WithoutCancel(c.caller))
		c.done = make(chan struct{})
		if c.ended {
			c.cancel(c.cause)
			close(c.done)
		}
	}
	return c.inner, c.done
}

// Done is closed when the call is given up or over.
func (c *callContext) Done() <-chan struct{} {
	_, done := c.made()
	return done
}

// Deadline returns the instant at which the call is given up.
func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Err returns context.DeadlineExceeded if the call was ended for a timeout.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.ended:
		return nil
	case errors.Is(c.cause, context.DeadlineExceeded):
		return context.DeadlineExceeded
	default:
		return context.Canceled
	}
}

// AfterFunc lets the context package derive contexts without a goroutine for each.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	inner, _ := c.made()
	return context.AfterFunc(inner, f)
}

type loadKey struct{}

// Value also finds the load that a ctx belongs to.
func (c *callContext) Value(key any) any {
	if key == (loadKey{}) {
		if c.flight != nil {
			return c
		}
		return c.caller.Value(key)
	}
	inner, _ := c.made()
	return inner.Value(key)
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
		ctx = c.caller
	}
}
