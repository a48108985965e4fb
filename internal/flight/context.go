package flight

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// Context is the ctx of a load or of a storage call: the values of the caller it is made for,
// nobody's cancellation, and a deadline of its own by the cache's clock. Whoever begins it ends it
// with Cancel, which may come first. The zero Context has not begun.
type Context struct {
	caller context.Context // only its values count
	began  time.Time       // when the call did, or the load, once it has
	limit  time.Duration   // how long after that it ends; the longest duration means by Cancel only
	flight any             // of a load: which

	alone bool // nobody waits for the load
	ended bool // guarded by mu

	mu    sync.Mutex
	cause error

	derived *derived // made when somebody asks for it: many loads never look at their ctx
}

// derived is what a ctx takes to be one for the context package.
type derived struct {
	inner  context.Context // of the same values; ends with cancel
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// end ends it. Nothing foreign runs under it: what is derived from inner is told on goroutines of its own.
func (d *derived) end(cause error) {
	d.cancel(cause)
	close(d.done)
}

// NewContext returns a ctx with the values of caller, and an end that comes limit after now; the longest
// duration means by Cancel only.
func NewContext(caller context.Context, now time.Time, limit time.Duration) *Context {
	return &Context{caller: caller, began: now, limit: limit}
}

// Cancel ends the call, for a cause or because it is over. Only the first end counts.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.cause = true, cause
	if c.derived != nil {
		c.derived.end(cause)
	}
}

// made returns the inner context and the channel that Done has of its own, because the context
// package would take the error of the inner context for that of this one where it recognizes its
// channel.
func (c *Context) made() (inner context.Context, done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.derived == nil {
		d := &derived{done: make(chan struct{})}
		d.inner, d.cancel = context.WithCancelCause(context.WithoutCancel(c.caller))
		if c.ended {
			d.end(c.cause)
		}
		c.derived = d
	}
	return c.derived.inner, c.derived.done
}

// Done is closed when the call is given up or over.
func (c *Context) Done() <-chan struct{} {
	_, done := c.made()
	return done
}

// Deadline returns the instant at which the call is given up.
func (c *Context) Deadline() (deadline time.Time, ok bool) {
	if c.limit == math.MaxInt64 {
		return deadline, false
	}
	return c.began.Add(c.limit), true
}

// Err returns context.DeadlineExceeded if the call was ended for a timeout.
func (c *Context) Err() error {
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
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	inner, _ := c.made()
	return context.AfterFunc(inner, f)
}

type loadKey struct{}

// Value also finds the load that a ctx belongs to.
func (c *Context) Value(key any) any {
	if key == (loadKey{}) {
		if c.flight != nil {
			return c
		}
		return c.caller.Value(key)
	}
	inner, _ := c.made()
	return inner.Value(key)
}

// Of returns the flights of type F that the caller with this ctx is part of, directly or through
// the loads that led to it.
func Of[F comparable](ctx context.Context) (flights []F) {
	for {
		c, ok := ctx.Value(loadKey{}).(*Context)
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
