package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// notes collects what is left to do when a key's turn has ended, above all to report: observers are
// foreign code, and whoever waits for the key, or for all keys, must not wait for them.
type notes []func()

func (n *notes) add(f func()) { *n = append(*n, f) }

func (n notes) emit() {
	for _, f := range n {
		f()
	}
}

// failed notes a failed call of the storage.
func (e *engine[A, K, V]) failed(n *notes, s *settings[A, K, V], key any, began time.Time, what string, err error) {
	took := s.clock.Since(began)
	n.add(func() { e.storageFailed(s, key, took, fmt.Errorf("storage: %s: %w", what, err)) })
}

// booked notes what a strategy did wrong.
func (e *engine[A, K, V]) booked(n *notes, s *settings[A, K, V], key any, err error) {
	if err != nil {
		n.add(func() { e.strategyFailed(s, key, err) })
	}
}

func (e *engine[A, K, V]) strategyFailed(s *settings[A, K, V], key any, err error) {
	e.storageFailed(s, key, 0, fmt.Errorf("eviction strategy %T: %w", s.strategy.Strategy, err))
}

// put makes the storage hold the entry of w, or nothing if there is none, and says in w how it
// went. The caller has the turn of the key. Doubt says that a storage which has to be asked may hold
// the entry though the write has failed: the caller ends its turn and calls reconcile.
func (e *engine[A, K, V]) put(ctx context.Context, s *settings[A, K, V], key K, w *flight.Written[V], n *notes) (err error, doubt bool) {
	if w.Entry != nil {
		err, doubt = e.offer(ctx, s, key, w, n)
	} else {
		err = e.remove(ctx, s, key, n)
	}
	w.OK = err == nil
	return err, doubt
}

// offer stores the entry of w and tells the strategy.
func (e *engine[A, K, V]) offer(ctx context.Context, s *settings[A, K, V], key K, w *flight.Written[V], n *notes) (err error, doubt bool) {
	entry := w.Entry
	if s.store.memory != nil {
		hook.At("memory")
		entry = s.store.memory.KeepCopy(key, entry)
	} else {
		began := s.clock.Now()
		err, w.GivenUp = e.call(ctx, s, s.storageTimeout, nil,
			func(ctx context.Context) error { return s.store.Offer(ctx, key, entry) },
			func(err error) { e.reconcile(s, key, err == nil) })
		if err != nil {
			e.failed(n, s, key, began, "offer", err)
		}
	}
	if err != nil {
		if s.store.local == nil {
			return err, !w.GivenUp
		}
		if held, unread := e.tryLookup(s, key); held != entry && unread == nil {
			return err, false
		}
	}
	w.Booked = e.named.Load()
	unbooked := s.strategy.written(key, markOf(s, entry))
	if unbooked == nil {
		return err, false
	}
	// What is in no book would never be evicted.
	e.booked(n, s, key, unbooked)
	if unreleased, _ := e.change(ctx, s, key, func(ctx context.Context) error { return s.store.Release(ctx, key) }); unreleased != nil {
		e.failed(n, s, key, s.clock.Now(), "release", unreleased)
	} else {
		s.strategy.aside.remove(key)
	}
	return fmt.Errorf("eviction strategy %T: %w", s.strategy.Strategy, unbooked), false
}

// remove deletes the entry of a key and tells the strategy. The caller has the turn of the key.
func (e *engine[A, K, V]) remove(ctx context.Context, s *settings[A, K, V], key K, n *notes) error {
	held := e.mayHold(s, key)
	began := s.clock.Now()
	err, _ := e.change(ctx, s, key, func(ctx context.Context) error { return s.store.Invalidate(ctx, key) })
	if err != nil {
		e.failed(n, s, key, began, "invalidate", err)
	}
	if held && (err == nil || !e.mayHold(s, key)) {
		e.booked(n, s, key, s.strategy.released(key))
	}
	return err
}

// change runs op, which removes an entry from the storage. What it does after it was given up on is
// booked when it has returned.
func (e *engine[A, K, V]) change(ctx context.Context, s *settings[A, K, V], key K, op func(context.Context) error) (err error, givenUp bool) {
	if s.store.memory != nil {
		hook.At("memory")
		return op(ctx), false
	}
	return e.call(ctx, s, s.storageTimeout, nil, op, func(err error) {
		if err == nil {
			e.reconcile(s, key, false)
		}
	})
}

