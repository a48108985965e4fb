package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/storage"
)

// job is what the engine knows of a flight or a lookup.
type job[A any, K comparable, V any] struct {
	ctx        context.Context // of the first caller: only its values count
	args       A
	settings   *settings[A, K, V]
	lookup     *time.Time // if one came first: when that began
	background bool       // a stale entry has been handed out instead
	absent     bool       // the storage was seen to hold nothing that could be
	known      bool       // the storage holds an entry, or may
	unread     bool       // the storage could not be read

	// Of the one who runs it.
	started bool   // work has been called
	work    func() // see workOn
}

// attempt is how far a flight has come.
type attempt[K comparable, V any] struct {
	timer clockwork.Timer // nil: none, or no limit

	loading  bool // the load function has been called, and is not yet counted as ended
	returned bool // it has returned, with what follows
	value    V
	err      error

	landed bool              // the result has been claimed, by whomever
	turn   *flight.Turn[K]   // to write; nil: nothing to write
	entry  *storage.Entry[V] // to be written; nil: the key is to be emptied
	evicts bool              // something may have been written
}

// fly runs a flight from its load to its last write, on a goroutine that is its own. Foreign code
// can exit that goroutine at any point; what has to happen all the same is deferred.
//
// A new goroutine has a stack of 2 kB. One that needs more copies it, and leaves none to the next goroutine, because the runtime keeps
// only stacks of the size that it begins with. Our own parts do with it, if keys and values are not large and the load function does, too: so what comes one
// after the other is called from here, and not one from within the other, and what is rare is in functions of its own.
func (e *engine[A, K, V]) fly(f *flight.Flight[K, V, job[A, K, V]]) {
	defer e.group.End()
	var a attempt[K, V]
	defer e.finish(f, &a)
	e.load(f, &a)
	if !a.landed {
		e.land(f, &a)
	}
	e.write(f, &a)
	e.makeRoom(&a)
}

// start runs a flight on a goroutine of its own. It does nothing for nil.
func (e *engine[A, K, V]) start(f *flight.Flight[K, V, job[A, K, V]]) {
	if f != nil {
		go e.workOn(f)()
	}
}

// workOn returns what runs a flight, and when its timer calls it once more, ends it. As one function it is
// one allocation.
func (e *engine[A, K, V]) workOn(f *flight.Flight[K, V, job[A, K, V]]) func() {
	f.Job.work = func() {
		if f.Job.started {
			e.overdue(f)
			return
		}
		f.Job.started = true
		e.fly(f)
	}
	return f.Job.work
}

// load calls the load function. It claims the result only if that has panicked or exited the goroutine.
func (e *engine[A, K, V]) load(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	s := f.Job.settings
	if !f.HasBegun() && !e.group.Start(f, s.clock.Now()) {
		a.landed = true
		return
	}
	ctx := f.Context(f.Job.ctx, s.timeout, f.Job.background)
	if ctx.Err() != nil { // the cache was closed
		a.landed = true
		return
	}
	a.timer = e.limit(f)
	if s.observer != nil && !e.reportStart(f, ctx) {
		a.landed = true
		return
	}

	e.counters.running.Add(1)
	a.loading = true
	a.err = ErrLoaderExited
	defer func() {
		if a.returned {
			return
		}
		if p := recover(); p != nil {
			a.err = panicked(p)
		}
		e.land(f, a) // if it has exited, or has panicked while it did, there is no way back to fly
	}()
	a.value, a.err = e.loader(ctx, f.Job.args)
	a.returned = true
}

// panicked returns the error of a load function that has panicked.
//
//go:noinline
func panicked(p any) error { return &PanicError{Value: p, Stack: debug.Stack()} }

// reportStart reports that a load begins, and whether there is time left for it then.
//
//go:noinline
func (e *engine[A, K, V]) reportStart(f *flight.Flight[K, V, job[A, K, V]], ctx context.Context) (inTime bool) {
	e.report(f.Job.settings, Event{Kind: LoadStarted, Key: f.Key})
	return ctx.Err() == nil
}

func (a *attempt[K, V]) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// limit sets the timer that ends a flight whose load takes too long. It counts from when the
// load began, which may have been on another goroutine.
func (e *engine[A, K, V]) limit(f *flight.Flight[K, V, job[A, K, V]]) clockwork.Timer {
	s := f.Job.settings
	limit, _ := s.timeLimit(f.Job.lookup, f.Began())
	if limit == Forever {
		return nil
	}
	return s.clock.AfterFunc(max(limit-s.clock.Since(f.Began()), 0), f.Job.work)
}

