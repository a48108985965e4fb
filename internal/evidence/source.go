package evidence

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Value is what a load of a [Source] returns. It tells its own age.
type Value struct {
	Key     int
	Version int64 // of the key's data when the load began
	Load    int64 // which load of the key it was, from 1
}

// Source is the backend behind a cache: some keys from 0 on, whose data has a version. It is safe
// for concurrent use.
//
// A cache must not hand out what is older than a finished invalidation. Whoever changes the data
// calls [Source.Change], invalidates, and if that has returned nil calls [Source.Raise] with the
// version; from then on the floor of the key is that version. Whoever reads takes the floor before
// the call, and gives it to [Source.Check] with the value.
type Source struct {
	keys []sourceKey

	// Answer, if it is set, decides what a load returns that has found v. It may block, fail, panic
	// or exit the goroutine.
	Answer func(ctx context.Context, v Value) (Value, error)
}

type sourceKey struct {
	version, floor, loads atomic.Int64
	running, most         atomic.Int64
	_                     [24]byte // one cache line for each
}

// NewSource returns a source with n keys, at version 1.
func NewSource(n int) *Source {
	s := &Source{keys: make([]sourceKey, n)}
	for i := range s.keys {
		s.keys[i].version.Store(1)
	}
	return s
}

// Load is the load function.
func (s *Source) Load(ctx context.Context, key int) (Value, error) {
	k := &s.keys[key]
	running := k.running.Add(1)
	defer k.running.Add(-1)
	raise(&k.most, running)
	v := Value{Key: key, Load: k.loads.Add(1)}
	v.Version = k.version.Load()
	if s.Answer != nil {
		return s.Answer(ctx, v)
	}
	return v, nil
}

// Change gives the data of key a new version and returns it.
func (s *Source) Change(key int) int64 { return s.keys[key].version.Add(1) }

// Version returns the version of the data of key.
func (s *Source) Version(key int) int64 { return s.keys[key].version.Load() }

// Raise says that an invalidation has returned nil that was called after the data of key had got
// version.
func (s *Source) Raise(key int, version int64) { raise(&s.keys[key].floor, version) }

// Floor returns the lowest version of key that a call may return which begins now.
func (s *Source) Floor(key int) int64 { return s.keys[key].floor.Load() }

// Loads returns how many loads of key have begun.
func (s *Source) Loads(key int) int64 { return s.keys[key].loads.Load() }

// AllLoads returns how many loads have begun.
func (s *Source) AllLoads() (n int64) {
	for i := range s.keys {
		n += s.keys[i].loads.Load()
	}
	return n
}

// Running returns how many loads of key are running.
func (s *Source) Running(key int) int64 { return s.keys[key].running.Load() }

// Most returns the most loads of key that were running at once.
func (s *Source) Most(key int) int64 { return s.keys[key].most.Load() }

// Check returns an error if a call for key that began when the floor was this one must not have
// returned v.
func (s *Source) Check(key int, floor int64, v Value) error {
	switch {
	case v.Key != key:
		return fmt.Errorf("key %d: got a value of key %d: %+v", key, v.Key, v)
	case v.Version < floor:
		return fmt.Errorf("key %d: got version %d, which was invalidated before the call: the floor was %d (load %d)", key, v.Version, floor, v.Load)
	case v.Version > s.keys[key].version.Load() || v.Load > s.keys[key].loads.Load() || v.Version < 1 || v.Load < 1:
		return fmt.Errorf("key %d: got %+v, which no load has returned", key, v)
	}
	return nil
}

func raise(to *atomic.Int64, n int64) {
	for {
		old := to.Load()
		if old >= n || to.CompareAndSwap(old, n) {
			return
		}
	}
}
