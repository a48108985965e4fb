package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/memoize-go/memoize/internal/flight"
)

// Errors that calls return, to be tested with [errors.Is].
var (
	// ErrNotConfigured says that the cache was made with [AwaitConfiguration] and not yet
	// configured.
	ErrNotConfigured = errors.New("cache: not configured yet")

	// ErrLoadTimeout says that a load did not finish within [WithTimeout]. It also matches
	// [context.DeadlineExceeded], and comes wrapped in a [*LoadError]. A load function that returns
	// context.DeadlineExceeded by itself is a failed load, not this.
	ErrLoadTimeout error = &timeoutError{"cache: load timed out"}

	// ErrUpdateLockTimeout says that the flight a call was waiting for did not end within
	// [WithUpdateLockTimeout]. It also matches [context.DeadlineExceeded].
	ErrUpdateLockTimeout error = &timeoutError{"cache: update lock timed out"}

	// ErrReentrantLoad says that a load function asked for the key that it is loading, directly or
	// through the loads it calls, and would have waited for itself.
	ErrReentrantLoad = errors.New("cache: load would wait for itself")

	// ErrLoaderExited says that the load function ended its goroutine with [runtime.Goexit]. It
	// comes wrapped in a [*LoadError].
	ErrLoaderExited = errors.New("cache: load function exited its goroutine")

	// ErrClosed says that the cache was closed.
	ErrClosed = errors.New("cache: closed")

	// errStorageTimeout says that a storage call was given up on.
	errStorageTimeout error = &timeoutError{"cache: storage call timed out"}

	// errStorageExited says that a storage call ended its goroutine.
	errStorageExited = errors.New("cache: storage call exited its goroutine")
)

// timeoutError is an error of ours that also matches context.DeadlineExceeded.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string { return e.text }

func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

func (e *timeoutError) Timeout() bool { return true }

// LoadError is the error of every load that failed. It is shared by all callers of the flight.
type LoadError struct {
	Key any   // the cache key
	Err error // what the load function returned, ErrLoadTimeout, ErrLoaderExited or a *PanicError
}

// Error names the key and the cause.
func (e *LoadError) Error() string { return fmt.Sprintf("cache: load of key %#v: %v", e.Key, e.Err) }

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// PanicError is a panic in code that the cache called. A load that panicked has it wrapped in a
// [*LoadError].
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine, as by debug.Stack
}

// Error gives the value and, below it, the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// callError is an error of ours for the call of a key.
func callError(key any, err error) error {
	switch err {
	case flight.ErrClosed:
		return ErrClosed
	case flight.ErrReentrant:
		err = ErrReentrantLoad
	}
	return fmt.Errorf("%w: key %#v", err, key)
}
