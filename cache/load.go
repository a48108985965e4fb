package cache

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/storage"
)

// job is what the engine knows of a flight or a lookup.
type job[A any, K comparable, V any] struct {
	ctx        context.Context // of the first caller: only its values count
	args       A
	settings   *settings[A, K, V]
	background bool      // a stale entry has been handed out instead
	absent     bool      // the storage was seen to hold nothing that could be
	known      bool      // the storage holds an entry, or may
	began      time.Time // if a lookup came first: when that began
}

// attempt is how far a flight has come.
type attempt[K comparable, V any] struct {
	landed  bool            // its result has been claimed, by whomever
	turn    *flight.Turn[K] // to write; nil: nothing to write
	entry   *storage.Entry[V]
	written flight.Written
}

// fly runs a flight from its load to its last write, on a goroutine that is its own.
func (e *engine[A, K, V]) fly(f *flight.Flight[K, V, job[A, K, V]]) {
	defer e.group.End()
	var a attempt[K, V]
	defer e.finish(f, &a)
	e.load(f, &a)
	if a.turn != nil {
		e.write(f, &a)
	}
}

// start runs a flight on a goroutine of its own. It does nothing for nil.
func (e *engine[A, K, V]) start(f *flight.Flight[K, V, job[A, K, V]]) {
	if f != nil {
		go e.fly(f)
	}
}

