package model_test

import (
	"slices"
	"time"

	"github.com/memoize-go/memoize/cache"
)

func (m *model) newFlight(id, k int) *flight {
	return &flight{key: k, s: m.s, leader: id}
}

// missedIn reports whether it was seen that there is nothing of its key in a storage that is not local: its own one.
func (f *flight) missedIn(s *store) bool { return f.missed && f.s.store == s }

func (m *model) start(f *flight) {
	key := &m.keys[f.key]
	key.loads++
	f.began = m.now
	f.created = m.span(f.key)
	f.value = value{Key: f.key, Version: key.version, Load: key.loads}
	limit := f.s.timeout
	f.overdue = loadError | loadTimeout | deadline // 16
	if f.s.lock < limit {                          // 18
		limit, f.overdue = f.s.lock, lockTimeout|deadline
	}
	f.overdueAt = instant(m.ticks, limit)
	m.event(cache.LoadStarted, f.key)
	m.loads = append(m.loads, begun{f.key, key.loads, f.leader, instant(m.now, f.s.timeout)})
	m.running = append(m.running, f)
	f.result = key.does.result()
	m.reenter(f, key.does)
	f.hold = key.hold
	if f.hold == unheld {
		m.finish(f)
	}
}

// reenter is 33: what a load function gets that asks for its own key.
func (m *model) reenter(f *flight, does answer) {
	if does != asksItself && does != refreshesItself || !m.choices.asks(f.leader) {
		return
	}
	if does == asksItself && (m.s.store.local() || !f.missedIn(m.s.store)) {
		if e, _ := m.read(f.key); m.usable(e) {
			m.reach("load reads its own key")
			m.hit(e)
			if m.s.process == panicProcess {
				f.result = result{err: loadError | panicked, count: panicking}
			}
			return
		}
	}
	m.reach("reentrant load")
	m.stats.Refused++
	f.result = result{err: loadError | reentrant, count: failed}
}

// span returns when an entry that is made now counts as created: now, or if there was an
// invalidation or another entry at this very instant, or later by a clock that was set back, just
// after that (23). The cache need not do so if nothing from before is left; and because it keeps the
// latest instant for several keys together, a clock that was set back can make that the one of
// another key.
func (m *model) span(k int) span {
	s := span{m.now, m.now}
	if after := m.keys[k].after; !m.now.After(after) {
		s.latest = after.Add(1)
	}
	m.stamp = latest(m.stamp, s.latest)
	return s
}

// finish ends a load whose function returns.
func (m *model) finish(f *flight) {
	m.running = slices.DeleteFunc(m.running, func(r *flight) bool { return r == f })
	m.count(f)
	unbuilt := f.result.err == 0 && f.s.builder.panics()
	if unbuilt {
		m.unbuilt(f.key)
	}
	if f.answered {
		m.reach("late result")
		return // 16, 18, 32: dropped
	}
	key := &m.keys[f.key]
	registered := key.flight == f
	if registered {
		key.flight = nil
	}
	m.event(f.eventKind(), f.key)
	m.answerCallers(f, f.result.err)
	switch {
	case !registered:
		m.reach("result of a detached load") // 21, 22: for its callers alone
	case f.result.err == 0 && !unbuilt:
		m.keep(f)
	default:
		m.backOff(f, f.began) // 3: and nothing else
	}
	m.promote(f.key)
}

func (m *model) answerCallers(f *flight, err class) {
	for _, c := range f.callers {
		if err == 0 {
			m.answer(c.id, m.handedOut(f.result.of(f.value), c.process))
		} else {
			m.answer(c.id, outcome{err: err})
		}
	}
	f.callers = nil
}

func (f *flight) eventKind() cache.EventKind {
	switch {
	case f.result.err == 0:
		return cache.LoadSucceeded
	case f.background:
		return cache.RefreshFailed
	default:
		return cache.LoadFailed
	}
}

// count is 34.
func (m *model) count(f *flight) {
	switch {
	case f.timedOut:
		m.stats.LoadsTimedOut++
	case f.result.count == succeeded:
		m.stats.LoadsSucceeded++
	case f.result.count == failed:
		m.stats.LoadsFailed++
	case f.result.count == panicking:
		m.stats.LoadsPanicked++
	default:
		m.stats.LoadsExited++
	}
}

