package cache

import (
	"context"
	"fmt"
	"slices"

	"github.com/memoize-go/memoize/internal/flight"
)

// getShared answers from a storage that is not local: the callers of a key share one read of it,
// and what follows.
func (e *engine[A, K, V]) getShared(ctx context.Context, s *settings[A, K, V], args A, key K) (V, error) {
	if err := checkEqual(key); err != nil {
		return e.refused(err)
	}
	ancestors := flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx)
	for {
		if err := ctx.Err(); err != nil {
			return e.refused(err)
		}
		out := e.group.JoinLookup(key, ancestors, s.clock.Now(), &job[A, K, V]{ctx: ctx, args: args, settings: s},
			func(j *job[A, K, V]) bool { return j.absent && j.settings.store.generation == s.store.generation },
			func(j *job[A, K, V]) bool { return j.settings.store.generation < s.store.generation })
		if out.Lookup == nil {
			return e.follow(ctx, s, key, &out)
		}
		l := out.Lookup
		if out.Start {
			go e.runLookup(l)
		}
		if err := wait(ctx, l.Done()); err != nil && (!out.Led || l.Leave()) {
			if !out.Led {
				e.joined(false)
			}
			var zero V
			return zero, err
		}
		entry, f, err, led := l.Result()
		switch {
		case err != nil:
			e.joined(false)
			var zero V
			return zero, err
		case entry != nil && entry.Expired(s.clock.Now()):
			// It has expired since the lookup read the clock, perhaps before this call joined it.
		case entry != nil:
			return e.answer(s, key, entry), nil
		case slices.Contains(ancestors, f) && !isClosed(f.Done()):
			return e.refused(callError(key, flight.ErrReentrant))
		default:
			e.joined(out.Led && led)
			return e.await(ctx, s, f)
		}
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
