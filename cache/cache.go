package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/keys"
)

// Cache answers calls of a load function from storage, refreshes what is stale in the background,
// and collapses concurrent loads of one key into one. [New] and [NewKeyed] make it. All methods are
// safe for concurrent use.
type Cache[A, V any] struct {
	engine core[A, V]
}

// core is an engine without its key type.
type core[A, V any] interface {
	get(ctx context.Context, args A) (V, error)
	peek(ctx context.Context, args A) (V, bool)
	refresh(ctx context.Context, args A) (V, error)
	set(ctx context.Context, args A, value V) error
	invalidate(ctx context.Context, args A) error
	invalidateAll(ctx context.Context) error
	reconfigure(opts []Option) error
	wait(ctx context.Context) error
	stats() Stats
	close(ctx context.Context) error
}

// New returns a cache in front of load, whose argument is the key. It starts no goroutine, and
// needs no Close if nothing is to be drained.
//
// The load function is called on a goroutine of the cache, with a ctx that carries the values of
// the first caller, nobody's cancellation, and the deadline of [WithTimeout]. When it has returned,
// that ctx ends. Its value is shared by all callers and must not be modified, unless a
// [WithPostprocess] makes copies.
//
// An option that does not fit is an error that names it.
func New[K comparable, V any](load func(context.Context, K) (V, error), opts ...Option) (*Cache[K, V], error) {
	return NewKeyed(load, keys.Identity[K](), opts...)
}

// NewKeyed returns a cache in front of load, with the keys that key makes of its arguments.
// Otherwise it is like [New].
func NewKeyed[A any, K comparable, V any](load func(context.Context, A) (V, error), key keys.Extractor[A, K], opts ...Option) (*Cache[A, V], error) {
	if load == nil {
		return nil, errors.New("cache: New: nil load function")
	}
	if isNil(key) {
		return nil, errors.New("cache: NewKeyed: nil key extractor")
	}
	e := newEngine(load, key)
	c := &Cache[A, V]{engine: e}
	e.target = c
	if err := e.reconfigure(opts); err != nil {
		return nil, err
	}
	return c, nil
}

// Get returns the value for args: from storage if there is an unexpired entry, otherwise from a
// load, which it waits for. If the entry is stale, it starts a load in the background.
//
// The error is that of the load as a [*LoadError], one of the errors of this package, that of the
// key extractor, or ctx.Err if ctx ended while the call was waiting; the load goes on then. A hit
// in a local storage does not look at ctx.
func (c *Cache[A, V]) Get(ctx context.Context, args A) (V, error) {
	return c.engine.get(ctx, args) // and no more, so that it is inlined
}

// Peek returns the value for args if the storage has an unexpired entry. It loads nothing,
// refreshes nothing, and leaves no trace in the eviction strategy.
func (c *Cache[A, V]) Peek(ctx context.Context, args A) (V, bool) {
	return c.engine.peek(given(ctx), args)
}

// Refresh loads the value for args, whatever the storage has, and returns it. The load starts after
// the call: behind one that is running it is queued, and all calls that come meanwhile share it.
// Calls of Get get the unexpired entry meanwhile. If the load fails, the entry stays. The errors
// are those of Get.
func (c *Cache[A, V]) Refresh(ctx context.Context, args A) (V, error) {
	return c.engine.refresh(given(ctx), args)
}

// Set stores value for args, as if it had been loaded now. It supersedes loads that are running:
// their callers get what they load, but it is not stored. If the storage fails, the error is
// returned, and what it held before is no longer handed out. If ctx ends first, its error is
// returned and the write goes on.
func (c *Cache[A, V]) Set(ctx context.Context, args A, value V) error {
	return c.engine.set(given(ctx), args, value)
}

// Invalidate throws away the entry for args. When it has returned nil, every call that starts later
// gets a value whose load started after Invalidate was called. If the storage fails, the error is
// returned and this process refuses the entry all the same. It takes effect in this process even if
// ctx has ended; ctx only bounds how long the call waits for the storage.
func (c *Cache[A, V]) Invalidate(ctx context.Context, args A) error {
	return c.engine.invalidate(given(ctx), args)
}

// InvalidateAll throws away all entries, as Invalidate does for one. With a storage that is no
// [storage.Clearer] the error matches [errors.ErrUnsupported]; this process refuses the entries all
// the same. Writes of all keys wait until it is done, and it takes time in proportion to the number
// of loads in progress.
func (c *Cache[A, V]) InvalidateAll(ctx context.Context) error {
	return c.engine.invalidateAll(given(ctx))
}

// Reconfigure changes settings at run time: all that are given or, with an error, none. What is not
// given keeps its value, a lone life span too. Every call works with the settings from before or
// from after; entries keep the life span they were built with.
//
// A flight that is running answers its callers under the settings it began with, and does not store
// if the storage was replaced. A smaller capacity is reached when Reconfigure returns. WithCapacity
// needs an eviction strategy that can be resized, the default one or another [eviction.Resizer];
// WithEviction needs a storage that is a [storage.Lister]; both take time in proportion to the
// number of entries.
func (c *Cache[A, V]) Reconfigure(opts ...Option) error { return c.engine.reconfigure(opts) }

// Wait blocks until no load, refresh, write or release is running, loads that outlived their
// timeout included, or until ctx ends.
func (c *Cache[A, V]) Wait(ctx context.Context) error { return c.engine.wait(given(ctx)) }

// Stats returns what the cache has counted so far.
func (c *Cache[A, V]) Stats() Stats { return c.engine.stats() }

// Close makes new calls fail with [ErrClosed] and waits until what is running or queued has ended.
// When ctx ends first, loads are cancelled, their callers get ErrClosed, and an error that matches
// ctx.Err is returned: something may still be running. Close may be called again, to wait for that;
// nil means that nothing is. The storage is not closed.
func (c *Cache[A, V]) Close(ctx context.Context) error { return c.engine.close(given(ctx)) }

// given returns ctx, or the background for callers that have none.
func given(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

func (e *engine[A, K, V]) wait(ctx context.Context) error {
	if err := e.group.Idle(ctx, false); err != nil {
		return fmt.Errorf("cache: Wait: %w", err)
	}
	return nil
}

func (e *engine[A, K, V]) stats() Stats {
	return e.counters.snapshot(e.settings.Load().hits)
}

func (e *engine[A, K, V]) close(ctx context.Context) error {
	for {
		hook.At("settings")
		s := e.settings.Load()
		closed := *s
		closed.refuse = ErrClosed
		if s.refuse == ErrClosed {
			break
		}
		if e.settings.CompareAndSwap(s, &closed) {
			e.unbind(s)
			break
		}
	}
	e.group.Shut()
	err := e.group.Idle(ctx, true)
	if err == nil {
		return nil
	}
	e.group.AbortAll(ErrClosed)
	return fmt.Errorf("cache: Close: %w", err)
}
