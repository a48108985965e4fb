package parallel_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage"
)

// errStore is the error of a storage call that was made to fail.
var errStore = errors.New("store is down")

// sort is what a storage is to the cache.
type sort int

const (
	memory sort = iota // storage.Memory
	local              // another storage.Local
	remote             // has to be asked through Get, and hands out a new entry every time
)

// books is what the checks want to know of a storage.
type books interface {
	storage.Storage[int, evidence.Value]
	Len() int
	All() iter.Seq2[int, *storage.Entry[evidence.Value]]
}

// faults counts the calls of a storage that were made to fail.
type faults struct{ reads, offers, others atomic.Int64 }

// remoteStore is a storage on a map, that fails as often as it is told to.
type remoteStore struct {
	faulty int // percent
	seed   uint64
	after  bool // a call that changes an entry may also fail when it has done so

	calls  atomic.Uint64
	healed atomic.Bool
	faults faults
	perKey []atomic.Int64 // faults

	mu      sync.Mutex
	entries map[int]*storage.Entry[evidence.Value]
}

// localStore is one that is Local.
type localStore struct{ *remoteStore }

func newStore(s *scenario, seed uint64) books {
	if s.sort == memory {
		return storage.NewMemory[int, evidence.Value]()
	}
	st := &remoteStore{
		faulty: s.faulty, seed: seed, after: s.sort == local,
		perKey:  make([]atomic.Int64, s.keys),
		entries: make(map[int]*storage.Entry[evidence.Value]),
	}
	if s.sort == local {
		return localStore{st}
	}
	return st
}

// call is one call of a method, for all keys if key is negative: it does what it is for, unless it
// is made to fail before.
func (s *remoteStore) call(key int, count *atomic.Int64, do func()) error {
	n := s.calls.Add(1)
	random := rand.New(rand.NewPCG(s.seed, n))
	if random.IntN(4) == 0 {
		runtime.Gosched()
	}
	fails := random.IntN(100) < s.faulty && !s.healed.Load()
	if changes := key >= 0 && count != &s.faults.reads; !fails || s.after && changes && random.IntN(2) == 0 {
		s.mu.Lock()
		do()
		s.mu.Unlock()
	}
	if random.IntN(4) == 0 {
		runtime.Gosched()
	}
	if !fails {
		return nil
	}
	count.Add(1)
	if key >= 0 {
		s.perKey[key].Add(1)
	}
	return errStore
}

func (s *remoteStore) Get(_ context.Context, key int) (entry *storage.Entry[evidence.Value], err error) {
	err = s.call(key, &s.faults.reads, func() {
		if e := s.entries[key]; e != nil {
			entry = storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
		}
	})
	return entry, err
}

func (s *remoteStore) Offer(_ context.Context, key int, entry *storage.Entry[evidence.Value]) error {
	return s.call(key, &s.faults.offers, func() { s.entries[key] = entry })
}

func (s *remoteStore) Release(_ context.Context, key int) error {
	return s.call(key, &s.faults.others, func() { delete(s.entries, key) })
}

func (s *remoteStore) Invalidate(_ context.Context, key int) error {
	return s.call(key, &s.faults.others, func() { delete(s.entries, key) })
}

func (s *remoteStore) Clear(context.Context) error {
	return s.call(-1, &s.faults.others, func() { clear(s.entries) })
}

func (s *remoteStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *remoteStore) All() iter.Seq2[int, *storage.Entry[evidence.Value]] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.All(maps.Clone(s.entries))
}

func (s localStore) Lookup(key int) *storage.Entry[evidence.Value] {
	s.mu.Lock()
	entry := s.entries[key]
	s.mu.Unlock()
	if s.calls.Add(1)%4 == 0 {
		runtime.Gosched() // a lot can happen between the look and what follows from it
	}
	return entry
}

// failing returns the storage that can be made to fail; nil if st cannot.
func failing(st books) *remoteStore {
	switch st := st.(type) {
	case localStore:
		return st.remoteStore
	case *remoteStore:
		return st
	}
	return nil
}

func keysOf(st books) (keys []int) {
	for key := range st.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
