package cache

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/internal/clock"
	"github.com/memoize-go/memoize/internal/flight"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/storage"
)

// engine is a cache whose key type is known.
type engine[A any, K comparable, V any] struct {
	settings atomic.Pointer[settings[A, K, V]]
	loader   func(context.Context, A) (V, error)
	key      keys.Extractor[A, K]
	unsure   bool // keys can hold values that cannot be compared
	itself   bool // the key is the argument, whatever that is: hits need not call keys.Identity
	group    *flight.Group[K, V, job[A, K, V]]
	counters *counters
	target   invalidation.Target[A] // the cache itself

	named         atomic.Uint64 // victims so far, to tell what came first: naming one or storing it again
	reconfiguring chan struct{} // holds a token while a Reconfigure is at work
}

func newEngine[A any, K comparable, V any](load func(context.Context, A) (V, error), key keys.Extractor[A, K]) *engine[A, K, V] {
	return &engine[A, K, V]{
		loader:        load,
		key:           key,
		unsure:        holds(reflect.TypeFor[K](), interfaces),
		itself:        any(key) == any(keys.Identity[K]()) && !holds(reflect.TypeFor[K](), unequal),
		group:         flight.New[K, V, job[A, K, V]](),
		counters:      &counters{},
		reconfiguring: make(chan struct{}, 1),
	}
}

// Of a comparable type, a value can turn out not to be comparable if there is an interface in it, and not to equal itself if there
// is one of these or a number that can be a NaN.
var (
	interfaces = []reflect.Kind{reflect.Interface}
	unequal    = []reflect.Kind{reflect.Interface, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128}
)

// holds reports whether values of type t are or have in them one of a kind.
func holds(t reflect.Type, kinds []reflect.Kind) bool {
	switch t.Kind() {
	case reflect.Array:
		return holds(t.Elem(), kinds)
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type, kinds) {
				return true
			}
		}
	}
	return slices.Contains(kinds, t.Kind())
}

// checkKey refuses keys that no map can find again.
func (e *engine[A, K, V]) checkKey(key K) error {
	if e.unsure && !isComparable(key) {
		return fmt.Errorf("cache: key of type %T cannot be compared: %w", key, keys.ErrUnencodable)
	}
	return checkEqual(key)
}

// checkEqual is what is left of checkKey for a key that can be compared.
func checkEqual[K comparable](key K) error {
	if key != key { //nolint:staticcheck // NaN
		return fmt.Errorf("cache: key %v does not equal itself: %w", key, keys.ErrUnencodable)
	}
	return nil
}

// isComparable allocates, because it has to look at the key by its address.
func isComparable[K comparable](key K) bool { return reflect.ValueOf(&key).Elem().Comparable() }

// begin is how all calls but Get start.
func (e *engine[A, K, V]) begin(args A) (s *settings[A, K, V], key K, err error) {
	s = e.settings.Load()
	if s.refuse != nil {
		return s, key, s.refuse
	}
	if key, err = e.key.Key(args); err != nil {
		return s, key, err
	}
	return s, key, e.checkKey(key)
}

// refused counts a call of Get or Refresh that was not answered.
func (e *engine[A, K, V]) refused(err error) (V, error) {
	e.counters.refused.Add(1)
	var zero V
	return zero, err
}

// get is the hit path, and only that: whatever allocates, waits or starts something is in functions
// of its own.
func (e *engine[A, K, V]) get(ctx context.Context, args A) (V, error) {
	s := e.settings.Load()
	if s.refuse != nil {
		return e.refused(s.refuse)
	}
	var key K
	var err error
	if e.itself {
		key = *any(&args).(*K)
	} else if key, err = e.key.Key(args); err != nil {
		return e.refused(err)
	}
	if e.unsure {
		if err := e.checkKey(key); err != nil {
			return e.refused(err)
		}
	}
	bound := s.clock.Bound()
	var value V
	var ok bool
	if s.store.memory != nil && bound != nil && !e.group.Fenced() {
		hook.At("memory")
		entry, fresh := s.store.memory.LookupAt(key, &bound.Moment)
		if fresh {
			saturated := s.strategy.saturates && entry.Mark().Load() == s.strategy.saturated
			if s.plain && saturated {
				return entry.Value, nil
			}
			// This is hit once more: its calls would cost as much again as what they do.
			if s.hits != nil {
				s.hits.fresh.inc()
			}
			if saturated {
				return s.process(entry.Value), nil
			}
			return e.handOut(s, key, entry), nil
		}
		value, ok = e.getSettled(s, key, entry, bound)
	} else if s.store.local != nil {
		value, ok = e.getExactly(ctx, s, args, key, bound)
	}
	if ok {
		return value, nil
	}
	ctx = given(ctx)
	var f *flight.Flight[K, V, job[A, K, V]]
	switch {
	case s.store.local == nil:
		f, value, err = e.getShared(ctx, s, args, key)
	default:
		f, value, err = e.getLocal(ctx, s, args, key)
	}
	if f != nil {
		return e.await(ctx, s, f)
	}
	return value, err
}

