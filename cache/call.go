package cache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// States of a storage call.
const (
	callRunning int32 = iota
	callReturned
	callGivenUp
)

// call runs op, a call of foreign storage code, on a goroutine of its own, for at most limit and no
// longer than until giveUp is closed (nil: never). A panic or an exit of the goroutine is an error.
// If the call was given up on, whatever op shares with the caller must no longer be read, and late,
// if there is one, gets the error once op has returned.
func (e *engine[A, K, V]) call(caller context.Context, s *settings[A, K, V], limit time.Duration, giveUp <-chan struct{}, op func(context.Context) error, late func(error)) (err error, givenUp bool) {
	ctx := flight.NewContext(caller, s.clock.Now(), limit)
	defer ctx.Cancel(nil)

	var state atomic.Int32
	done := make(chan error, 1)
	go func() {
		err := errStorageExited
		defer func() {
			done <- err
			if state.CompareAndSwap(callRunning, callReturned) {
				return
			}
			defer e.group.Returned()
			if late != nil {
				late(err)
			}
		}()
		defer catch(&err)
		err = op(ctx)
	}()

	var overdue <-chan time.Time
	if limit != Forever {
		timer := s.clock.NewTimer(limit)
		defer timer.Stop()
		overdue = timer.Chan()
	}
	reason := errStorageTimeout
	select {
	case err := <-done:
		return err, false
	case <-overdue:
	case <-giveUp:
		reason = caller.Err()
	}
	select {
	case err := <-done:
		return err, false
	default:
	}
	e.group.Stray()
	if !state.CompareAndSwap(callRunning, callGivenUp) {
		e.group.Returned()
		return <-done, false
	}
	ctx.Cancel(reason)
	return reason, true
}

// mutate runs op, a call that changes the storage or lists it, within the storage timeout.
func (e *engine[A, K, V]) mutate(caller context.Context, s *settings[A, K, V], op func(context.Context) error, late func(error)) (err error, givenUp bool) {
	if s.store.memory != nil {
		hook.At("memory")
		return op(caller), false
	}
	return e.call(caller, s, s.storageTimeout, nil, op, late)
}

// lookup reads a local storage. Hash is that of the key.
func (e *engine[A, K, V]) lookup(s *settings[A, K, V], key K, hash uint64) *storage.Entry[V] {
	if s.store.memory != nil {
		hook.At("memory")
		return s.store.memory.LookupHashed(key, hash)
	}
	entry, _ := e.tryLookup(s, key)
	return entry
}

// tryLookup is lookup for those to whom it matters that a local storage could not be read.
func (e *engine[A, K, V]) tryLookup(s *settings[A, K, V], key K) (*storage.Entry[V], error) {
	if s.store.memory != nil {
		return e.lookup(s, key, e.group.Hash(key)), nil
	}
	entry, err := guardedLookup(s.store.local, key)
	if err != nil {
		e.readFailed(s, key, 0, err)
	}
	return entry, err
}

// mayHold reports whether the storage holds an entry of key, or cannot tell.
func (e *engine[A, K, V]) mayHold(s *settings[A, K, V], key K) bool {
	if s.store.local == nil {
		return true
	}
	entry, err := e.tryLookup(s, key)
	return entry != nil || err != nil
}

func guardedLookup[K comparable, V any](local storage.Local[K, V], key K) (entry *storage.Entry[V], err error) {
	defer catch(&err)
	return local.Lookup(key), nil
}
