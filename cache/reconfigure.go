package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// reconfigure puts the options into force, in a new cache too.
func (e *engine[A, K, V]) reconfigure(opts []Option) error {
	e.reconfiguring <- struct{}{}
	defer func() { <-e.reconfiguring }()

	if !e.group.Begin() {
		return ErrClosed
	}
	defer e.group.End()
	prev := e.settings.Load()
	if prev != nil && prev.refuse == ErrClosed { // by a Close that has only begun
		return ErrClosed
	}
	var r recorded
	for i, opt := range opts {
		if opt == nil {
			return fmt.Errorf("cache: option %d is nil", i+1)
		}
		opt.record(&r)
	}
	next, err := configure(prev, &r)
	if err != nil {
		return err
	}
	if err := e.adopt(prev, next, &r); err != nil {
		return err
	}
	if prev == nil || prev.support != next.support {
		e.unbind(prev)
		if next.support != nil {
			next.support.Bind(e.target)
		}
		if e.settings.Load().refuse == ErrClosed { // since
			e.unbind(next)
		}
	}
	e.evict()
	return nil
}

// unbind takes the cache from the support of settings that are no longer in force, if there is one.
func (e *engine[A, K, V]) unbind(s *settings[A, K, V]) {
	if s != nil && s.support != nil {
		s.support.Unbind(e.target)
	}
}

// adopt makes the settings the current ones, when the strategy knows what the storage holds.
func (e *engine[A, K, V]) adopt(prev, next *settings[A, K, V], r *recorded) (err error) {
	if prev == nil {
		held, err := e.list(next)
		if err == nil {
			err = next.tell(held)
		}
		if err == nil {
			e.settings.Store(next)
		}
		return err
	}
	restored := prev.store.generation != next.store.generation
	restrategized := prev.strategy.generation != next.strategy.generation
	if restrategized && !restored && !next.strategy.bookless && next.store.lister == nil {
		return fmt.Errorf("cache: WithEviction: storage %T cannot list its entries (method All)", next.store.Storage)
	}
	resize := func() error {
		if !r.capacity.given {
			return nil
		}
		if err := next.strategy.resize(r.capacity.value); err != nil {
			return fmt.Errorf("cache: WithCapacity: eviction strategy %T: %w", next.strategy.Strategy, err)
		}
		return nil
	}
	if !restored && !restrategized {
		if err := resize(); err != nil {
			return err
		}
		return e.swap(prev, next)
	}
	e.group.Exclusively(func() {
		var held []held[K, V]
		// The capacity changes last, because that cannot be taken back. Nor can the books, if the storage
		// that they are of cannot tell what it holds.
		retellable := prev.store.lister != nil
		if held, err = e.list(next); err == nil && !retellable {
			err = resize()
		}
		if err != nil {
			return
		}
		if err = next.tell(held); err == nil && retellable {
			err = resize()
		}
		if err != nil && !restrategized {
			err = errors.Join(err, e.retell(prev))
		}
		if err == nil {
			err = e.swap(prev, next)
		}
	})
	return err
}

// swap replaces the settings, unless the cache has been closed meanwhile. Only Close does not wait
// for its turn.
func (e *engine[A, K, V]) swap(prev, next *settings[A, K, V]) error {
	hook.At("settings")
	if !e.settings.CompareAndSwap(prev, next) {
		return ErrClosed
	}
	return nil
}

// retell gives the strategy back the books that it had.
func (e *engine[A, K, V]) retell(s *settings[A, K, V]) error {
	held, err := e.list(s)
	if err != nil {
		return err
	}
	return s.tell(held)
}

// held is an entry that a storage held before the strategy knew of it.
type held[K comparable, V any] struct {
	key   K
	entry *storage.Entry[V]
}

// list returns what the storage holds, if the strategy is to know and the storage can tell.
func (e *engine[A, K, V]) list(s *settings[A, K, V]) (all []held[K, V], err error) {
	if s.strategy.bookless || s.store.lister == nil {
		return nil, nil
	}
	err, _ = e.mutate(context.Background(), s, func(context.Context) error {
		for key, entry := range s.store.lister.All() {
			all = append(all, held[K, V]{key, entry})
		}
		return nil
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("cache: storage %T: listing its entries: %w", s.store.Storage, err)
	}
	return all, nil
}

// tell clears the strategy's books and tells it of what the storage holds.
func (s *settings[A, K, V]) tell(all []held[K, V]) error {
	err := s.strategy.cleared()
	for i := 0; err == nil && i < len(all); i++ {
		err = s.strategy.written(all[i].key, markOf(s, all[i].entry))
	}
	if err != nil {
		return fmt.Errorf("cache: eviction strategy %T: being told of the entries: %w", s.strategy.Strategy, err)
	}
	return nil
}
