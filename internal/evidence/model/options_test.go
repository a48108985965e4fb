package model_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/memoize-go/memoize/cache"
)

// options is what New or Reconfigure is given.
type options struct {
	capacity               figure[int]
	update, expire         figure[time.Duration]
	backoff, timeout, lock figure[time.Duration]
	storage                figure[time.Duration] // WithStorageTimeout
	name                   figure[string]
	builder                *builder // WithEntryBuilder
	store                  *storeSpec
	strategy               *strategySpec
	process                int64 // WithPostprocess; 0: not given
	support                bool  // WithInvalidation, with another one
	stats                  bool
	await                  bool
	repeated               bool   // every figure is given before, with another value that does not count
	misfit                 misfit // an option that must not be there
}

// misfit is an option that does not fit.
type misfit int

const (
	noMisfit misfit = iota
	nilOption
	nilStorage
	nilClock
	wrongStorage
	wrongEviction
	wrongBuilder
	wrongProcessor
	wrongSupport
	storageTwice
	evictionTwice
	observerTwice
	misfits
)

// figure is a number that is given, or not.
type figure[T any] struct {
	given bool
	value T
}

func given[T any](v T) figure[T] { return figure[T]{true, v} }

// builder is an entrybuilder.Builder.
type builder struct {
	update, expire time.Duration
	does           building
}

type building int

const (
	builds building = iota
	buildsNothing
	buildPanics
)

func (b *builder) panics() bool { return b != nil && b.does == buildPanics }

type storeKind int

const (
	inMemory storeKind = iota // storage.Memory
	inLocal                   // another storage.Local
	inRemote                  // has to be asked through Get, and keeps bytes
)

type storeSpec struct {
	kind    storeKind
	clears  bool // it is a storage.Clearer
	lists   bool // it is a storage.Lister
	keeps   bool // a remote one that keeps what is released, for others
	foreign uint // the keys, as bits, of which it has entries that another process has made
}

func (s storeSpec) local() bool { return s.kind != inRemote }

type strategyKind int

const (
	leastRecentlyUpdated strategyKind = iota
	leastRecentlyUsed
	sieve
	s3fifo
	foreignStrategy // least recently updated, from outside of this library, and cannot be resized
	noStrategy
)

type strategySpec struct {
	kind     strategyKind
	capacity int
}

func (k strategyKind) keepsBooks() bool { return k != noStrategy }
func (k strategyKind) resizes() bool    { return k != foreignStrategy && k != noStrategy }

// isOrdered reports whether the model knows which key goes first.
func (k strategyKind) isOrdered() bool { return k == leastRecentlyUpdated || k == foreignStrategy }

// The life span that the other process gives to its entries.
const foreignUpdate, foreignExpire = 2 * time.Second, 4 * time.Second

func foreignEntry(v value, now time.Time) *entry {
	return &entry{value: v, created: now, update: now.Add(foreignUpdate), expire: now.Add(foreignExpire), foreign: true}
}

// configure is New and Reconfigure (29, 35, and the rules for options): all or nothing. Foreign has
// the entries that a new storage comes with.
func (m *model) configure(o options, isNew bool, foreign map[int]*entry) (err class) {
	if m.refusing == closed {
		return closed
	}
	next := m.s
	if isNew {
		next = defaults()
	}
	invalid := o.await && !isNew || o.misfit != noMisfit
	refuse := func(condition bool) { invalid = invalid || condition }

	if o.store != nil {
		next.store = &store{storeSpec: *o.store, entries: foreign}
	}
	refuse(o.capacity.given && o.capacity.value < 1)
	switch {
	case o.strategy != nil:
		refuse(o.capacity.given || o.strategy.kind.keepsBooks() && o.strategy.capacity < 1)
		next.strategy, next.capacity = o.strategy.kind, o.strategy.capacity
		refuse(!isNew && o.store == nil && !next.store.lists && next.strategy.keepsBooks())
	case o.capacity.given:
		refuse(!next.strategy.resizes())
		next.capacity = o.capacity.value
	}
	refuse(next.lifespan(o, isNew))
	refuse(o.timeout.set(&next.timeout, 1))
	refuse(o.lock.set(&next.lock, 1))
	refuse(o.storage.set(&next.storage, 1))
	refuse(o.backoff.set(&next.backoff, 0))
	if o.process != 0 {
		next.process = o.process
	}
	if invalid {
		m.reach("invalid options")
		return invalidOption
	}

	if o.support {
		next.support++
	}
	m.stats.HitsCounted = m.stats.HitsCounted || o.stats
	m.refusing = 0
	if o.await {
		m.refusing = unconfigured
	}
	m.s = next
	if isNew || o.store != nil || o.strategy != nil {
		m.books = m.listed()
	}
	m.evict() // a smaller capacity is reached now
	return 0
}