// timeLimit returns how long a load that begins now may take, and the error of one that takes
// longer. The flight may have begun before, with a lookup.
func (s *settings[A, K, V]) timeLimit(lookup *time.Time, now time.Time) (time.Duration, error) {
	lock := s.updateLockTimeout
	if lock != Forever && lookup != nil {
		lock -= now.Sub(*lookup)
	}
	if lock < s.timeout {
		return lock, ErrUpdateLockTimeout
	}
	return s.timeout, ErrLoadTimeout
}

// land claims the result of a load that has ended.
func (e *engine[A, K, V]) land(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	f.Cancel(nil)
	now := f.Job.settings.clock.Now()
	record, ok := recordOf(f, a, now)
	if ok && e.claimInPlace(f, a, record) {
		e.publishKept(f, now)
	} else {
		e.landOtherwise(f, a, now)
	}
}

// recordOf makes the record of a value that our own parts keep. It reports false if it is not one.
//
//go:noinline
func recordOf[A any, K comparable, V any](f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], now time.Time) (r storage.Record[K, V], ok bool) {
	if a.err != nil {
		return r, false
	}
	return f.Job.settings.record(f.Key, a.value, f.Created(), now, storage.Moment{})
}

// publishKept publishes a value that is kept already.
//
//go:noinline
func (e *engine[A, K, V]) publishKept(f *flight.Flight[K, V, job[A, K, V]], now time.Time) {
	defer f.Publish() // whatever the observer does
	if s := f.Job.settings; s.observer != nil {
		e.report(s, Event{Kind: LoadSucceeded, Key: f.Key, Duration: now.Sub(f.Began())})
	}
}

// landOtherwise is land for what is not claimed in place.
//
//go:noinline
func (e *engine[A, K, V]) landOtherwise(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], now time.Time) {
	s := f.Job.settings
	r := flight.Result[V]{}
	failure := a.err
	if a.err == nil {
		r.Value = a.value
		r.Entry, failure = e.build(s, f.Created(), f.Key, a.value, now)
	} else {
		r.Err = &LoadError{Key: f.Key, Err: a.err}
	}
	switch held := r.Entry == nil && e.holds(f); {
	case failure == nil:
		r.Write = r.Entry != nil || held
	case held:
		r.Backoff = s.refreshBackoff
	}
	if !e.claim(f, a, r, now) {
		return
	}
	defer f.Publish() // whatever the observer does
	if s.inline() {
		// It takes no time, and whoever has got the value finds it in the cache.
		e.write(f, a)
	}
	switch {
	case r.Err != nil:
		e.report(s, Event{Kind: failureKind(f), Key: f.Key, Duration: now.Sub(f.Began()), Err: r.Err})
	case s.observer != nil:
		e.report(s, Event{Kind: LoadSucceeded, Key: f.Key, Duration: now.Sub(f.Began())})
	}
}

// claim settles the result of a flight that has ended its load, and counts it. If it reports true,
// the result has to be published.
func (e *engine[A, K, V]) claim(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], r flight.Result[V], now time.Time) (stands bool) {
	stands, turn, next := e.group.Claim(f, r, now)
	a.turn, a.entry = turn, r.Entry
	e.claimed(f, a, stands, next)
	return stands
}

// claimInPlace is claim, with the write that follows, of a record. It reports false, and has done nothing, if
// that cannot be done on the spot.
//
//go:noinline
func (e *engine[A, K, V]) claimInPlace(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], record storage.Record[K, V]) (stands bool) {
	s := f.Job.settings
	done, next := e.group.ClaimInPlace(f, record.Hash(), a.value, func() (done bool) {
		done, a.evicts = e.keep(s, record)
		return done
	})
	if done {
		e.claimed(f, a, true, next)
	}
	return done
}

// claimed draws the conclusions from a claim.
func (e *engine[A, K, V]) claimed(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], stands bool, next *flight.Flight[K, V, job[A, K, V]]) {
	a.landed = true
	a.stopTimer() // not before: the entry builder has to be in time as well
	e.start(next)
	if a.loading {
		a.loading = false
		e.countLoad(f, a, stands)
	}
}

func failureKind[A any, K comparable, V any](f *flight.Flight[K, V, job[A, K, V]]) EventKind {
	if f.Job.background {
		return RefreshFailed
	}
	return LoadFailed
}

// countLoad counts a load that has ended.
func (e *engine[A, K, V]) countLoad(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], stands bool) {
	c := e.counters
	timedOut := false
	if !stands {
		_, result := f.Result()
		timedOut = errors.Is(result, ErrLoadTimeout)
	}
	switch {
	case timedOut:
		c.timedOut.Add(1)
	case a.returned && a.err == nil:
		c.succeeded.Add(1)
	case a.returned:
		c.failed.Add(1)
	case a.err == ErrLoaderExited:
		c.exited.Add(1)
	default:
		c.panicked.Add(1)
	}
	c.running.Add(-1)
}

