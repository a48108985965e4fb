package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/clock"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

// The figures of the default parts, those of the Python library, and of the cache itself.
const (
	defaultCapacity          = 4096
	defaultUpdateAfter       = 10 * time.Minute
	defaultExpireAfter       = 30 * time.Minute
	defaultTimeout           = 2 * time.Minute
	defaultUpdateLockTimeout = 5 * time.Minute
	defaultStorageTimeout    = time.Second
	defaultRefreshBackoff    = time.Second

	// An unset update_after is expire_after divided by this, an unset expire_after is update_after
	// multiplied by it.
	proportion = 3
)

// settings is one consistent configuration. It is immutable; every call works with one of them.
type settings[A any, K comparable, V any] struct {
	refuse error // what every call returns, while not configured or once closed
	plain  bool  // a hit that the strategy need not be told of has nothing to do but to return the value

	store    store[K, V]
	strategy strategy[K]

	builder                  entrybuilder.Builder[K, V]
	stockBuilder             bool // with the two figures that follow
	updateAfter, expireAfter time.Duration
	lifespanGiven            bool // one of them, at least

	processor postprocess.Processor[V] // nil: none
	source    *clock.Source            // of time and timers
	clock     *clock.Source            // the same, exact if a coarse reading would be of no use

	timeout, updateLockTimeout     time.Duration
	storageTimeout, refreshBackoff time.Duration

	support  *invalidation.Support[A] // that the cache is bound to; nil: none
	name     string
	hits     *hitCounters // nil: not counted
	observer func(Event)
	logger   *slog.Logger
}

// inline reports whether storage and strategy are ours: they take no time and cannot fail, so that
// whoever needs them calls them on the spot.
func (s *settings[A, K, V]) inline() bool { return s.store.memory != nil && s.strategy.stock }

// store is a storage with its abilities.
type store[K comparable, V any] struct {
	storage.Storage[K, V]
	generation uint64 // another number is another storage

	memory  *storage.Memory[K, V] // the storage, if it is this one, which needs no protection
	local   storage.Local[K, V]   // nil: it has to be asked through Get
	clearer storage.Clearer
	lister  storage.Lister[K, V]
}

func newStore[K comparable, V any](s storage.Storage[K, V], generation uint64) store[K, V] {
	st := store[K, V]{Storage: s, generation: generation}
	st.memory, _ = s.(*storage.Memory[K, V])
	st.local, _ = s.(storage.Local[K, V])
	st.clearer, _ = s.(storage.Clearer)
	st.lister, _ = s.(storage.Lister[K, V])
	return st
}

// configure returns the settings that the options make out of prev, which is nil for a new cache.
func configure[A any, K comparable, V any](prev *settings[A, K, V], r *recorded) (*settings[A, K, V], error) {
	c := &configurator[A, K, V]{recorded: r, prev: prev}
	if prev == nil {
		c.next = settings[A, K, V]{
			timeout:           defaultTimeout,
			updateLockTimeout: defaultUpdateLockTimeout,
			storageTimeout:    defaultStorageTimeout,
			refreshBackoff:    defaultRefreshBackoff,
			source:            clock.Default(),
		}
	} else {
		c.next = *prev
		c.next.refuse = nil
	}
	c.figures()
	c.storage()
	c.eviction()
	c.lifespan()
	c.others()
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	c.next.clock = c.next.source
	switch {
	case c.next.store.local == nil:
		c.next.clock = clock.New(c.next.source.Clock)
	case c.next.stockBuilder && (c.next.updateAfter <= clock.Margin || c.next.expireAfter <= clock.ExpiryMargin):
		c.next.clock = c.next.source.Exact()
	}
	c.next.plain = c.next.processor == nil && c.next.hits == nil
	return &c.next, nil
}

type configurator[A any, K comparable, V any] struct {
	*recorded
	prev *settings[A, K, V]
	next settings[A, K, V]
	errs []error
}

func (c *configurator[A, K, V]) failf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("cache: "+format, args...))
}

func (c *configurator[A, K, V]) figures() {
	limit := func(option string, f figure[time.Duration], least time.Duration, to *time.Duration) {
		switch {
		case !f.given:
		case f.value < 0:
			c.failf("%s: negative duration %v", option, f.value)
		case f.value < least:
			c.failf("%s: duration %v; Forever means no limit", option, f.value)
		default:
			*to = f.value
		}
	}
	limit("WithTimeout", c.timeout, 1, &c.next.timeout)
	limit("WithUpdateLockTimeout", c.updateLockTimeout, 1, &c.next.updateLockTimeout)
	limit("WithStorageTimeout", c.storageTimeout, 1, &c.next.storageTimeout)
	limit("WithRefreshBackoff", c.refreshBackoff, 0, &c.next.refreshBackoff)
	if c.name.given {
		c.next.name = c.name.value
	}
	if c.stats && c.next.hits == nil {
		c.next.hits = newHitCounters()
	}
	if c.await && c.prev != nil {
		c.failf("AwaitConfiguration: the cache has been made already")
	} else if c.await {
		c.next.refuse = ErrNotConfigured
	}
}

func (c *configurator[A, K, V]) storage() {
	if s, ok := fit[storage.Storage[K, V]](c, "WithStorage", c.recorded.storage); ok {
		c.next.store = newStore(s, c.next.store.generation+1)
	} else if c.prev == nil {
		c.next.store = newStore(storage.NewMemory[K, V](), 0)
	}
}

