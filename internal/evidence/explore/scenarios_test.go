//go:build evidence

package explore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
)

// scenarios are the pairs and triples of calls whose interleavings are feared. Each is run on a
// Memory, whose calls are part of the cache's own goroutines, and on a remote storage, which can be
// overtaken in every call.
var scenarios = []struct {
	name string
	make scenario
	only string // "memory" or "remote"; empty: both
}{
	{name: "get_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get 1", func() { w.get(ctx, 0) })
		w.thread("get 2", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "get_get_get", make: func(w *world) func() error {
		w.open(keys)
		for i := range 3 {
			w.thread(fmt.Sprint("get ", i+1), func() { w.get(ctx, 0) })
		}
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "get_invalidate+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("invalidate", func() {
			w.invalidate(0, w.cache.Invalidate)
			w.get(ctx, 0)
		})
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "get_invalidateall+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("invalidate all", func() {
			w.invalidate(0, w.all)
			w.get(ctx, 0)
		})
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "stale_get_stale_get", make: func(w *world) func() error {
		w.open(keys)
		w.stale()
		w.thread("get 1", func() { w.get(ctx, 0) })
		w.thread("get 2", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 2, 2) }
	}},
	{name: "stale_get_invalidate+get", make: func(w *world) func() error {
		w.open(keys)
		w.stale()
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("invalidate", func() {
			w.invalidate(0, w.cache.Invalidate)
			w.get(ctx, 0)
		})
		return func() error { return w.settled(0, 2, 3) }
	}},
	{name: "stale_get_expiry+get", make: func(w *world) func() error {
		w.open(keys)
		w.stale()
		late := []error{cache.ErrLoadTimeout, cache.ErrUpdateLockTimeout}
		w.thread("get", func() { w.get(ctx, 0, late...) })
		w.thread("expiry", func() {
			w.clock.Advance(expireAfter)
			if v, err := w.get(ctx, 0, late...); err == nil && v.Load < 2 {
				w.failf("got load %d, which has expired", v.Load)
			}
		})
		return func() error { return w.settled(0, 1, 3) }
	}},
	{name: "refresh_refresh_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("refresh 1", func() { w.refresh(0) })
		w.thread("refresh 2", func() { w.refresh(0) })
		w.thread("get", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 1, 3) }
	}},
	{name: "refresh+get_refresh+get", make: func(w *world) func() error {
		w.open(keys)
		w.written = true
		w.fresh()
		w.thread("refresh 1", func() { w.refresh(0); w.get(ctx, 0) })
		w.thread("refresh 2", func() { w.refresh(0); w.get(ctx, 0) })
		return func() error { return w.settled(0, 2, 3) }
	}},
	{name: "cancelled_get_get", make: func(w *world) func() error {
		w.open(keys)
		ended, cancel := context.WithCancel(ctx)
		w.thread("get that leaves", func() { w.get(ended, 0, context.Canceled) })
		w.thread("cancel", cancel)
		w.thread("get", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "timeout_get", make: func(w *world) func() error {
		w.open(keys)
		stuck := make(chan struct{})
		w.atEnd(func() { close(stuck) })
		w.answer(1, func(_ context.Context, v value) (value, error) { <-stuck; return v, nil })
		w.thread("get", func() { w.get(ctx, 0, cache.ErrLoadTimeout) })
		w.thread("timeout", func() { w.clock.Advance(timeout); w.get(ctx, 0, cache.ErrLoadTimeout) })
		w.idle = func() { w.clock.Advance(timeout) }
		return func() error {
			if entry := w.held()[0]; entry != nil && entry.Value.Load == 1 {
				return errors.New("the value of a load that had timed out was stored")
			}
			return w.settled(0, 1, 2)
		}
	}},
	{name: "lock_timeout_late_finish_get", make: func(w *world) func() error {
		w.open(keys, cache.WithUpdateLockTimeout(timeout/2))
		late := make(chan struct{})
		w.answer(1, func(_ context.Context, v value) (value, error) { <-late; return v, nil })
		w.thread("get", func() { w.get(ctx, 0, cache.ErrUpdateLockTimeout) })
		w.thread("timeout, then finish", func() { w.clock.Advance(timeout / 2); close(late) })
		w.thread("get later", func() { w.get(ctx, 0, cache.ErrUpdateLockTimeout) })
		// On a remote storage the lookup may have taken all the time.
		return func() error { return w.settled(0, 0, 2) }
	}},
	{name: "evict_refresh", make: func(w *world) func() error {
		w.open(1)
		w.stale()
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("other key", func() { w.get(ctx, 1) })
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "write_invalidate", make: func(w *world) func() error {
		w.open(keys)
		w.fresh()
		w.thread("refresh", func() { w.refresh(0) })
		w.thread("invalidate", func() { w.invalidate(0, w.cache.Invalidate) })
		return func() error { return w.settled(0, 2, 3) }
	}},
	{name: "slow_load_time_passes", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("time", func() { w.clock.Advance(time.Second) })
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "set_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("set", func() { w.set(); w.get(ctx, 0) })
		w.thread("get", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 0, 1) }
	}},
	{name: "set_invalidate+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("set", w.set)
		w.thread("invalidate", func() {
			w.invalidate(0, w.cache.Invalidate)
			w.get(ctx, 0)
		})
		return func() error { return w.settled(0, 0, 2) }
	}},
	{name: "set+set+get_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("set twice", func() { w.set(); w.set(); w.get(ctx, 0) })
		w.thread("get", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 0, 1) }
	}},
	{name: "get_set_set_get+get+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("set 1", w.set)
		w.thread("set 2", w.set)
		w.thread("gets", w.gets)
		return func() error { return w.settled(0, 0, 3) }
	}},
	{name: "refresh_set+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("refresh", func() { w.refresh(0) })
		w.thread("set", func() { w.set(); w.get(ctx, 0) })
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "refresh_refresh_set", make: func(w *world) func() error {
		w.open(keys)
		w.thread("refresh 1", func() { w.refresh(0) })
		w.thread("refresh 2", func() { w.refresh(0) })
		w.thread("set", w.set)
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "refresh_invalidate+refresh", make: func(w *world) func() error {
		w.open(keys)
		w.thread("refresh", func() { w.refresh(0) })
		w.thread("invalidate", func() {
			w.invalidate(0, w.cache.Invalidate)
			w.refresh(0)
		})
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "get_invalidate+peek_invalidate+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		for i, call := range []func(int){w.peek, func(key int) { w.get(ctx, key) }} {
			w.thread(fmt.Sprint("invalidate ", i+1), func() {
				w.invalidate(0, w.cache.Invalidate)
				call(0)
			})
		}
		return func() error { return w.settled(0, 1, 3) }
	}},
	{name: "get_get_other_invalidateall+get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("other key", func() { w.get(ctx, 1) })
		w.thread("invalidate all", func() {
			w.invalidate(1, w.all)
			w.get(ctx, 1)
		})
		return func() error { return w.settled(1, 1, 2) }
	}},
	{name: "set_evict_get", make: func(w *world) func() error {
		w.open(1)
		w.fresh()
		w.thread("set", w.set)
		w.thread("other key", func() { w.get(ctx, 1) })
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "evict_invalidateall", make: func(w *world) func() error {
		w.open(1)
		w.fresh()
		w.thread("invalidate all", func() { w.invalidate(0, w.all) })
		w.thread("other key", func() { w.get(ctx, 1) })
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "close_refresh_refresh", make: func(w *world) func() error {
		w.open(keys)
		w.thread("refresh 1", func() { w.refresh(0, cache.ErrClosed) })
		w.thread("refresh 2", func() { w.refresh(0, cache.ErrClosed) })
		w.thread("close", w.abort)
		return func() error { return errors.Join(w.rest(), w.loads(0, 0, 2)) }
	}},
	{name: "close_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0, cache.ErrClosed) })
		w.thread("close", func() {
			if err := w.cache.Close(ctx); err != nil {
				w.failf("Close: %w", err)
			}
			if n := w.cache.Stats().LoadsRunning; n != 0 {
				w.failf("%d loads are running after Close", n)
			}
			if _, err := w.get(ctx, 0, cache.ErrClosed); err == nil {
				w.failf("a Get after Close was answered")
			}
		})
		return func() error { return errors.Join(w.rest(), w.loads(0, 0, 1)) }
	}},
	{name: "aborted_close_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0, cache.ErrClosed) })
		w.thread("close", w.abort)
		return func() error { return errors.Join(w.rest(), w.loads(0, 0, 1)) }
	}},
	{name: "panic_get", make: func(w *world) func() error {
		w.open(keys)
		w.answer(1, func(context.Context, value) (value, error) { panic(errBackend) })
		w.thread("get 1", func() { w.get(ctx, 0, errBackend) })
		w.thread("get 2", func() { w.get(ctx, 0, errBackend) })
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "exit_get", make: func(w *world) func() error {
		w.open(keys)
		w.answer(1, func(context.Context, value) (value, error) { runtime.Goexit(); panic("not reached") })
		w.thread("get 1", func() { w.get(ctx, 0, cache.ErrLoaderExited) })
		w.thread("get 2", func() { w.get(ctx, 0, cache.ErrLoaderExited) })
		return func() error { return w.settled(0, 1, 2) }
	}},
	{name: "failure_refresh_get", make: func(w *world) func() error {
		w.open(keys)
		w.stale()
		w.answer(2, func(context.Context, value) (value, error) { return value{}, errBackend })
		w.thread("refresh", func() { w.refresh(0, errBackend) })
		w.thread("get", func() { w.get(ctx, 0) })
		return func() error { return w.settled(0, 2, 4) }
	}},
	{name: "reconfigure_get", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("reconfigure", func() {
			if err := w.cache.Reconfigure(cache.WithCapacity(1), cache.WithUpdateAfter(updateAfter/2)); err != nil {
				w.failf("Reconfigure: %w", err)
			}
		})
		w.thread("other key", func() { w.get(ctx, 1) })
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "new_storage_get", only: "memory", make: func(w *world) func() error {
		w.open(keys)
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("reconfigure", func() {
			next := storage.NewMemory[int, value]()
			if err := w.cache.Reconfigure(cache.WithStorage[int, value](next)); err != nil {
				w.failf("Reconfigure: %w", err)
			}
			w.memory = next
		})
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "new_full_storage_get", only: "memory", make: func(w *world) func() error {
		w.open(1)
		w.get(ctx, 0)
		w.thread("get of another key", func() { w.get(ctx, 1) })
		w.thread("reconfigure", func() {
			next := storage.NewMemory[int, value]()
			now := w.clock.Now()
			for key := keys; key < keys+2; key++ {
				next.Put(key, storage.NewEntry(value{Key: key}, now, now.Add(updateAfter), now.Add(expireAfter)))
			}
			if err := w.cache.Reconfigure(cache.WithStorage[int, value](next)); err != nil {
				w.failf("Reconfigure: %w", err)
			}
			w.memory = next
		})
		return func() error { return w.settled(0, 1, 1) }
	}},
	{name: "late_write_invalidate+get", only: "remote", make: func(w *world) func() error {
		w.open(keys, cache.WithStorageTimeout(time.Second))
		w.thread("get", func() { w.get(ctx, 0) })
		w.thread("give up", func() { w.clock.Advance(time.Second) })
		w.thread("invalidate", func() {
			version := w.source.Change(0)
			if err := w.cache.Invalidate(ctx, 0); err == nil {
				w.source.Raise(0, version)
			}
			w.get(ctx, 0)
		})
		return func() error {
			w.get(ctx, 0)
			return errors.Join(w.err(), w.cache.Wait(ctx), w.books(), w.stats())
		}
	}},
}