// build makes the entry for a value; nil if it is not to be kept.
func (e *engine[A, K, V]) build(s *settings[A, K, V], created time.Time, key K, value V, now time.Time) (*storage.Entry[V], error) {
	entry, err := buildGuarded(s, created, key, value)
	if err != nil {
		e.storageFailed(s, key, 0, fmt.Errorf("entry builder %T: %w", s.builder, err))
		return nil, err
	}
	return worthKeeping(entry, created, now), nil
}

// worthKeeping returns the entry, or nil if it has expired before it is stored.
func worthKeeping[V any](entry *storage.Entry[V], created, now time.Time) *storage.Entry[V] {
	if entry != nil && (entry.Expired(now) || entry.Expired(created)) {
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
		return e.mayHold(s, f.Key)
	}
	return f.Job.known
}

// overdue ends a flight whose load has not finished in time.
func (e *engine[A, K, V]) overdue(f *flight.Flight[K, V, job[A, K, V]]) {
	e.group.Extend() // the load may end before its callers have been answered here
	defer e.group.End()
	s := f.Job.settings
	now := s.clock.Now()
	_, late := s.timeLimit(f.Job.lookup, f.Began())
	r := flight.Result[V]{Err: callFailure(f.Key, late)}
	if e.holds(f) {
		r.Backoff = s.refreshBackoff
	}
	stands, _, next := e.group.Claim(f, r, now)
	e.start(next)
	if !stands {
		return
	}
	defer f.Publish()
	f.Cancel(late)
	e.report(s, Event{Kind: failureKind(f), Key: f.Key, Duration: now.Sub(f.Began()), Err: r.Err})
}

// callFailure is what the callers of a flight get that took too long.
func callFailure(key any, late error) error {
	if late == ErrLoadTimeout {
		return &LoadError{Key: key, Err: late}
	}
	return callError(key, late)
}

// write tells storage and strategy of what a flight has loaded, when it is its turn and nothing
// newer has superseded it. It does nothing if there is nothing to write.
func (e *engine[A, K, V]) write(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	if a.turn != nil {
		e.writeInTurn(f, a)
	}
}

func (e *engine[A, K, V]) writeInTurn(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	var n, later notes
	defer func() { later.emit() }()
	defer func() { n.emit() }() // the observer may exit the goroutine
	w := flight.Written[V]{Entry: a.entry}
	defer e.endWrite(f, a, &w)
	e.group.Await(a.turn)
	s := e.settings.Load()
	newest, own, ok := e.group.Newest(a.turn)
	if !ok || s.store.generation != f.Job.settings.store.generation {
		return
	}
	if !own && !s.inline() {
		return // who has superseded it writes
	}
	w.Entry = newest // whoever gets this flight's value must not find an older one afterwards
	err, doubt := e.put(f.Job.ctx, s, f.Key, &w, &n)
	if err != nil && f.Job.background {
		w.Backoff = f.Job.settings.refreshBackoff
	}
	if doubt && !f.Job.unread {
		later.add(func() { e.reconcile(s, f.Key, false) })
	}
}

// endWrite gives the turn of a flight back.
func (e *engine[A, K, V]) endWrite(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V], w *flight.Written[V]) {
	if a.turn != nil {
		e.group.EndWrite(a.turn, *w, f.Job.settings.clock.Now())
		a.turn, a.evicts = nil, true
	}
}

// finish ends a flight.
func (e *engine[A, K, V]) finish(f *flight.Flight[K, V, job[A, K, V]], a *attempt[K, V]) {
	f.Cancel(nil)
	a.stopTimer()
	if !a.landed { // the observer or the entry builder has exited the goroutine
		r := flight.Result[V]{Value: a.value}
		if !a.returned || a.err != nil {
			r.Err = &LoadError{Key: f.Key, Err: ErrLoaderExited}
		}
		if e.claim(f, a, r, f.Job.settings.clock.Now()) {
			f.Publish()
		}
	}
	if a.turn != nil { // the observer has exited it before the write
		e.group.Await(a.turn)
		e.endWrite(f, a, &flight.Written[V]{Entry: a.entry})
	}
	e.makeRoom(a)
}

// makeRoom evicts if that may have become necessary.
func (e *engine[A, K, V]) makeRoom(a *attempt[K, V]) {
	if a.evicts {
		a.evicts = false
		e.evict()
	}
}