// reconcile tells the strategy whether the storage holds a key, after a call that was given up on has
// changed it after all, or one that has failed may have changed it all the same. Stored says that an
// entry has been stored for sure: should the storage not answer, the key is in the books.
func (e *engine[A, K, V]) reconcile(changed *settings[A, K, V], key K, stored bool) {
	e.group.Extend()
	defer e.group.End()
	defer e.evict()
	var n notes
	defer func() { n.emit() }()
	turn := e.group.Enqueue(key, 0)
	e.group.Await(turn)
	defer e.group.EndTurn(turn, false)
	s := e.settings.Load()
	if s.store.generation != changed.store.generation {
		return
	}
	var held *storage.Entry[V]
	var err error
	if s.store.local != nil {
		held, err = e.tryLookup(s, key)
	} else {
		began := s.clock.Now()
		if held, _, err = e.read(context.Background(), s, key, s.storageTimeout, nil); err != nil {
			took := s.clock.Since(began)
			n.add(func() { e.readFailed(s, key, took, fmt.Errorf("storage: get: %w", err)) })
		}
	}
	if err != nil && !stored {
		return
	}
	if held != nil || err != nil {
		e.booked(&n, s, key, s.strategy.written(key, markOf(s, held)))
	} else {
		e.booked(&n, s, key, s.strategy.released(key))
	}
}

// markOf returns the mark that the strategy may keep. An entry that a storage hands out as another
// one every time would only be kept alive by its own.
func markOf[A any, K comparable, V any](s *settings[A, K, V], entry *storage.Entry[V]) *storage.Mark {
	if s.store.local != nil && entry != nil {
		return entry.Mark()
	}
	return new(storage.Mark)
}

// attempts is how many releases may fail before what else there is too much is left to the next write: a storage that
// is down would fail them all.
const attempts = 16

// evict makes room after a write: it releases victims until the strategy names no more. Those that cannot be released go back into the books
// when all others have been: they are named again with the next write, and do not hold up anything.
func (e *engine[A, K, V]) evict() {
	if m := e.settings.Load().store.memory; m != nil {
		m.Grow()
	}
	for failed := 0; failed < attempts; {
		s := e.settings.Load()
		victim, ok, err := s.strategy.next()
		if err != nil {
			e.strategyFailed(s, nil, err)
		}
		if !ok || err != nil {
			return
		}
		hook.At("named")
		when := e.named.Add(1)
		if e.releaseInPlace(s, victim) {
			continue
		}
		var n notes
		released, stuck := e.release(s, victim, when, &n)
		if !released {
			failed++
			defer e.putBack(victim) // at the end of the round
		}
		n.emit()
		if stuck {
			return // so may be the next one
		}
	}
}

// putBack puts a key into the books that could not be released, unless something has happened to it since.
func (e *engine[A, K, V]) putBack(key K) {
	var n notes
	defer func() { n.emit() }()
	turn := e.group.Enqueue(key, 0)
	e.group.Await(turn)
	defer e.group.EndTurn(turn, false)
	s := e.settings.Load()
	if !s.strategy.aside.remove(key) {
		return
	}
	var held *storage.Entry[V]
	if s.store.local != nil {
		var err error
		if held, err = e.tryLookup(s, key); held == nil && err == nil {
			return
		}
	}
	e.booked(&n, s, key, s.strategy.written(key, markOf(s, held)))
}

// record returns what is to be kept of a value of now that counts from created, which is at if that is not zero, if
// storage, strategy and entry builder are ours.
func (s *settings[A, K, V]) record(key K, value V, created, now time.Time, at storage.Moment) (r storage.Record[K, V], ok bool) {
	if !s.inline() || !s.stockBuilder || s.expireAfter != Forever && s.expireAfter <= max(now.Sub(created), 0) {
		return r, false
	}
	return s.store.memory.NewRecord(key, value, created, at, s.updateAfter, s.expireAfter)
}

