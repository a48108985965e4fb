package cache

import (
	"context"
	"fmt"
	"slices"

	"github.com/memoize-go/memoize/internal/flight"
)

// getShared answers from a storage that is not local: the callers of a key share one read of it,
// and what follows. If it returns a load, the call has to wait for that. As in getLocal, what the many do who join
// takes little of a stack.
func (e *engine[A, K, V]) getShared(ctx context.Context, s *settings[A, K, V], args A, key K) (f *flight.Flight[K, V, job[A, K, V]], value V, err error) {
	if err = checkEqual(key); err != nil {
		value, err = e.refused(err)
		return nil, value, err
	}
	for again := true; again; {
		if err = ctx.Err(); err != nil {
			value, err = e.refused(err)
			return nil, value, err
		}
		var l *flight.Lookup[K, V, job[A, K, V]]
		switch l, f = e.joinShared(ctx, s, key); {
		case f != nil:
			e.joined(false)
			return f, value, nil
		case l == nil:
			f, value, err, again = e.leadLookup(ctx, s, args, key)
		default:
			if err = wait(ctx, l.Done()); err != nil {
				e.joined(false)
				return nil, value, err
			}
			f, value, err, again = e.afterLookup(ctx, s, key, l, false)
		}
	}
	return f, value, err
}

// seenAbsent reports whether the storage of s was seen to hold nothing for the load that the job is of.
func (s *settings[A, K, V]) seenAbsent(j *job[A, K, V]) bool {
	return j.absent && j.settings.store.generation == s.store.generation
}

// outdates reports whether the lookup that the job is of is of a storage that the one of s has replaced.
func (s *settings[A, K, V]) outdates(j *job[A, K, V]) bool {
	return j.settings.store.generation < s.store.generation
}

// joinShared returns the lookup or the load in progress that a call joins, or neither.
//
//go:noinline
func (e *engine[A, K, V]) joinShared(ctx context.Context, s *settings[A, K, V], key K) (*flight.Lookup[K, V, job[A, K, V]], *flight.Flight[K, V, job[A, K, V]]) {
	return e.group.JoinShared(key, flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx), s.seenAbsent, s.outdates)
}

// leadLookup answers a call that has nothing to join. It reports again if the storage has to be asked once more.
//
//go:noinline
func (e *engine[A, K, V]) leadLookup(ctx context.Context, s *settings[A, K, V], args A, key K) (f *flight.Flight[K, V, job[A, K, V]], value V, err error, again bool) {
	ancestors := flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx)
	out := e.group.JoinLookup(key, ancestors, s.clock.Now(), &job[A, K, V]{ctx: ctx, args: args, settings: s}, s.seenAbsent, s.outdates)
	l := out.Lookup
	if l == nil {
		value, err = e.follow(ctx, s, key, &out)
		return nil, value, err, false
	}
	if out.Start {
		go e.runLookup(l)
	}
	if err = wait(ctx, l.Done()); err != nil && (!out.Led || l.Leave()) {
		if !out.Led {
			e.joined(false)
		}
		return nil, value, err, false
	}
	return e.afterLookup(ctx, s, key, l, out.Led)
}

// afterLookup goes on with a call whose lookup has ended. Led says that it was made for this call.
func (e *engine[A, K, V]) afterLookup(ctx context.Context, s *settings[A, K, V], key K, l *flight.Lookup[K, V, job[A, K, V]], led bool) (f *flight.Flight[K, V, job[A, K, V]], value V, err error, again bool) {
	entry, f, err, loads := l.Result()
	switch {
	case err != nil:
		e.joined(false)
		return nil, value, err, false
	case entry != nil && entry.Expired(s.clock.Now()):
		return nil, value, nil, true // since the lookup read the clock, perhaps before this call joined it
	case entry != nil:
		return nil, e.answer(s, key, entry), nil, false
	case slices.Contains(flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx), f) && !isClosed(f.Done()):
		value, err = e.refused(callError(key, flight.ErrReentrant))
		return nil, value, err, false
	default:
		e.joined(led && loads)
		return f, value, nil, false
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// runLookup runs a lookup and, if it ends in a load, that, on a goroutine that is its own.
func (e *engine[A, K, V]) runLookup(l *flight.Lookup[K, V, job[A, K, V]]) {
	defer e.group.End()
	if start := e.endLookup(l); start != nil {
		e.workOn(start)()
	}
}

// endLookup runs a lookup, and returns the load that it ends in, if that has to be started.
func (e *engine[A, K, V]) endLookup(l *flight.Lookup[K, V, job[A, K, V]]) (start *flight.Flight[K, V, job[A, K, V]]) {
	failure := error(&LoadError{Key: l.Key, Err: ErrLoaderExited}) // if the observer exits the goroutine
	defer func() {
		if failure != nil {
			e.group.AbortLookup(l, failure)
		}
		if !l.Leave() {
			_, _, _, led := l.Result()
			e.joined(led)
		}
	}()
	j := l.Job
	s := j.settings
	began := s.clock.Now()
	j.lookup = &began
	limit := min(s.storageTimeout, s.updateLockTimeout)

	found, givenUp, err := e.read(j.ctx, s, l.Key, limit, nil)
	now := s.clock.Now()
	if err != nil {
		e.readFailed(s, l.Key, now.Sub(began), fmt.Errorf("storage: get: %w", err))
	}
	if givenUp && limit < s.storageTimeout {
		failure = callError(l.Key, ErrUpdateLockTimeout)
		return nil
	}
	foreground, background := j, j
	foreground.absent = true
	foreground.known = found != nil || err != nil
	foreground.unread = err != nil
	background.background = true
	background.known = true
	failure = nil
	refresh := e.settings.Load().store.generation == s.store.generation // else that would not be stored
	return e.group.EndLookup(l, found, now, refresh, foreground, background)
}
