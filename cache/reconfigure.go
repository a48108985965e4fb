package cache

import (
	"context"
	"fmt"

	"github.com/memoize-go/memoize/storage"
)

// reconfigure puts the options into force, in a new cache too.
func (e *engine[A, K, V]) reconfigure(opts []Option) error {
	e.reconfiguring <- struct{}{}
	defer func() { <-e.reconfiguring }()

	prev := e.settings.Load()
	if prev != nil && prev.refuse == ErrClosed {
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
		if err := e.tell(next); err != nil {
			return err
		}
		e.settings.Store(next)
		return nil
	}
	restored := prev.store.generation != next.store.generation
	restrategized := prev.strategy.generation != next.strategy.generation
	if restrategized && !restored && !next.strategy.bookless && next.store.lister == nil {
		return fmt.Errorf("cache: WithEviction: storage %T cannot list its entries (method All)", next.store.Storage)
	}
	if r.capacity.given {
		if err := next.strategy.resize(r.capacity.value); err != nil {
			return fmt.Errorf("cache: WithCapacity: eviction strategy %T: %w", next.strategy.Strategy, err)
		}
	}
	if !restored && !restrategized {
		return e.swap(prev, next)
	}
	e.group.Exclusively(func() {
		if err = e.tell(next); err == nil {
			err = e.swap(prev, next)
		}
	})
	return err
}

// swap replaces the settings, unless the cache has been closed meanwhile. Only Close does not wait
// for its turn.
func (e *engine[A, K, V]) swap(prev, next *settings[A, K, V]) error {
	if !e.settings.CompareAndSwap(prev, next) {
		return ErrClosed
	}
	return nil
}

// tell clears the strategy's books and tells it of what the storage holds.
func (e *engine[A, K, V]) tell(s *settings[A, K, V]) error {
	if s.strategy.bookless {
		return nil
	}
	type held struct {
		key   K
		entry *storage.Entry[V]
	}
	var all []held
	if s.store.lister != nil {
		err, _ := e.mutate(context.Background(), s, func(context.Context) error {
			for key, entry := range s.store.lister.All() {
				all = append(all, held{key, entry})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("cache: storage %T: listing its entries: %w", s.store.Storage, err)
		}
	}
	err := s.strategy.cleared()
	for i := 0; err == nil && i < len(all); i++ {
		err = s.strategy.written(all[i].key, markOf(s, all[i].entry))
	}
	if err != nil {
		return fmt.Errorf("cache: eviction strategy %T: being told of the entries: %w", s.strategy.Strategy, err)
	}
	return nil
}
