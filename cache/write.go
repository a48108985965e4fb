package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/storage"
)

// offer stores an entry and tells the strategy. The caller has the turn of the key.
func (e *engine[A, K, V]) offer(ctx context.Context, s *settings[A, K, V], key K, entry *storage.Entry[V]) (err error, givenUp bool) {
	if s.store.memory != nil {
		err = s.store.memory.Offer(ctx, key, entry)
	} else {
		began := s.clock.Now()
		err, givenUp = e.call(ctx, s, s.storageTimeout, nil,
			func(ctx context.Context) error { return s.store.Offer(ctx, key, entry) },
			func(err error) { e.landed(s, key, entry, err) })
		if err != nil {
			defer func() { e.storageFailed(s, key, s.clock.Since(began), fmt.Errorf("storage: offer: %w", err)) }()
		}
	}
	if err == nil || s.store.local != nil && e.lookup(s, key) == entry {
		e.booked(s, key, s.strategy.written(key, markOf(s, entry)))
	}
	return err, givenUp
}

// landed tells the strategy of an offer that was given up on and has been carried out after all.
func (e *engine[A, K, V]) landed(offered *settings[A, K, V], key K, entry *storage.Entry[V], err error) {
	if err != nil {
		return
	}
	turn := e.group.Enqueue(key)
	turn.Wait()
	s := e.settings.Load()
	if s.store.generation == offered.store.generation && (s.store.local == nil || e.lookup(s, key) == entry) {
		e.booked(s, key, s.strategy.written(key, markOf(s, entry)))
	}
	e.group.EndTurn(turn)
	e.evict()
}

// remove deletes the entry of a key and tells the strategy. The caller has the turn of the key.
func (e *engine[A, K, V]) remove(ctx context.Context, s *settings[A, K, V], key K) error {
	held := s.store.local == nil || e.lookup(s, key) != nil
	began := s.clock.Now()
	err, _ := e.mutate(ctx, s, func(ctx context.Context) error { return s.store.Invalidate(ctx, key) })
	if err != nil {
		defer func() { e.storageFailed(s, key, s.clock.Since(began), fmt.Errorf("storage: invalidate: %w", err)) }()
	}
	if held && (err == nil || s.store.local != nil && e.lookup(s, key) == nil) {
		e.booked(s, key, s.strategy.released(key))
	}
	return err
}

// markOf returns the mark that the strategy may keep. An entry that a storage hands out as another
// one every time would only be kept alive by its own.
func markOf[A any, K comparable, V any](s *settings[A, K, V], entry *storage.Entry[V]) *storage.Mark {
	if s.store.local != nil && entry != nil {
		return entry.Mark()
	}
	return new(storage.Mark)
}

// booked reports what a strategy did wrong.
func (e *engine[A, K, V]) booked(s *settings[A, K, V], key any, err error) {
	if err != nil {
		e.storageFailed(s, key, 0, fmt.Errorf("eviction strategy %T: %w", s.strategy.Strategy, err))
	}
}

// evict releases victims until the strategy names no more, or one could not be released.
func (e *engine[A, K, V]) evict() {
	for {
		s := e.settings.Load()
		victim, ok, err := s.strategy.next()
		e.booked(s, nil, err)
		if !ok || err != nil || !e.release(s, victim) {
			return
		}
	}
}

// release takes a victim out of the storage when its turn has come. It reports false if the victim
// had to be put back into the books.
func (e *engine[A, K, V]) release(named *settings[A, K, V], victim K) (ok bool) {
	turn := e.group.Enqueue(victim)
	turn.Wait()
	defer e.group.EndTurn(turn)
	s := e.settings.Load()
	if s.store.generation != named.store.generation || s.strategy.generation != named.strategy.generation {
		return true // the books it was named from have been replaced
	}
	if turn.Removed() || s.store.local != nil && e.lookup(s, victim) == nil {
		return true // gone since it was named
	}
	began := s.clock.Now()
	err, _ := e.mutate(context.Background(), s, func(ctx context.Context) error { return s.store.Release(ctx, victim) })
	if err != nil {
		defer func() { e.storageFailed(s, victim, s.clock.Since(began), fmt.Errorf("storage: release: %w", err)) }()
		var left *storage.Entry[V]
		if s.store.local != nil {
			left = e.lookup(s, victim)
		}
		if s.store.local == nil || left != nil {
			e.booked(s, victim, s.strategy.written(victim, markOf(s, left)))
			return false
		}
	}
	e.booked(s, victim, s.strategy.released(victim))
	e.counters.evictions.Add(1)
	e.report(s, Event{Kind: Evicted, Key: victim, Duration: s.clock.Since(began)})
	return true
}