// keep stores what a call has that began with other settings, and tells the strategy, for a caller
// who is called by the group for that. It reports false, and does nothing, if that is not ours alone
// to do, or the storage has been replaced. Added says that evict has to be called.
func (e *engine[A, K, V]) keep(began *settings[A, K, V], r storage.Record[K, V]) (done, added bool) {
	s := e.settings.Load()
	if !s.inline() || s.store.generation != began.store.generation {
		return false, false
	}
	added = s.store.memory.Keep(r)
	s.strategy.kept(r.Hash(), r.Key(), r.Entry().Mark())
	return true, added
}

// releaseInPlace is release where storage and strategy are ours, unless the victim is being written.
// A value that was set since the victim was named goes with it: the cache is full.
func (e *engine[A, K, V]) releaseInPlace(named *settings[A, K, V], victim K) (done bool) {
	if !named.inline() {
		return false
	}
	removed := false
	done = e.group.InPlace(victim, func() (flight.Change, bool) {
		s := e.settings.Load()
		switch {
		case !s.inline():
			return flight.Unchanged, false
		case s.strategy.generation != named.strategy.generation:
			return flight.Unchanged, true // the books it was named from have been replaced
		case !s.store.memory.Drop(victim):
			return flight.Unchanged, true // removed since it was named
		}
		s.strategy.MarkReleased(victim)
		removed = true
		return flight.Removed, true
	})
	if removed {
		e.counters.evictions.Add(1)
		if named.observer != nil {
			e.report(named, Event{Kind: Evicted, Key: victim})
		}
	}
	return done
}

// release takes a victim out of the storage when its turn has come. It reports false if the victim
// has to be put back into the books, and is aside until then, and whether the storage was given up on.
func (e *engine[A, K, V]) release(named *settings[A, K, V], victim K, when uint64, n *notes) (ok, stuck bool) {
	removed := false
	turn := e.group.Enqueue(victim, when)
	e.group.Await(turn)
	defer func() { e.group.EndTurn(turn, removed) }()
	s := e.settings.Load()
	switch {
	case s.strategy.generation != named.strategy.generation:
		return true, false // the books it was named from have been replaced
	case s.store.generation != named.store.generation && s.store.lister == nil:
		// It was named from the books of another storage, or for a key that has been written to this one.
		n.add(func() { e.reconcile(s, victim, false) })
		return true, false
	}
	if turn.Overtaken() != flight.Unchanged || !e.mayHold(s, victim) {
		return true, false // removed since it was named, or stored and in the books again
	}
	began := s.clock.Now()
	err, stuck := e.change(context.Background(), s, victim, func(ctx context.Context) error { return s.store.Release(ctx, victim) })
	if err != nil {
		e.failed(n, s, victim, began, "release", err)
		if e.mayHold(s, victim) {
			s.strategy.aside.add(victim)
			return false, stuck
		}
	}
	removed = true
	e.booked(n, s, victim, s.strategy.released(victim))
	e.counters.evictions.Add(1)
	took := s.clock.Since(began)
	n.add(func() { e.report(s, Event{Kind: Evicted, Key: victim, Duration: took}) })
	return true, false
}