// load calls the load function and claims its result.
func (e *engine[A, K, V]) load(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	s := f.Job.settings
	began := s.clock.Now()
	ctx := newCallContext(f.Job.ctx, began, s.timeout)
	ctx.flight = f
	created, ok := e.group.Start(f, began, ctx.end)
	if !ok {
		a.landed = true
		ctx.end(nil)
		return
	}
	e.counters.running.Add(1)
	e.report(s, Event{Kind: LoadStarted, Key: f.Key})

	limit, late := s.timeLimit(f.Job.began, began)
	timer := afterFunc(s.clock, limit, func() { e.overdue(f, began, ctx.end, late) })

	var value V
	err := error(ErrLoaderExited)
	returned := false
	defer func() {
		// This also runs if the load function has exited its goroutine.
		if !returned {
			if p := recover(); p != nil {
				err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		if timer != nil {
			timer.Stop()
		}
		e.land(f, a, created, began, value, err, returned)
		ctx.end(nil)
	}()
	value, err = e.loader(ctx, f.Job.args)
	returned = true
}

// timeLimit returns how long a load that begins now may take, and the error of one that takes
// longer. The flight may have begun before, with a lookup.
func (s *settings[A, K, V]) timeLimit(flightBegan, now time.Time) (time.Duration, error) {
	lock := s.updateLockTimeout
	if lock != Forever && !flightBegan.IsZero() {
		lock -= now.Sub(flightBegan)
	}
	if lock < s.timeout {
		return lock, ErrUpdateLockTimeout
	}
	return s.timeout, ErrLoadTimeout
}

// land claims the result of a load that has ended.
func (e *engine[A, K, V]) land(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], created, began time.Time, value V, err error, returned bool) {
	s := f.Job.settings
	now := s.clock.Now()
	r := flight.Result[V]{Started: began}
	if err == nil {
		r.Value = value
		r.Entry = e.build(s, created, f.Key, value, now)
		r.Write = r.Entry != nil || e.holds(f)
	} else {
		r.Err = &LoadError{Key: f.Key, Err: err}
		if e.holds(f) {
			r.Backoff = s.refreshBackoff
		}
	}
	stands, turn, next := e.group.Claim(f, r, now)
	a.landed, a.turn, a.entry = true, turn, r.Entry
	e.start(next)
	e.countLoad(f, stands, err, returned)
	if !stands {
		return
	}
	defer f.Publish() // whatever the observer does
	event := Event{Kind: LoadSucceeded, Key: f.Key, Duration: now.Sub(began), Err: r.Err}
	if err != nil {
		event.Kind = failureKind(f)
	}
	e.report(s, event)
}

func failureKind[A any, K comparable, V any](f *flight.Flight[K, V, job[A, K, V]]) EventKind {
	if f.Job.background {
		return RefreshFailed
	}
	return LoadFailed
}

// countLoad counts a load that has ended.
func (e *engine[A, K, V]) countLoad(f *flight.Flight[K, V, job[A, K, V]], stands bool, err error, returned bool) {
	c := e.counters
	timedOut := false
	if !stands {
		_, _, result := f.Result()
		timedOut = errors.Is(result, ErrLoadTimeout)
	}
	switch {
	case timedOut:
		c.timedOut.Add(1)
	case err == nil:
		c.succeeded.Add(1)
	case returned:
		c.failed.Add(1)
	case err == ErrLoaderExited:
		c.exit.Add(1)
	default:
		c.panicked.Add(1)
	}
	c.running.Add(-1)
}

// build makes the entry for a value; nil if it is not to be kept.
func (e *engine[A, K, V]) build(s *settings[A, K, V], created time.Time, key K, value V, now time.Time) *storage.Entry[V] {
	entry, err := buildGuarded(s, created, key, value)
	if err != nil {
		e.storageFailed(s, key, 0, err)
	}
	if entry != nil && entry.Expired(now) {
		return nil
	}
	return entry
}

func buildGuarded[A any, K comparable, V any](s *settings[A, K, V], created time.Time, key K, value V) (entry *storage.Entry[V], err error) {
	defer catch(&err)
	return s.builder.Build(created, key, value), nil
}

// holds reports whether the storage holds an entry of the flight's key, or may.
func (e *engine[A, K, V]) holds(f *flight.Flight[K, V, job[A, K, V]]) bool {
	if s := f.Job.settings; s.store.local != nil {
		return e.lookup(s, f.Key) != nil
	}
	return f.Job.known
}

// overdue ends a flight whose load has not finished in time.
func (e *engine[A, K, V]) overdue(f *flight.Flight[K, V, job[A, K, V]], began time.Time, cancel context.CancelCauseFunc, late error) {
	s := f.Job.settings
	now := s.clock.Now()
	r := flight.Result[V]{Started: began, Err: callFailure(f.Key, late)}
	if e.holds(f) {
		r.Backoff = s.refreshBackoff
	}
	stands, _, next := e.group.Claim(f, r, now)
	e.start(next)
	if !stands {
		return
	}
	defer f.Publish()
	cancel(late)
	e.report(s, Event{Kind: failureKind(f), Key: f.Key, Duration: now.Sub(began), Err: r.Err})
}

// callFailure is what the callers of a flight get that took too long.
func callFailure(key any, late error) error {
	if late == ErrLoadTimeout {
		return &LoadError{Key: key, Err: late}
	}
	return callError(key, late)
}

// write tells storage and strategy of what a flight has loaded, when it is its turn and the flight
// is still registered.
func (e *engine[A, K, V]) write(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	a.turn.Wait()
	s := e.settings.Load()
	if !e.group.Owns(f) || s.store.generation != f.Job.settings.store.generation {
		return
	}
	if a.entry == nil {
		err := e.remove(f.Job.ctx, s, f.Key)
		a.written.OK = err == nil
		return
	}
	err, givenUp := e.offer(f.Job.ctx, s, f.Key, a.entry)
	a.written = flight.Written{OK: err == nil, GivenUp: givenUp}
	if err != nil && f.Job.background {
		a.written.Backoff = f.Job.settings.refreshBackoff
	}
}

// finish ends a flight, also one whose goroutine is being exited by foreign code.
func (e *engine[A, K, V]) finish(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	s := f.Job.settings
	if !a.landed {
		stands, turn, next := e.group.Claim(f, flight.Result[V]{Err: &LoadError{Key: f.Key, Err: ErrLoaderExited}}, s.clock.Now())
		a.turn = turn
		e.start(next)
		if stands {
			f.Publish()
		}
	}
	if a.turn == nil {
		return
	}
	a.turn.Wait()
	e.start(e.group.Finish(f, a.turn, a.written, s.clock.Now()))
	if a.written.OK {
		e.evict()
	}
}