// change runs write, then after, for a caller that has begun in the group. With foreign parts that
// is done on a goroutine of its own, so that the caller can leave with its ctx; it never waits for
// after.
func (e *engine[A, K, V]) change(ctx context.Context, s *settings[A, K, V], write func() error, after func()) error {
	if s.store.memory != nil && s.strategy.stock {
		defer e.group.End()
		err := write()
		after()
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer e.group.End()
		defer after()
		err := errStorageExited
		defer func() { done <- err }()
		err = write()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	default:
		return ctx.Err()
	}
}

func (e *engine[A, K, V]) set(ctx context.Context, args A, value V) error {
	s, key, err := e.begin(args)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	now := s.clock.Now()
	created := e.group.Above(key, now)
	entry, err := buildGuarded(s, created, key, value)
	if err != nil {
		return fmt.Errorf("cache: Set: key %#v: entry builder: %w", key, err)
	}
	if entry != nil && entry.Expired(now) {
		entry = nil
	}
	turn, next, err := e.group.Set(key, entry)
	if err != nil {
		return callError(key, err)
	}
	e.start(next)
	var w flight.Written
	err = e.change(ctx, s, func() (err error) {
		defer func() { e.group.EndSet(turn, entry, created, w, s.clock.Now()) }()
		turn.Wait()
		s := e.settings.Load()
		if entry == nil {
			err = e.remove(ctx, s, key)
		} else {
			err, w.GivenUp = e.offer(ctx, s, key, entry)
		}
		w.OK = err == nil
		w.Removed = w.OK && entry == nil
		return err
	}, e.evict)
	if err != nil {
		return fmt.Errorf("cache: Set: key %#v: %w", key, err)
	}
	return nil
}

func (e *engine[A, K, V]) invalidate(ctx context.Context, args A) error {
	s, key, err := e.begin(args)
	if err != nil {
		return err
	}
	began := s.clock.Now()
	fenced := s.store.memory == nil
	turn, next, err := e.group.Invalidate(key, began, fenced)
	if err != nil {
		return callError(key, err)
	}
	e.counters.invalidations.Add(1)
	e.start(next)
	err = e.change(ctx, s, func() (err error) {
		ok := false
		defer func() { e.group.EndInvalidate(turn, fenced, ok, s.clock.Now()) }()
		turn.Wait()
		s := e.settings.Load()
		err = e.remove(ctx, s, key)
		ok = err == nil
		e.report(s, Event{Kind: Invalidated, Key: key, Duration: s.clock.Since(began), Err: err})
		return err
	}, func() {})
	if err != nil {
		return fmt.Errorf("cache: Invalidate: key %#v: %w", key, err)
	}
	return nil
}

func (e *engine[A, K, V]) invalidateAll(ctx context.Context) error {
	s := e.settings.Load()
	if s.refuse != nil {
		return s.refuse
	}
	if !e.group.Begin() {
		return ErrClosed
	}
	e.counters.invalidations.Add(1)
	began := s.clock.Now()
	deletion := e.group.InvalidateAll(began, s.store.memory == nil, e.start)
	err := e.change(ctx, s, func() error {
		var failure, unbooked error
		deletion.Run(func() bool {
			failure, unbooked = e.clear(ctx)
			return failure == nil
		})
		// Reported when other keys can be written again.
		s := e.settings.Load()
		if failure != nil && !errors.Is(failure, errors.ErrUnsupported) {
			e.storageFailed(s, nil, s.clock.Since(began), failure)
		}
		e.booked(s, nil, unbooked)
		e.report(s, Event{Kind: Invalidated, Duration: s.clock.Since(began), Err: failure})
		return failure
	}, func() {})
	if err != nil {
		return fmt.Errorf("cache: InvalidateAll: %w", err)
	}
	return nil
}

// clear empties the storage and the books, while nothing is written.
func (e *engine[A, K, V]) clear(ctx context.Context) (failure, unbooked error) {
	s := e.settings.Load()
	if s.store.clearer == nil {
		return fmt.Errorf("storage %T cannot clear: %w", s.store.Storage, errors.ErrUnsupported), nil
	}
	if err, _ := e.mutate(ctx, s, s.store.clearer.Clear); err != nil {
		return fmt.Errorf("storage: clear: %w", err), nil
	}
	return nil, s.strategy.cleared()
}
