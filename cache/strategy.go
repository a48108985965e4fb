package cache

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// strategy is an eviction strategy with its abilities. A panic in foreign ones becomes an error.
type strategy[K comparable] struct {
	eviction.Strategy[K]
	generation uint64 // another number is another strategy

	hashing   hashing[K]       // nil: cannot
	resizer   eviction.Resizer // nil: cannot
	saturated uint32           // if it saturates, the word of a mark with which a read need not be told of
	saturates bool
	aside     *aside[K]
	stock     bool // ours, which does not panic
	idle      bool // does nothing on a read
	bookless  bool // keeps no books
}

// saturable are those of our strategies that need not be told of every read.
type saturable interface{ Saturated() (word uint32) }

var (
	_ saturable = (*eviction.SIEVE[int])(nil)
	_ saturable = (*eviction.S3FIFO[int])(nil)
	_ saturable = (*eviction.TinyLFU[int])(nil)
)

// hashing are those of our strategies that look keys up.
type hashing[K comparable] interface {
	MarkWrittenHashed(hash uint64, key K, mark *storage.Mark)
}

var (
	_ hashing[int] = (*eviction.LeastRecentlyUpdated[int])(nil)
	_ hashing[int] = (*eviction.LeastRecentlyUsed[int])(nil)
	_ hashing[int] = (*eviction.SIEVE[int])(nil)
	_ hashing[int] = (*eviction.S3FIFO[int])(nil)
	_ hashing[int] = (*eviction.TinyLFU[int])(nil)
)

func newStrategy[K comparable](s eviction.Strategy[K], generation uint64) strategy[K] {
	st := strategy[K]{Strategy: s, generation: generation, aside: &aside[K]{}}
	st.resizer, _ = s.(eviction.Resizer)
	st.hashing, _ = s.(hashing[K]) // of use if stock
	switch s.(type) {
	case *eviction.LeastRecentlyUpdated[K]:
		st.stock, st.idle, st.saturates = true, true, true // it leaves marks at zero
	case *eviction.LeastRecentlyUsed[K], *eviction.SIEVE[K], *eviction.S3FIFO[K], *eviction.TinyLFU[K]:
		st.stock = true
		if s, ok := s.(saturable); ok {
			st.saturated, st.saturates = s.Saturated(), true
		}
	default:
		if s == eviction.None[K]() {
			st.stock, st.idle, st.saturates, st.bookless = true, true, true, true
		}
	}
	return st
}

func (s *strategy[K]) written(key K, mark *storage.Mark) (err error) {
	if !s.stock {
		defer catch(&err)
	}
	hook.At("strategy")
	s.MarkWritten(key, mark)
	s.aside.remove(key)
	return nil
}

// kept is written for one of our strategies and a key whose hash has been made.
func (s *strategy[K]) kept(hash uint64, key K, mark *storage.Mark) {
	if s.hashing != nil {
		s.hashing.MarkWrittenHashed(hash, key, mark)
	}
}

func (s *strategy[K]) released(key K) (err error) {
	if !s.stock {
		defer catch(&err)
	}
	hook.At("strategy")
	s.aside.remove(key)
	s.MarkReleased(key)
	return nil
}

func (s *strategy[K]) next() (key K, ok bool, err error) {
	if !s.stock {
		defer catch(&err)
	}
	hook.At("strategy")
	key, ok = s.NextToRelease()
	return key, ok, nil
}

func (s *strategy[K]) cleared() (err error) {
	if !s.stock {
		defer catch(&err)
	}
	s.aside.clear()
	s.Clear()
	return nil
}

func (s *strategy[K]) resize(capacity int) (err error) {
	defer catch(&err)
	s.resizer.Resize(capacity)
	return nil
}

// readForeign tells a foreign strategy of a read.
func (s *strategy[K]) readForeign(key K, mark *storage.Mark) (err error) {
	defer catch(&err)
	s.MarkRead(key, mark)
	return nil
}

// aside holds the victims that could not be released, until they are put back into the books or something else happens
// to them. The changes of one key come one after another.
type aside[K comparable] struct {
	len  atomic.Int64 // so that nobody takes the lock when there are none
	mu   sync.Mutex
	keys map[K]struct{} // guarded by mu
}

func (a *aside[K]) add(key K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil {
		a.keys = map[K]struct{}{}
	}
	a.keys[key] = struct{}{}
	a.len.Store(int64(len(a.keys)))
}

// remove reports whether the key was there.
func (a *aside[K]) remove(key K) (ok bool) {
	if a.len.Load() == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok = a.keys[key]
	delete(a.keys, key)
	a.len.Store(int64(len(a.keys)))
	return ok
}

func (a *aside[K]) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = nil
	a.len.Store(0)
}

// catch turns a panic into an error. It has to be deferred as it is.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Value: p, Stack: debug.Stack()}
	}
}