// apart runs write, then after, for a caller that has begun in the group. With foreign parts that
// is done on a goroutine of its own, so that the caller can leave with its ctx; it never waits for
// after.
func (e *engine[A, K, V]) apart(ctx context.Context, s *settings[A, K, V], write func() error, after func()) error {
	if s.inline() {
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
	if done, err := e.setInPlace(s, key, value); done || err != nil {
		return err
	}
	return e.setInTurn(ctx, s, key, value)
}

// setInPlace is Set where everything is ours, for a key that nothing else is going on for.
func (e *engine[A, K, V]) setInPlace(s *settings[A, K, V], key K, value V) (done bool, err error) {
	now, at := s.clock.Stamp()
	record, ok := s.record(key, value, now, now, at)
	if !ok {
		return false, nil
	}
	added := false
	done, err = e.group.SetInPlace(key, record.Hash(), now, func() (done, more bool) {
		done, added = e.keep(s, record)
		return done, added
	})
	if err != nil {
		return false, callError(key, err)
	}
	if added {
		defer e.group.End()
		e.evict()
	}
	return done, nil
}

func (e *engine[A, K, V]) setInTurn(ctx context.Context, s *settings[A, K, V], key K, value V) error {
	entry, turn, next, err := e.enterSet(s, key, value)
	if err != nil {
		return err
	}
	e.start(next)
	var later notes
	err = e.apart(ctx, s, func() error {
		var n notes
		defer func() { n.emit() }()
		w := flight.Written[V]{Entry: entry, Refuse: true}
		defer func() { e.group.EndWrite(turn, w, s.clock.Now()) }()
		e.group.Await(turn)
		newest, _, ok := e.group.Newest(turn)
		if !ok { // a deletion has superseded it
			w.Refuse = false
			return nil
		}
		current := e.settings.Load()
		if current.store.generation == s.store.generation {
			w.Entry = newest // whoever has got what superseded it must not find this one afterwards
		}
		err, doubt := e.put(ctx, current, key, &w, &n)
		if doubt {
			later.add(func() { e.reconcile(current, key, false) })
		}
		return err
	}, func() {
		later.emit()
		e.evict()
	})
	if err != nil {
		return fmt.Errorf("cache: Set: key %#v: %w", key, err)
	}
	return nil
}

// enterSet makes the entry of a Set and lets it supersede what is in progress. The entry builder is
// foreign code and not called under a lock: if something has happened meanwhile that the entry has to
// count as later than, another one is made.
func (e *engine[A, K, V]) enterSet(s *settings[A, K, V], key K, value V) (entry *storage.Entry[V], turn *flight.Turn[K], next *flight.Flight[K, V, job[A, K, V]], err error) {
	now := s.clock.Now()
	for turn == nil && err == nil {
		created := e.group.Above(key, now)
		if entry, err = buildGuarded(s, created, key, value); err != nil {
			return nil, nil, nil, fmt.Errorf("cache: Set: key %#v: entry builder: %w", key, err)
		}
		entry = worthKeeping(entry, created, now)
		turn, next, err = e.group.Set(key, entry, created)
	}
	if err != nil {
		err = callError(key, err)
	}
	return entry, turn, next, err
}

func (e *engine[A, K, V]) invalidate(ctx context.Context, args A) error {
	s, key, err := e.begin(args)
	if err != nil {
		return err
	}
	began := s.clock.Now()
	turn, next, err := e.group.Invalidate(key, began)
	if err != nil {
		return callError(key, err)
	}
	e.counters.invalidations.Add(1)
	e.start(next)
	err = e.apart(ctx, s, func() (err error) {
		var n notes
		defer func() { n.emit() }()
		ok := false
		defer func() { e.group.EndInvalidate(turn, ok, s.clock.Now()) }()
		e.group.Await(turn)
		err = e.remove(ctx, e.settings.Load(), key, &n)
		ok = err == nil
		took := s.clock.Since(began)
		n.add(func() { e.report(s, Event{Kind: Invalidated, Key: key, Duration: took, Err: err}) })
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
	deletion := e.group.InvalidateAll(began, e.start)
	err := e.apart(ctx, s, func() error {
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
		if unbooked != nil {
			e.strategyFailed(s, nil, unbooked)
		}
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
	if err, _ := e.mutate(ctx, s, s.store.clearer.Clear, func(err error) {
		if err == nil {
			e.relist(s)
		}
	}); err != nil {
		return fmt.Errorf("storage: clear: %w", err), nil
	}
	return nil, s.strategy.cleared()
}

// relist tells the strategy anew what the storage holds, if it can tell, after a Clear that was
// given up on has been carried out after all.
func (e *engine[A, K, V]) relist(cleared *settings[A, K, V]) {
	e.group.Extend()
	defer e.group.End()
	var err error
	e.group.Exclusively(func() {
		s := e.settings.Load()
		if s.store.generation != cleared.store.generation || s.store.lister == nil {
			return
		}
		var held []held[K, V]
		if held, err = e.list(s); err == nil {
			err = s.tell(held)
		}
	})
	if err != nil {
		e.storageFailed(cleared, nil, 0, err)
	}
}