// keep stores what was loaded.
func (m *model) keep(f *flight) {
	v := f.result.of(f.value)
	e := m.build(f.s, f.key, v, f.created)
	existed := m.existed(f)
	if e == nil && !existed {
		return
	}
	key := &m.keys[f.key]
	key.after = latest(key.after, f.created.latest)
	defer m.evict()
	switch {
	case m.s.store != f.s.store: // 35: it has been replaced
		m.reach("replaced storage")
	case e == nil: // what is older than a value that is too old has to go
		if m.remove(f.key) {
			key.backoff = false
		}
	case m.s.store.failing[onOffer] == healthy:
		m.put(f.key, e)
	default:
		if f.background {
			// The write is part of the refresh. An entry from the instant of the load may be this
			// one, stored after all.
			m.backOff(f, e.created.Add(-1))
		}
		if !f.unread {
			m.lookAgain(f.key)
		}
	}
}

// unbuilt is a panic in the entry builder: an error of the storage (20).
func (m *model) unbuilt(k int) {
	m.reach("panic in the entry builder")
	m.stats.StorageErrors++
	m.event(cache.StorageFailed, k)
}

// build makes an entry that is kept: nil if it has expired already, even if that is by a life span of
// 0 and the clock has been set back since (29), or there is none.
func (m *model) build(s settings, k int, v value, when span) *entry {
	e := &entry{value: v, created: when.earliest}
	if when.earliest != when.latest {
		if created, offered := m.choices.created(k, v); offered {
			if created.Before(when.earliest) || created.After(when.latest) {
				m.fault("entries: the entry of key %d is created at %v, which has to be from %v to %v",
					k, created, when.earliest, when.latest)
			}
			e.created = created
		}
	}
	e.update, e.expire = instant(e.created, s.update), instant(e.created, s.expire)
	if e.isExpired(m.now) || e.isExpired(e.created) || s.builder != nil && s.builder.does == buildsNothing {
		return nil
	}
	return e
}

func instant(start time.Time, d time.Duration) time.Time {
	if d == cache.Forever {
		return time.Time{}
	}
	return start.Add(d)
}

// existed reports whether there is an entry that the load was to replace.
func (m *model) existed(f *flight) bool {
	if f.s.store.local() {
		return f.s.store.entries[f.key] != nil
	}
	return f.existed
}

// backOff is 13: entries created up to an instant are not refreshed for a while.
func (m *model) backOff(f *flight, upTo time.Time) {
	if f.s.backoff == 0 || !m.existed(f) {
		return
	}
	key := &m.keys[f.key]
	key.backoff, key.failed, key.retry = true, upTo, instant(m.now, f.s.backoff)
}

// detach takes the load in progress away from new callers (22).
func (m *model) detach(k int) {
	if m.keys[k].flight != nil {
		m.reach("detached load")
	}
	m.keys[k].flight = nil
	m.promote(k)
}

// promote starts the queued load if there is none in front of it.
func (m *model) promote(k int) {
	if key := &m.keys[k]; key.flight == nil && key.queued != nil {
		key.flight, key.queued = key.queued, nil
		m.start(key.flight)
	}
}

// isOverdue reports whether a load times out at an instant by ticks.
func (f *flight) isOverdue(at time.Time) bool {
	return !f.answered && !f.overdueAt.IsZero() && !at.Before(f.overdueAt)
}

// nextTimeout returns how long it is until the next load times out.
func (m *model) nextTimeout() (d time.Duration, ok bool) {
	for _, f := range m.running {
		if f.answered || f.overdueAt.IsZero() {
			continue
		}
		if left := f.overdueAt.Sub(m.ticks); !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// advance lets time pass, at most up to the next timeout.
func (m *model) advance(d time.Duration) {
	m.now, m.ticks = m.now.Add(d), m.ticks.Add(d)
	for _, f := range slices.Clone(m.running) {
		if f.isOverdue(m.ticks) {
			m.timeOut(f)
		}
	}
}

// timeOut is 16 and 18.
func (m *model) timeOut(f *flight) {
	m.reach("timeout")
	f.answered = true
	f.timedOut = f.overdue&loadTimeout != 0
	kind := cache.LoadFailed
	if f.background {
		kind = cache.RefreshFailed
	}
	m.event(kind, f.key)
	m.answerCallers(f, f.overdue)
	if key := &m.keys[f.key]; key.flight == f {
		m.backOff(f, f.began)
		key.flight = nil
		m.promote(f.key)
	}
	m.endOfCtx(f)
}