// defaults are those of the contract.
func defaults() settings {
	return settings{
		timeout: 2 * time.Minute, lock: 5 * time.Minute, storage: time.Second, backoff: time.Second, capacity: 4096,
		store: &store{storeSpec: storeSpec{kind: inMemory, clears: true, lists: true}, entries: map[int]*entry{}},
	}
}

// set changes a figure that is given, and reports whether it is invalid.
func (f figure[T]) set(to *T, least time.Duration) (invalid bool) {
	if !f.given {
		return false
	}
	*to = f.value
	d, _ := any(f.value).(time.Duration)
	return d < least
}

// lifespan sets the two figures, of which a lone one keeps the other in proportion when the cache is
// new, and as it is later. It reports whether they are invalid.
func (s *settings) lifespan(o options, isNew bool) (invalid bool) {
	figures := o.update.given || o.expire.given
	if o.builder != nil {
		s.update, s.expire, s.builder = o.builder.update, o.builder.expire, o.builder
		return figures
	}
	if s.builder != nil {
		return figures
	}
	if isNew {
		s.update, s.expire = 10*time.Minute, 30*time.Minute
		switch {
		case o.expire.given:
			s.update = min(s.update, o.expire.value/3)
		case o.update.given && o.update.value > cache.Forever/3:
			s.expire = cache.Forever
		case o.update.given:
			s.expire = max(s.expire, 3*o.update.value)
		}
	}
	return o.update.set(&s.update, 0) || o.expire.set(&s.expire, 0) || s.update > s.expire
}

// listed is what a strategy is told of a storage: what that can list, in memory in no known order.
func (m *model) listed() books {
	st := m.s.store
	if !st.lists || !m.s.strategy.keepsBooks() {
		return nil
	}
	var held []int
	for k, e := range st.entries {
		if !e.corrupt {
			held = append(held, k)
		}
	}
	slices.Sort(held)
	return told(held, m.s.strategy.isOrdered() && st.kind != inMemory)
}

// --- In words, as they would be written in a program ---

func (o options) String() string {
	var words []string
	say := func(ok bool, format string, args ...any) {
		if ok {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	say(o.store != nil, "WithStorage(%v)", o.store)
	say(o.strategy != nil, "WithEviction(%v)", o.strategy)
	say(o.capacity.given, "WithCapacity(%d)", o.capacity.value)
	say(o.update.given, "WithUpdateAfter(%v)", word(o.update.value))
	say(o.expire.given, "WithExpireAfter(%v)", word(o.expire.value))
	if o.builder != nil {
		say(true, "WithEntryBuilder(NewLifespan(%v, %v)%s)", word(o.builder.update), word(o.builder.expire),
			[...]string{"", ", but returns nil", ", but panics"}[o.builder.does])
	}
	say(o.backoff.given, "WithRefreshBackoff(%v)", word(o.backoff.value))
	say(o.timeout.given, "WithTimeout(%v)", word(o.timeout.value))
	say(o.lock.given, "WithUpdateLockTimeout(%v)", word(o.lock.value))
	say(o.storage.given, "WithStorageTimeout(%v)", word(o.storage.value))
	say(o.name.given, "WithName(%q)", o.name.value)
	say(o.process == panicProcess, "WithPostprocess(panics)")
	say(o.process != 0 && o.process != panicProcess, "WithPostprocess(adds %d)", o.process)
	say(o.support, "WithInvalidation(another)")
	say(o.stats, "WithStats()")
	say(o.await, "AwaitConfiguration()")
	say(o.repeated, "each figure with another value before")
	say(o.misfit != noMisfit, "%s", [...]string{"", "nil", "WithStorage(nil)", "WithClock(nil)", "WithStorage(of other types)",
		"WithEviction(of other types)", "WithEntryBuilder(of other types)", "WithPostprocess(of other types)",
		"WithInvalidation(of other types)", "WithStorage twice", "WithEviction twice", "WithObserver twice"}[o.misfit])
	return strings.Join(words, ", ")
}

func word(d time.Duration) string {
	if d == cache.Forever {
		return "Forever"
	}
	return d.String()
}

func (s *storeSpec) String() string {
	text := [...]string{"memory", "local", "remote"}[s.kind]
	say := func(said bool, word string) {
		if said {
			text += word
		}
	}
	say(!s.clears, " without Clear")
	say(!s.lists, " without All")
	say(s.keeps, " that keeps what is released")
	for k := range keyCount {
		say(s.foreign>>k&1 == 1, fmt.Sprintf(" with %d", k))
	}
	return text
}

func (s *strategySpec) String() string {
	return fmt.Sprintf("%s(%d)", [...]string{"LeastRecentlyUpdated", "LeastRecentlyUsed", "SIEVE", "S3FIFO", "foreign", "None"}[s.kind], s.capacity)
}
