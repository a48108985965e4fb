package model_test

import (
	"slices"
	"time"

	"github.com/memoize-go/memoize/cache"
)

// read looks into the storage. A read that fails, and bytes that cannot be decoded, are a miss (25,
// 26), though something may be present.
func (m *model) read(k int) (e *entry, present bool) {
	st := m.s.store
	e = st.entries[k]
	switch {
	case st.local():
		return e, e != nil
	case st.failing[onGet] != healthy:
		m.reach("failed read")
		return nil, true
	case e != nil && e.corrupt:
		m.reach("corrupt bytes")
		return nil, true
	}
	return e, e != nil
}

// usable reports whether an entry may be handed out (14, 23).
func (m *model) usable(e *entry) bool {
	if e != nil && e.refused && !e.isExpired(m.now) {
		m.reach("refused entry")
	}
	return e != nil && !e.refused && !e.isExpired(m.now)
}

// Both boundaries are inclusive (4).
func (e *entry) isStale(now time.Time) bool   { return !e.update.IsZero() && !now.Before(e.update) }
func (e *entry) isExpired(now time.Time) bool { return !e.expire.IsZero() && !now.Before(e.expire) }

func (m *model) put(k int, e *entry) {
	m.s.store.entries[k] = e
	m.keys[k].backoff = false // 13: any newer entry ends it
	if m.s.strategy.keepsBooks() {
		m.books.written(k, m.s.strategy.isOrdered())
	}
}

// lookAgain is what follows a write that failed: a storage that is not local may have stored the
// entry all the same, so it is asked what it holds, and the books are put right (24). One that has
// just failed to be read is not asked again.
func (m *model) lookAgain(k int) {
	if m.s.store.local() {
		return
	}
	switch e, present := m.read(k); {
	case e != nil && m.s.strategy.keepsBooks():
		m.books.written(k, m.s.strategy.isOrdered())
	case !present:
		m.books.released(k)
	}
	m.evict()
}

// remove deletes the entry of a key. If that fails it stays.
func (m *model) remove(k int) (ok bool) {
	if m.s.store.failing[onInvalidate] != healthy {
		m.reach("failed deletion")
		return false
	}
	delete(m.s.store.entries, k)
	m.books.released(k) // 24
	return true
}

func (m *model) refuse(k int) {
	if e := m.s.store.entries[k]; e != nil {
		e.refused = true
	}
}

// evict is 28. A release that fails puts its victim back among the latest, when others have been
// released. It has to be tried again with the next write at the latest; this cache does so then, and
// not before.
func (m *model) evict() {
	var failed []int
	defer func() {
		for _, k := range slices.Backward(failed) {
			m.books.written(k, m.s.strategy.isOrdered())
		}
	}()
	for m.s.strategy.keepsBooks() && m.books.len() > m.s.capacity {
		oldest := m.books[0]
		k, released, tried := m.choices.victim(oldest)
		switch {
		case !tried:
			m.fault("books: %d keys with a capacity of %d, and none was released; one of %v has to go",
				m.books.len(), m.s.capacity, oldest)
			return
		case !slices.Contains(oldest, k):
			m.fault("books: key %d is released, but one of %v has to go first", k, oldest)
			return
		}
		m.books.released(k)
		if !released {
			m.reach("failed release")
			failed = append(failed, k)
			continue
		}
		m.reach("eviction")
		if !m.s.store.keeps {
			delete(m.s.store.entries, k)
		}
		m.keys[k].backoff = false
		m.stats.Evictions++
		m.event(cache.Evicted, k)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
