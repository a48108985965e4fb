package model_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/memoize-go/memoize/cache"
)

// model is a cache, one call after the other. The numbers in the comments are those of the promises.
type model struct {
	now   time.Time // by the clock
	ticks time.Time // by which timers go: it does not jump when the clock is set

	s        settings
	refusing class // what every call gets: not configured, or closed; 0: nothing
	keys     [keyCount]keyState
	running  []*flight // whose load function has not returned, in the order in which they began
	books    books
	stamp    time.Time // the latest instant that any load or Set may have been given

	waits, closes []int // calls of Wait and Close that have not returned

	stats cache.Stats

	choices choices
	expected
}

// choices is what the cache has chosen where the promises leave it a choice.
type choices interface {
	// created returns the instant given to the entry of v, if one was offered to the storage.
	created(key int, v value) (created time.Time, offered bool)

	// victim returns the key whose release was tried next, one of oldest if there is a choice, and
	// how that went.
	victim(oldest []int) (key int, released, tried bool)

	// asks reports whether a load that is caused by a call may ask for its own key: not one that
	// was queued, for it begins while something else happens to the key, and what it gets is a
	// matter of luck.
	asks(leader int) bool
}

// expected is what is to be seen after a step.
type expected struct {
	answers map[int]outcome // of the calls that return
	events  map[event]int
	loads   []begun  // that begin
	faults  []string // choices that the cache did not have
	reached []string // what was reached, to see that the sequences reach everything
}

// settings is a configuration. Every call works with the one that was in force when it began (35).
type settings struct {
	update, expire time.Duration
	builder        *builder // in place of the two figures; nil: none
	backoff        time.Duration
	timeout, lock  time.Duration
	storage        time.Duration // its timeout: no call of it is that slow here
	capacity       int
	strategy       strategyKind
	store          *store
	process        int64 // what post-processing adds to Value.Load
	support        int   // which is bound
}

// store is a storage.
type store struct {
	storeSpec
	entries map[int]*entry
	failing [storeCalls]failure
}

type entry struct {
	value          value
	created        time.Time
	update, expire time.Time // zero: never
	refused        bool      // it should be gone, but its deletion failed
	corrupt        bool      // its bytes are damaged
	foreign        bool      // another process has made it
}

type keyState struct {
	version, loads int64
	does           answer // what the load function does
	hold           hold   // whether it is kept from returning

	flight *flight // that new callers join
	queued *flight // forced, behind it

	after time.Time // a load or a Set that begins up to here may count as begun just after

	// Entries created up to failed are not refreshed before retry, the zero Time for never.
	backoff       bool
	failed, retry time.Time
}

// flight is a load with its callers.
type flight struct {
	key        int
	s          settings
	leader     int // the call that caused it
	callers    []caller
	background bool
	missed     bool // it began with a look into a storage that is not local
	existed    bool // the storage was seen to hold something, or could not say
	unread     bool // it could not say

	began     time.Time
	created   span
	value     value
	result    result
	hold      hold
	overdueAt time.Time // by ticks; zero: never
	overdue   class
	answered  bool // its callers have been, without it: what it returns is dropped
	timedOut  bool
}

type caller struct {
	id      int
	process int64
}

// span is when an entry may have been created.
type span struct{ earliest, latest time.Time }

func newModel(start time.Time) *model {
	m := &model{now: start, ticks: start}
	for k := range m.keys {
		m.keys[k].version = 1
	}
	m.begin(nil)
	return m
}

// begin begins a step.
func (m *model) begin(c choices) {
	m.choices = c
	m.expected = expected{answers: map[int]outcome{}, events: map[event]int{}}
}