// getExactly is getSettled of what a local storage has, for a call that does not look at it at a glance. It is not
// part of get so that get needs little of a stack.
func (e *engine[A, K, V]) getExactly(ctx context.Context, s *settings[A, K, V], args A, key K, bound *clock.Reading) (value V, ok bool) {
	if e.group.Fenced() {
		return value, false
	}
	hash := e.group.Hash(key)
	entry := e.lookup(s, key, hash)
	if entry == nil {
		return value, false
	}
	if bound == nil {
		switch now := s.clock.Moment(); { // after the lookup
		case entry.SurelyFresh(&now):
			return e.hit(s, key, entry), true
		case entry.SurelyStale(&now):
			if value, ok = e.getStale(s, key, hash, entry); !ok {
				value, ok = e.refreshAt(ctx, s, args, key, hash, entry, now)
			}
			return value, ok
		}
	}
	return e.getSettled(s, key, entry, bound)
}

// refreshAt is what there is to be done for an entry that is stale at a moment, if it does not say that it is refreshed. It reports
// false if the storage has to be looked into again: always, if that is foreign, because it may take its time.
//
//go:noinline
func (e *engine[A, K, V]) refreshAt(ctx context.Context, s *settings[A, K, V], args A, key K, hash uint64, entry *storage.Entry[V], at storage.Moment) (value V, ok bool) {
	now, ok := s.clock.At(at)
	if !ok || s.store.memory == nil || checkEqual(key) != nil {
		return value, false
	}
	seen := e.version(hash)
	seen.now = now
	if seen.entry = e.lookup(s, key, seen.hash); seen.entry != entry || !e.refreshBehind(given(ctx), s, args, key, &seen) {
		return value, false
	}
	return e.staleHit(s, key, entry), true
}

// getSettled answers with an entry for which nothing has to be done: one that is fresh, or that is stale and says
// that a load of the key is under way. Such hits ask the registry nothing, however many there are.
func (e *engine[A, K, V]) getSettled(s *settings[A, K, V], key K, entry *storage.Entry[V], bound *clock.Reading) (value V, ok bool) {
	if entry == nil {
		return value, false
	}
	if bound != nil && !entry.Stale(bound.Update) && !entry.Expired(bound.Expire) {
		return e.hit(s, key, entry), true
	}
	now := s.clock.Read()
	if entry.Expired(now) {
		return value, false
	}
	if !entry.Stale(now) {
		return e.hit(s, key, entry), true
	}
	return e.getStale(s, key, e.group.Hash(key), entry)
}

// getStale is getSettled for an entry that is stale.
func (e *engine[A, K, V]) getStale(s *settings[A, K, V], key K, hash uint64, entry *storage.Entry[V]) (value V, ok bool) {
	hook.At("entry")
	if !entry.Refreshing(e.group.Token(hash)) {
		return value, false
	}
	return e.staleHit(s, key, entry), true
}

// usable reports whether there is an entry that is neither expired nor refused for its age.
func usable[V any](entry *storage.Entry[V], floor, now time.Time) bool {
	return entry != nil && !entry.Expired(now) && (floor.IsZero() || entry.Created().After(floor))
}

// hit answers with a fresh entry.
func (e *engine[A, K, V]) hit(s *settings[A, K, V], key K, entry *storage.Entry[V]) V {
	if s.hits != nil {
		s.hits.fresh.inc()
	}
	return e.handOut(s, key, entry)
}

// staleHit answers with a stale entry.
func (e *engine[A, K, V]) staleHit(s *settings[A, K, V], key K, entry *storage.Entry[V]) V {
	if s.hits != nil {
		s.hits.stale.inc()
	}
	return e.handOut(s, key, entry)
}