func (c *configurator[A, K, V]) eviction() {
	capacity := c.capacity
	if capacity.given && capacity.value < 1 {
		c.failf("WithCapacity: capacity %d is below 1", capacity.value)
	}
	if c.recorded.eviction.count > 0 && capacity.given {
		c.failf("WithCapacity(%d): WithEviction replaces the strategy that has this figure", capacity.value)
	}
	switch s, ok := fit[eviction.Strategy[K]](c, "WithEviction", c.recorded.eviction); {
	case ok:
		if sized, ok := s.(interface{ Capacity() int }); ok && sized.Capacity() < 1 {
			c.failf("WithEviction: %T: capacity %d is below 1", s, sized.Capacity())
		}
		c.next.strategy = newStrategy(s, c.next.strategy.generation+1)
	case c.prev == nil:
		n := defaultCapacity
		if capacity.given {
			n = capacity.value
		}
		c.next.strategy = newStrategy[K](eviction.NewLeastRecentlyUpdated[K](n), 0)
	case capacity.given && c.next.strategy.resizer == nil:
		c.failf("WithCapacity(%d): WithEviction has replaced the strategy that has this figure, by a %T without a method Resize",
			capacity.value, c.next.strategy.Strategy)
	}
}

func (c *configurator[A, K, V]) lifespan() {
	for _, f := range []struct {
		option string
		figure figure[time.Duration]
	}{{"WithUpdateAfter", c.updateAfter}, {"WithExpireAfter", c.expireAfter}} {
		switch {
		case !f.figure.given:
		case f.figure.value < 0:
			c.failf("%s: negative duration %v", f.option, f.figure.value)
		case c.builder.count > 0:
			c.failf("%s(%v): WithEntryBuilder replaces the entry builder that has this figure", f.option, f.figure.value)
		case c.prev != nil && !c.prev.stockBuilder:
			c.failf("%s(%v): WithEntryBuilder has replaced the entry builder that has this figure", f.option, f.figure.value)
		}
	}
	if b, ok := fit[entrybuilder.Builder[K, V]](c, "WithEntryBuilder", c.builder); ok {
		c.next.builder, c.next.stockBuilder = b, false
		return
	}
	if len(c.errs) > 0 || c.prev != nil && !c.updateAfter.given && !c.expireAfter.given {
		return
	}
	c.next.updateAfter, c.next.expireAfter = c.figuresOfLifespan()
	c.next.lifespanGiven = c.next.lifespanGiven || c.updateAfter.given || c.expireAfter.given
	if c.next.updateAfter > c.next.expireAfter {
		c.failf("WithUpdateAfter: %v is more than WithExpireAfter: %v", c.next.updateAfter, c.next.expireAfter)
		return
	}
	b, err := entrybuilder.NewLifespan[K, V](c.next.updateAfter, c.next.expireAfter)
	if err != nil {
		c.failf("WithUpdateAfter, WithExpireAfter: %w", err)
		return
	}
	c.next.builder, c.next.stockBuilder = b, true
}

// figuresOfLifespan completes a lone figure: by what was set before, or in a cache that has not been in use
// so that the proportion is kept.
func (c *configurator[A, K, V]) figuresOfLifespan() (updateAfter, expireAfter time.Duration) {
	updateAfter, expireAfter = defaultUpdateAfter, defaultExpireAfter
	set := c.prev != nil && (c.prev.refuse == nil || c.prev.lifespanGiven)
	if set {
		updateAfter, expireAfter = c.prev.updateAfter, c.prev.expireAfter
	}
	if c.updateAfter.given {
		updateAfter = c.updateAfter.value
	}
	if c.expireAfter.given {
		expireAfter = c.expireAfter.value
	}
	switch {
	case set || c.updateAfter.given == c.expireAfter.given:
	case c.expireAfter.given:
		updateAfter = min(expireAfter/proportion, defaultUpdateAfter)
	case updateAfter > Forever/proportion:
		expireAfter = Forever
	default:
		expireAfter = max(updateAfter*proportion, defaultExpireAfter)
	}
	return updateAfter, expireAfter
}

func (c *configurator[A, K, V]) others() {
	if p, ok := fit[postprocess.Processor[V]](c, "WithPostprocess", c.processor); ok {
		c.next.processor = p
	}
	if given, ok := fit[clockwork.Clock](c, "WithClock", c.clock); ok {
		c.next.source = clock.New(given)
	}
	if s, ok := fit[*invalidation.Support[A]](c, "WithInvalidation", c.invalidation); ok {
		c.next.support = s
	}
	if c.once("WithObserver", c.observer) {
		c.next.observer = c.observer.value.(func(Event))
	}
	if c.once("WithLogger", c.logging) {
		c.next.logger = c.logging.value.(*slog.Logger)
	}
}

// once reports whether the part was given, and complains if it was more than once.
func (c *configurator[A, K, V]) once(option string, p part) bool {
	if p.count > 1 {
		c.failf("%s: given %d times", option, p.count)
	}
	return p.count == 1
}

// fit returns the part as what this cache needs it to be. It reports false if it was not given, and
// complains if it does not fit.
func fit[T any, A any, K comparable, V any](c *configurator[A, K, V], option string, p part) (t T, ok bool) {
	if !c.once(option, p) {
		return t, false
	}
	if isNil(p.value) {
		c.failf("%s: nil %s", option, p.fits)
		return t, false
	}
	t, ok = p.value.(T)
	if !ok {
		c.failf("%s: got a %s, this cache needs a %s", option, p.fits, typeName[T]())
	}
	return t, ok
}

func typeName[T any]() string { return reflect.TypeFor[T]().String() }

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice:
		return r.IsNil()
	default:
		return false
	}
}
