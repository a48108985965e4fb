package leaks_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/storage"
)

var errStore = errors.New("store is down")

// method of a storage.
type method string

const (
	onGet        method = "get"
	onOffer      method = "offer"
	onRelease    method = "release"
	onInvalidate method = "invalidate"
	onClear      method = "clear"
)

// remote is a storage on a map, which is not Local.
type remote[V any] struct {
	// before, if it is set, is called before a call does its work; an error of it is the call's.
	before func(ctx context.Context, m method) error

	mu      sync.Mutex
	entries map[int]*storage.Entry[V]

	calls atomic.Int64 // running
}

// local is one that is Local.
type local[V any] struct{ *remote[V] }

func newRemote[V any](before func(context.Context, method) error) *remote[V] {
	return &remote[V]{before: before, entries: map[int]*storage.Entry[V]{}}
}

func (s *remote[V]) call(ctx context.Context, m method, do func()) error {
	s.calls.Add(1)
	defer s.calls.Add(-1)
	if s.before != nil {
		if err := s.before(ctx, m); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	return nil
}

func (s *remote[V]) Get(ctx context.Context, key int) (entry *storage.Entry[V], err error) {
	err = s.call(ctx, onGet, func() {
		if e := s.entries[key]; e != nil {
			entry = storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
		}
	})
	return entry, err
}

func (s *remote[V]) Offer(ctx context.Context, key int, entry *storage.Entry[V]) error {
	return s.call(ctx, onOffer, func() { s.entries[key] = entry })
}

func (s *remote[V]) Release(ctx context.Context, key int) error {
	return s.call(ctx, onRelease, func() { delete(s.entries, key) })
}

func (s *remote[V]) Invalidate(ctx context.Context, key int) error {
	return s.call(ctx, onInvalidate, func() { delete(s.entries, key) })
}

func (s *remote[V]) Clear(ctx context.Context) error {
	return s.call(ctx, onClear, func() { clear(s.entries) })
}

func (s *remote[V]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *remote[V]) All() iter.Seq2[int, *storage.Entry[V]] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.All(maps.Clone(s.entries))
}

func (s local[V]) Lookup(key int) *storage.Entry[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[key]
}