func (e *engine[A, K, V]) handOut(s *settings[A, K, V], key K, entry *storage.Entry[V]) V {
	switch {
	case s.strategy.idle:
	case s.strategy.stock:
		s.strategy.MarkRead(key, entry.Mark())
	default:
		if err := s.strategy.readForeign(key, entry.Mark()); err != nil {
			e.strategyFailed(s, key, err)
		}
	}
	return s.process(entry.Value)
}

func (s *settings[A, K, V]) process(value V) V {
	if s.processor == nil {
		return value
	}
	return s.processor.Apply(value)
}

// getLocal decides for a key of a local storage that has no entry for getSettled, or that entries are
// refused of. If it returns a load, the call has to wait for that.
//
// New goroutines, of which a stampede has many, have to grow their stacks for deep frames. So the many who wait for
// the load do not wait in here, and what only one of them does is in functions of its own.
func (e *engine[A, K, V]) getLocal(ctx context.Context, s *settings[A, K, V], args A, key K) (f *flight.Flight[K, V, job[A, K, V]], value V, err error) {
	if err = checkEqual(key); err != nil {
		value, err = e.refused(err)
		return nil, value, err
	}
	for {
		seen := e.look(s, key)
		if seen.entry == nil {
			if err = ctx.Err(); err != nil {
				value, err = e.refused(err)
				return nil, value, err
			}
			if f = e.joinLoad(ctx, key, &seen); f != nil {
				e.joined(false)
				return f, value, nil
			}
		}
		done := false
		if value, err, done = e.decide(ctx, s, args, key, &seen); done {
			return nil, value, err
		}
	}
}

// look is what a call has seen of a key in a local storage.
type look[V any] struct {
	hash    uint64            // of the key
	version uint64            // of the key, from before that
	entry   *storage.Entry[V] // that may be handed out; nil: none
	now     time.Time         // after that
}

// look reads a local storage.
//
//go:noinline
func (e *engine[A, K, V]) look(s *settings[A, K, V], key K) (seen look[V]) {
	seen = e.version(e.group.Hash(key))
	var floor time.Time
	if e.group.Fenced() {
		floor = e.group.Floor(key, s.clock.Now())
	}
	entry := e.lookup(s, key, seen.hash)
	seen.now = s.clock.Now()
	if usable(entry, floor, seen.now) {
		seen.entry = entry
	}
	return seen
}

// version begins a look.
func (e *engine[A, K, V]) version(hash uint64) look[V] {
	hook.At("registry")
	return look[V]{hash: hash, version: e.group.Version(hash)}
}

// joinLoad returns the load in progress of a key that has no entry, or nil if there is none to be waited for.
//
//go:noinline
func (e *engine[A, K, V]) joinLoad(ctx context.Context, key K, seen *look[V]) *flight.Flight[K, V, job[A, K, V]] {
	return e.group.JoinLoad(key, seen.hash, seen.version, flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx))
}

// decide answers a call that has no load to join. It reports false if the storage has to be looked into again.
//
//go:noinline
func (e *engine[A, K, V]) decide(ctx context.Context, s *settings[A, K, V], args A, key K, seen *look[V]) (value V, err error, done bool) {
	switch {
	case seen.entry == nil:
		ancestors := flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx)
		out := e.group.Join(key, seen.hash, seen.version, ancestors, seen.now, &job[A, K, V]{ctx: ctx, args: args, settings: s})
		if out.Retry {
			return value, nil, false
		}
		value, err = e.follow(ctx, s, key, &out)
		return value, err, true
	case !seen.entry.Stale(seen.now):
		return e.hit(s, key, seen.entry), nil, true
	case e.refreshBehind(ctx, s, args, key, seen):
		return e.staleHit(s, key, seen.entry), nil, true
	default:
		return value, nil, false
	}
}

// refreshBehind starts a background load for a stale entry, if none is in progress or has failed a short while
// ago. It reports false if the storage has to be looked into again.
//
//go:noinline
func (e *engine[A, K, V]) refreshBehind(ctx context.Context, s *settings[A, K, V], args A, key K, seen *look[V]) (ok bool) {
	out := e.group.Refresh(seen.entry, key, seen.hash, seen.version, seen.now, &job[A, K, V]{ctx: ctx, args: args, settings: s, background: true})
	e.start(out.Flight)
	return !out.Retry
}

