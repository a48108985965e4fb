package model_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

var errStore = errors.New("the store is down")

// shelf is a storage of the user's own. A remote one keeps bytes.
type shelf struct {
	keeps  bool
	remote bool
	codec  serde.Codec[value]
	alter  func(*storage.Entry[value]) *storage.Entry[value] // a fault: what is stored instead; nil: nothing

	mu      sync.Mutex
	entries map[int]*storage.Entry[value] // if it is not remote
	bytes   map[int][]byte                // if it is
	failing [storeCalls]failure

	decoded map[int]decoded

	// What has been called, until it is taken.
	released []release
	offered  map[int]*storage.Entry[value]
	failed   []event
}

// decoded is what bytes were found to be, so that held need not decode them after every step.
type decoded struct {
	data  []byte
	entry *storage.Entry[value]
}

type release struct {
	key int
	ok  bool
}

func newShelf(spec storeSpec) *shelf {
	return &shelf{
		keeps: spec.keeps, remote: !spec.local(),
		codec:   serde.Framed(serde.JSON[value](), 1),
		entries: map[int]*storage.Entry[value]{}, bytes: map[int][]byte{}, offered: map[int]*storage.Entry[value]{},
		decoded: map[int]decoded{},
	}
}

// call fails as it was told to. The caller holds the lock, and whatever happens gives it back.
func (s *shelf) call(c storeCall, key any) error {
	how := s.failing[c]
	if how != healthy {
		s.failed = append(s.failed, event{cache.StorageFailed, key})
	}
	switch how {
	case failsWithError:
		return errStore
	case failsWithPanic:
		panic(errStore)
	case failsWithExit:
		runtime.Goexit()
	}
	return nil
}

func (s *shelf) Get(_ context.Context, key int) (*storage.Entry[value], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(onGet, key); err != nil {
		return nil, err
	}
	entry, err := s.lookupLocked(key)
	if err != nil {
		s.failed = append(s.failed, event{cache.DecodeFailed, key})
	}
	return entry, err
}

func (s *shelf) lookupLocked(key int) (*storage.Entry[value], error) {
	if !s.remote {
		return s.entries[key], nil
	}
	data, ok := s.bytes[key]
	if !ok {
		return nil, nil
	}
	return s.codec.Decode(data)
}

func (s *shelf) Offer(_ context.Context, key int, entry *storage.Entry[value]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered[key] = entry
	if err := s.call(onOffer, key); err != nil {
		return err
	}
	if s.alter != nil {
		if entry = s.alter(entry); entry == nil {
			return nil
		}
	}
	return s.putLocked(key, entry)
}

func (s *shelf) putLocked(key int, entry *storage.Entry[value]) error {
	if !s.remote {
		s.entries[key] = entry
		return nil
	}
	data, err := s.codec.Encode(entry)
	if err == nil {
		s.bytes[key] = data
	}
	return err
}

func (s *shelf) Release(_ context.Context, key int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = append(s.released, release{key, s.failing[onRelease] == healthy})
	if err := s.call(onRelease, key); err != nil {
		return err
	}
	if !s.keeps {
		s.dropLocked(key)
	}
	return nil
}

func (s *shelf) Invalidate(_ context.Context, key int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(onInvalidate, key); err != nil {
		return err
	}
	s.dropLocked(key)
	return nil
}

func (s *shelf) dropLocked(key int) {
	delete(s.entries, key)
	delete(s.bytes, key)
}

// The optional abilities.
type (
	clearing struct{ s *shelf }
	listing  struct{ s *shelf }
	looking  struct{ s *shelf }
)

func (c clearing) Clear(context.Context) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err := c.s.call(onClear, nil); err != nil {
		return err
	}
	clear(c.s.entries)
	clear(c.s.bytes)
	return nil
}

// All lists what can be decoded, in the order of the keys.
func (l listing) All() iter.Seq2[int, *storage.Entry[value]] {
	return func(yield func(int, *storage.Entry[value]) bool) {
		held := l.s.held()
		for _, key := range slices.Sorted(maps.Keys(held)) {
			if held[key] != nil && !yield(key, held[key]) {
				return
			}
		}
	}
}

func (l looking) Lookup(key int) *storage.Entry[value] {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.entries[key]
}

// storage returns s with those abilities that are asked for.
func (s *shelf) storage(spec storeSpec) storage.Storage[int, value] {
	c, l, k := clearing{s}, listing{s}, looking{s}
	type abilities struct{ local, clears, lists bool }
	switch (abilities{spec.local(), spec.clears, spec.lists}) {
	case abilities{false, true, false}:
		return struct {
			*shelf
			clearing
		}{s, c}
	case abilities{false, false, true}:
		return struct {
			*shelf
			listing
		}{s, l}
	case abilities{false, true, true}:
		return struct {
			*shelf
			clearing
			listing
		}{s, c, l}
	case abilities{true, false, false}:
		return struct {
			*shelf
			looking
		}{s, k}
	case abilities{true, true, false}:
		return struct {
			*shelf
			looking
			clearing
		}{s, k, c}
	case abilities{true, false, true}:
		return struct {
			*shelf
			looking
			listing
		}{s, k, l}
	case abilities{true, true, true}:
		return struct {
			*shelf
			looking
			clearing
			listing
		}{s, k, c, l}
	default:
		return s
	}
}

// held returns what there is; nil are bytes that cannot be decoded.
func (s *shelf) held() map[int]*storage.Entry[value] {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := maps.Clone(s.entries)
	for key, data := range s.bytes {
		if d, ok := s.decoded[key]; !ok || !bytes.Equal(d.data, data) {
			entry, _ := s.codec.Decode(data)
			s.decoded[key] = decoded{data, entry}
		}
		held[key] = s.decoded[key].entry
	}
	return held
}

// write is what another process does, or a storage that is not empty when it is made.
func (s *shelf) write(key int, entry *storage.Entry[value]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.putLocked(key, entry); err != nil {
		panic(err)
	}
}

func (s *shelf) drop(key int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(key)
}

// damage flips one bit of the bytes of a key, or cuts them.
func (s *shelf) damage(key, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := slices.Clone(s.bytes[key])
	at := n >> 8 % len(data)
	if n&0xff < 64 {
		data = data[:at]
	} else {
		data[at] ^= 1 << (n & 7)
	}
	s.bytes[key] = data
}

// take returns what calls there were since the last time.
func (s *shelf) take() (released []release, offered map[int]*storage.Entry[value], failed []event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	released, offered, failed = s.released, s.offered, s.failed
	s.released, s.offered, s.failed = nil, map[int]*storage.Entry[value]{}, nil
	return released, offered, failed
}