func (m *model) fault(format string, args ...any) {
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func (m *model) reach(what string) { m.reached = append(m.reached, what) }

func (m *model) event(kind cache.EventKind, key any) { m.events[event{kind, key}]++ }

func (m *model) answer(id int, o outcome) { m.answers[id] = o }

func (m *model) get(id, k int, ended bool) {
	key, remote := &m.keys[k], !m.s.store.local()
	switch {
	case m.refusing != 0:
		m.reject(id, m.refusing)
		return
	case ended && remote: // 17: only a hit in a local storage does not look at ctx
		m.reject(id, canceled)
		return
	case remote && key.flight != nil && key.flight.missedIn(m.s.store): // 27: the storage is read once for all callers
		m.join(id, k)
		return
	}
	e, present := m.read(k)
	switch {
	case m.usable(e):
		m.hit(e)
		m.answer(id, m.handedOut(e.value, m.s.process))
		if e.isStale(m.now) {
			m.refreshBehind(id, k, e)
		}
	case ended: // 17: a miss with a ctx that has ended loads nothing
		m.reject(id, canceled)
	case key.flight != nil: // 2, 9
		m.join(id, k)
	default:
		m.stats.Led++
		f := m.newFlight(id, k)
		f.callers = []caller{{id, m.s.process}}
		f.missed, f.existed, f.unread = remote, present, remote && e == nil && present
		key.flight = f
		m.start(f)
	}
}

// reject answers a call of Get or Refresh that got as far as nothing.
func (m *model) reject(id int, err class) {
	m.stats.Refused++
	m.answer(id, outcome{err: err})
}

func (m *model) join(id, k int) {
	m.reach("join")
	m.stats.Joined++
	f := m.keys[k].flight
	f.callers = append(f.callers, caller{id, m.s.process})
}

func (m *model) hit(e *entry) {
	if e.isStale(m.now) {
		m.reach("stale hit")
		m.stats.StaleHits++
	} else {
		m.stats.Hits++
	}
}

// refreshBehind is 12 and 13: at most one background load, none during the backoff.
func (m *model) refreshBehind(id, k int, e *entry) {
	key := &m.keys[k]
	switch {
	case key.flight != nil:
		m.reach("stale hit during a load")
	case key.backoff && (key.retry.IsZero() || m.now.Before(key.retry)) && !e.created.After(key.failed):
		m.reach("backoff")
	default:
		f := m.newFlight(id, k)
		f.background, f.existed = true, true
		key.flight = f
		m.start(f)
	}
}

func (m *model) peek(id, k int, ended bool) {
	var e *entry
	if m.refusing == 0 && (m.s.store.local() || !ended) {
		e, _ = m.read(k)
	}
	if m.usable(e) {
		o := m.handedOut(e.value, m.s.process)
		o.found = o.err == 0
		m.answer(id, o)
	} else {
		m.answer(id, outcome{})
	}
}

// refresh is 15: the value of a load that starts after the call; all share the queued one.
func (m *model) refresh(id, k int, ended bool) {
	key := &m.keys[k]
	me := caller{id, m.s.process}
	switch {
	case m.refusing != 0:
		m.reject(id, m.refusing)
	case ended:
		m.reject(id, canceled)
	case key.queued != nil:
		m.reach("join a queued load")
		m.stats.Joined++
		key.queued.callers = append(key.queued.callers, me)
	default:
		m.stats.Led++
		f := m.newFlight(id, k)
		f.callers, f.existed = []caller{me}, true
		if key.flight != nil {
			m.reach("queue")
			key.queued = f
			return
		}
		key.flight = f
		m.start(f)
	}
}

// handedOut is what a caller gets of a value. A panic of post-processing is the caller's alone (20).
func (m *model) handedOut(v value, process int64) outcome {
	if process == panicProcess {
		m.reach("panic in post-processing")
		return outcome{err: raised}
	}
	return outcome{value: processed(v, process)}
}

// processed is what post-processing makes of a value.
func processed(v value, by int64) value {
	v.Load += by
	return v
}

func (m *model) set(id, k int, v value, ended bool) {
	switch {
	case m.refusing != 0:
		m.answer(id, outcome{err: m.refusing})
		return
	case ended: // 17
		m.answer(id, outcome{err: canceled})
		return
	}
	key := &m.keys[k]
	when := m.span(k)
	if m.s.builder.panics() { // nothing has changed then
		m.answer(id, outcome{err: panicked})
		return
	}
	key.after = latest(key.after, latest(when.latest, m.stamp))
	m.detach(k) // 22
	e := m.build(m.s, k, v, when)
	var o outcome
	failing := m.s.store.failing[onOffer]
	switch {
	case e == nil && m.remove(k):
		key.backoff = false
	case e == nil:
		m.refuse(k)
		o.err = m.s.store.failing[onInvalidate].class()
	case failing == healthy:
		m.put(k, e)
	default: // 22: the old entry is refused as after an invalidation
		m.reach("failed Set")
		m.lookAgain(k)
		m.refuse(k)
		o.err = failing.class()
	}
	m.evict()
	m.answer(id, o)
}

func (m *model) invalidate(id, k int, ended bool) {
	if m.refusing != 0 {
		m.answer(id, outcome{err: m.refusing})
		return
	}
	m.stats.Invalidations++
	m.outdate(k)
	var o outcome
	if !m.remove(k) { // 23
		m.refuse(k)
		o.err = m.s.store.failing[onInvalidate].class()
	}
	m.event(cache.Invalidated, k)
	o.orCanceled = ended && !m.inline()
	m.answer(id, o)
}

// outdate is what every invalidation begins with (22).
func (m *model) outdate(k int) {
	key := &m.keys[k]
	key.after = latest(key.after, latest(m.now, m.stamp))
	key.backoff = false
	m.detach(k)
}

// inline reports whether a deletion takes no time: it does not look at ctx then.
func (m *model) inline() bool { return m.s.store.kind == inMemory && m.s.strategy != foreignStrategy }

func (m *model) invalidateAll(id int, ended bool) {
	if m.refusing != 0 {
		m.answer(id, outcome{err: m.refusing})
		return
	}
	m.stats.Invalidations++
	for k := range m.keys {
		m.outdate(k)
	}
	var o outcome
	switch failing := m.s.store.failing[onClear]; {
	case !m.s.store.clears:
		o.err = unsupported
	case failing != healthy:
		o.err = failing.class()
	}
	for k := range m.keys {
		if o.err != 0 {
			m.refuse(k)
		} else {
			delete(m.s.store.entries, k)
			m.books.released(k)
		}
	}
	m.event(cache.Invalidated, nil)
	o.orCanceled = ended && !m.inline()
	m.answer(id, o)
}

// atRest answers who waits for the end, if that has come.
func (m *model) atRest() {
	if len(m.running) > 0 {
		return
	}
	for _, id := range slices.Concat(m.waits, m.closes) {
		m.answer(id, outcome{})
	}
	m.waits, m.closes = nil, nil
}

func (m *model) wait(id int, ended bool) {
	if ended && len(m.running) > 0 {
		m.answer(id, outcome{err: canceled})
		return
	}
	m.waits = append(m.waits, id)
}

// close is 32.
func (m *model) close(id int, ended bool) {
	m.refusing = closed
	m.s.support = unboundSupport
	if ended && len(m.running) > 0 {
		m.answer(id, outcome{err: canceled})
		m.abort()
		return
	}
	m.closes = append(m.closes, id)
}

// abort is the end of what Close has waited for.
func (m *model) abort() {
	m.reach("aborted load")
	for k := range m.keys {
		key := &m.keys[k]
		if key.queued != nil {
			m.answerCallers(key.queued, closed)
		}
		key.flight, key.queued = nil, nil
	}
	for _, f := range slices.Clone(m.running) {
		if f.answered {
			continue
		}
		f.answered = true
		m.answerCallers(f, closed)
		m.endOfCtx(f)
	}
}

// endOfCtx ends a load whose function heeds its ctx.
func (m *model) endOfCtx(f *flight) {
	if f.hold == heeding {
		f.result = result{err: loadError, count: failed}
		m.finish(f)
	}
}

// cancel ends the ctx of a call that is waiting (17).
func (m *model) cancel(id int) {
	is := func(other int) bool { return other == id }
	m.answer(id, outcome{err: canceled})
	aborts := slices.ContainsFunc(m.closes, is)
	m.waits = slices.DeleteFunc(m.waits, is)
	m.closes = slices.DeleteFunc(m.closes, is)
	forget := func(f *flight) {
		f.callers = slices.DeleteFunc(f.callers, func(c caller) bool { return c.id == id })
	}
	for _, f := range m.running {
		forget(f)
	}
	for k := range m.keys {
		if f := m.keys[k].queued; f != nil {
			forget(f)
		}
	}
	if aborts {
		m.abort()
	}
}