// follow goes on with a call as the registry said.
func (e *engine[A, K, V]) follow(ctx context.Context, s *settings[A, K, V], key K, out *flight.Outcome[K, V, job[A, K, V]]) (V, error) {
	if out.Err != nil {
		return e.refused(callError(key, out.Err))
	}
	if out.Entry != nil {
		return e.answer(s, key, out.Entry), nil
	}
	if out.Start {
		e.start(out.Flight)
	}
	e.joined(out.Led)
	return e.await(ctx, s, out.Flight)
}

// answer hands out an entry that was found unexpired.
func (e *engine[A, K, V]) answer(s *settings[A, K, V], key K, entry *storage.Entry[V]) V {
	if entry.Stale(s.clock.Now()) {
		return e.staleHit(s, key, entry)
	}
	return e.hit(s, key, entry)
}

// joined counts a call that waits for a load.
func (e *engine[A, K, V]) joined(led bool) {
	if led {
		e.counters.led.Add(1)
	} else {
		e.counters.joined.Add(1)
	}
}

// await waits for a flight, or until ctx ends.
func (e *engine[A, K, V]) await(ctx context.Context, s *settings[A, K, V], f *flight.Flight[K, V, job[A, K, V]]) (V, error) {
	if err := wait(ctx, f.Done()); err != nil {
		var zero V
		return zero, err
	}
	value, err := f.Result()
	if err != nil {
		return value, err
	}
	return s.process(value), nil
}

// wait blocks until done is closed or ctx ends; if both, done counts.
func wait(ctx context.Context, done <-chan struct{}) error {
	if ctx.Done() == nil { // nothing to choose from
		<-done
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	default:
		return ctx.Err()
	}
}

func (e *engine[A, K, V]) refresh(ctx context.Context, args A) (V, error) {
	s, key, err := e.begin(args)
	if err != nil {
		return e.refused(err)
	}
	if err := ctx.Err(); err != nil {
		return e.refused(err)
	}
	out := e.group.Force(key, flight.Of[*flight.Flight[K, V, job[A, K, V]]](ctx), &job[A, K, V]{ctx: ctx, args: args, settings: s, known: true})
	return e.follow(ctx, s, key, &out)
}

func (e *engine[A, K, V]) peek(ctx context.Context, args A) (V, bool) {
	var zero V
	s, key, err := e.begin(args)
	if err != nil {
		return zero, false
	}
	floor := e.group.Floor(key, s.clock.Now())
	entry := e.group.Pending(key)
	switch {
	case entry != nil:
	case s.store.local != nil:
		entry = e.lookup(s, key, e.group.Hash(key))
	default:
		entry = e.peekShared(ctx, s, key)
	}
	if !usable(entry, floor, s.clock.Now()) {
		return zero, false
	}
	return s.process(entry.Value), true
}

// peekShared asks a storage that is not local, for one caller.
func (e *engine[A, K, V]) peekShared(ctx context.Context, s *settings[A, K, V], key K) *storage.Entry[V] {
	if ctx.Err() != nil || !e.group.Begin() {
		return nil
	}
	defer e.group.End()
	began := s.clock.Now()
	entry, _, err := e.read(ctx, s, key, s.storageTimeout, ctx.Done())
	if err != nil && ctx.Err() == nil {
		e.readFailed(s, key, s.clock.Since(began), fmt.Errorf("storage: get: %w", err))
	}
	return entry
}

// read asks a storage that is not local, until the time is over or giveUp is closed.
func (e *engine[A, K, V]) read(ctx context.Context, s *settings[A, K, V], key K, limit time.Duration, giveUp <-chan struct{}) (found *storage.Entry[V], givenUp bool, err error) {
	var entry *storage.Entry[V]
	err, givenUp = e.call(ctx, s, limit, giveUp, func(ctx context.Context) (err error) {
		entry, err = s.store.Get(ctx, key)
		return err
	}, nil)
	if err != nil {
		return nil, givenUp, err // entry may still be written to
	}
	return entry, false, nil
}

// The compiler hands the bodies of small functions on to the packages that make use of a generic type only if it has
// put them in place here, too. This makes it do so.
var _ core[int, int] = (*engine[int, int, int])(nil)
