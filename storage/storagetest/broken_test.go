package storagetest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// The storages of this file are each wrong in one way. They stand on a Memory, of which the plain ones hide the
// optional abilities.

type (
	entry  = storage.Entry[string]
	plain  = storage.Storage[string, string]
	memory = storage.Memory[string, string]
)

func newMemory() *memory { return storage.NewMemory[string, string]() }

// altered is a Memory's four methods, any of them replaced.
type altered struct {
	plain
	get        func(context.Context, string) (*entry, error)
	offer      func(context.Context, string, *entry) error
	release    func(context.Context, string) error
	invalidate func(context.Context, string) error
}

func (a *altered) Get(ctx context.Context, key string) (*entry, error) {
	if a.get != nil {
		return a.get(ctx, key)
	}
	return a.plain.Get(ctx, key)
}

func (a *altered) Offer(ctx context.Context, key string, e *entry) error {
	if a.offer != nil {
		return a.offer(ctx, key, e)
	}
	return a.plain.Offer(ctx, key, e)
}

func (a *altered) Release(ctx context.Context, key string) error {
	if a.release != nil {
		return a.release(ctx, key)
	}
	return a.plain.Release(ctx, key)
}

func (a *altered) Invalidate(ctx context.Context, key string) error {
	if a.invalidate != nil {
		return a.invalidate(ctx, key)
	}
	return a.plain.Invalidate(ctx, key)
}

// onEntries changes every entry on its way out.
func onEntries(change func(*entry) *entry) plain {
	m := newMemory()
	return &altered{plain: m, get: func(ctx context.Context, key string) (*entry, error) {
		e, _ := m.Get(ctx, key)
		if e == nil {
			return nil, nil
		}
		return change(e), nil
	}}
}

// onKeys changes every key on its way in.
func onKeys(change func(string) string) plain {
	m := newMemory()
	return &altered{
		get:        func(ctx context.Context, key string) (*entry, error) { return m.Get(ctx, change(key)) },
		offer:      func(ctx context.Context, key string, e *entry) error { return m.Offer(ctx, change(key), e) },
		release:    func(ctx context.Context, key string) error { return m.Release(ctx, change(key)) },
		invalidate: func(ctx context.Context, key string) error { return m.Invalidate(ctx, change(key)) },
	}
}

var errBroken = errors.New("broken")

func noEntryIsAnError() plain {
	m := newMemory()
	return &altered{plain: m, get: func(_ context.Context, key string) (*entry, error) {
		if e := m.Lookup(key); e != nil {
			return e, nil
		}
		return nil, errBroken
	}}
}

func oneEntryForAll() plain { return onKeys(func(string) string { return "" }) }

func hidesExpired() plain {
	return onEntries(func(e *entry) *entry {
		if e.Expired(time.Now()) {
			return nil
		}
		return e
	})
}

// hidesByWallClock forgets entries that are expired when they are offered.
func hidesByWallClock() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if e.Expired(time.Now()) {
			return m.Invalidate(ctx, key)
		}
		return m.Offer(ctx, key, e)
	}}
}

func truncatesInstants() plain {
	cut := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return t.Truncate(time.Microsecond)
	}
	return onEntries(func(e *entry) *entry {
		return storage.NewEntry(e.Value, cut(e.Created()), cut(e.UpdateAfter()), cut(e.ExpireAfter()))
	})
}

func neverBecomesTheEpoch() plain {
	unix := func(t time.Time) time.Time {
		if t.IsZero() {
			return time.Unix(0, 0)
		}
		return t
	}
	return onEntries(func(e *entry) *entry {
		return storage.NewEntry(e.Value, e.Created(), unix(e.UpdateAfter()), unix(e.ExpireAfter()))
	})
}

// instantsAsNanoseconds keeps what fits into an int64 of nanoseconds since 1970.
func instantsAsNanoseconds() plain {
	nano := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return time.Unix(0, t.UnixNano())
	}
	return onEntries(func(e *entry) *entry {
		return storage.NewEntry(e.Value, nano(e.Created()), nano(e.UpdateAfter()), nano(e.ExpireAfter()))
	})
}

func valuesAsCStrings() plain {
	return onEntries(func(e *entry) *entry {
		value, _, _ := strings.Cut(e.Value, "\x00")
		return storage.NewEntry(value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
	})
}

func keepsTheFirst() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if m.Lookup(key) != nil {
			return nil
		}
		return m.Offer(ctx, key, e)
	}}
}

// declinesTheSameInstant takes an entry for older that was created at the same instant as the one there.
func declinesTheSameInstant() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if held := m.Lookup(key); held != nil && !e.Created().After(held.Created()) {
			return nil
		}
		return m.Offer(ctx, key, e)
	}}
}

func declinesForEver() plain {
	m := newMemory()
	var removed sync.Map
	return &altered{
		plain: m,
		offer: func(ctx context.Context, key string, e *entry) error {
			if _, ok := removed.Load(key); ok {
				return nil
			}
			return m.Offer(ctx, key, e)
		},
		invalidate: func(ctx context.Context, key string) error {
			removed.Store(key, true)
			return m.Invalidate(ctx, key)
		},
	}
}

func decliningIsAnError() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if held := m.Lookup(key); held != nil && held.Created().After(e.Created()) {
			return errBroken
		}
		return m.Offer(ctx, key, e)
	}}
}

// mixesOlderIntoNewer keeps the instants of the newer entry and the value of the one offered last.
func mixesOlderIntoNewer() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if held := m.Lookup(key); held != nil && held.Created().After(e.Created()) {
			e = storage.NewEntry(e.Value, held.Created(), held.UpdateAfter(), held.ExpireAfter())
		}
		return m.Offer(ctx, key, e)
	}}
}

func bounded() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if m.Len() == 1024 {
			for victim := range m.All() {
				_ = m.Release(ctx, victim)
				break
			}
		}
		return m.Offer(ctx, key, e)
	}}
}

func full() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if m.Len() == 1024 {
			return errBroken
		}
		return m.Offer(ctx, key, e)
	}}
}

func ignoresRelease() plain {
	return &altered{plain: newMemory(), release: func(context.Context, string) error { return nil }}
}

func ignoresInvalidate() plain {
	return &altered{plain: newMemory(), invalidate: func(context.Context, string) error { return nil }}
}

func releaseOfNothingIsAnError() plain {
	m := newMemory()
	return &altered{plain: m, release: func(ctx context.Context, key string) error {
		if m.Lookup(key) == nil {
			return errBroken
		}
		return m.Release(ctx, key)
	}}
}

func invalidateOfNothingIsAnError() plain {
	m := newMemory()
	return &altered{plain: m, invalidate: func(ctx context.Context, key string) error {
		if m.Lookup(key) == nil {
			return errBroken
		}
		return m.Invalidate(ctx, key)
	}}
}

func invalidatesAll() plain {
	m := newMemory()
	return &altered{plain: m, invalidate: func(ctx context.Context, _ string) error { return m.Clear(ctx) }}
}

func releaseMangles() plain {
	m := newMemory()
	return &altered{plain: m, release: func(ctx context.Context, key string) error {
		e := m.Lookup(key)
		if e == nil {
			return nil
		}
		return m.Offer(ctx, key, storage.NewEntry(e.Value+"!", e.Created(), e.UpdateAfter(), e.ExpireAfter()))
	}}
}

func refusesTheEmptyKey() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if key == "" {
			return errBroken
		}
		return m.Offer(ctx, key, e)
	}}
}

func writesIntoTheOffered() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		defer func() { e.Value += "!" }()
		return m.Offer(ctx, key, storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter()))
	}}
}

func marksTheOffered() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		e.Mark().Store(1)
		return m.Offer(ctx, key, e)
	}}
}

// writesIntoTheHeld has one entry per key and puts each new value into it.
func writesIntoTheHeld() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		held := m.Lookup(key)
		if held == nil {
			return m.Offer(ctx, key, storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter()))
		}
		held.Value = e.Value
		return nil
	}}
}

func copiesTheMark() plain {
	return onEntries(func(e *entry) *entry {
		c := storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
		c.Mark().Store(e.Mark().Load())
		return c
	})
}

// refusesWhenBusy fails a write while another is being made, as a database does that locks its file.
func refusesWhenBusy() plain {
	m := newMemory()
	var mu sync.Mutex
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if !mu.TryLock() {
			return errBroken
		}
		defer mu.Unlock()
		runtime.Gosched()
		return m.Offer(ctx, key, e)
	}}
}

// sharesItsBuffer puts the key of a write where another write may find it.
func sharesItsBuffer() plain {
	m := newMemory()
	var current atomic.Pointer[string]
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		current.Store(&key)
		runtime.Gosched()
		return m.Offer(ctx, *current.Load(), e)
	}}
}

// tears keeps value and instants apart and changes one after the other.
func tears() plain {
	m, values := newMemory(), storage.NewMemory[string, string]()
	return &altered{
		plain: m,
		offer: func(ctx context.Context, key string, e *entry) error {
			_ = values.Offer(ctx, key, e)
			runtime.Gosched()
			return m.Offer(ctx, key, e)
		},
		get: func(_ context.Context, key string) (*entry, error) {
			e := m.Lookup(key)
			if e == nil {
				return nil, nil
			}
			runtime.Gosched()
			return storage.NewEntry(values.Lookup(key).Value, e.Created(), e.UpdateAfter(), e.ExpireAfter()), nil
		},
	}
}

// removesBeforeItWrites leaves a gap between the old entry and the new one.
func removesBeforeItWrites() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		_ = m.Invalidate(ctx, key)
		runtime.Gosched()
		return m.Offer(ctx, key, e)
	}}
}

// writesBehind stores an entry when the next one for the key arrives, or when nobody waits for it any more.
func writesBehind() plain {
	m, pending := newMemory(), newMemory()
	return &altered{
		plain: m,
		offer: func(ctx context.Context, key string, e *entry) error {
			if late := pending.Lookup(key); late != nil {
				_ = m.Offer(ctx, key, late)
			} else {
				_ = m.Offer(ctx, key, e)
			}
			return pending.Offer(ctx, key, e)
		},
	}
}

func panicsWhenEnded() plain {
	m := newMemory()
	return &altered{plain: m, invalidate: func(ctx context.Context, key string) error {
		if err := ctx.Err(); err != nil {
			panic(err)
		}
		return m.Invalidate(ctx, key)
	}}
}

// hangsWhenEnded waits for released instead of giving up.
func hangsWhenEnded(released <-chan struct{}) plain {
	m := newMemory()
	return &altered{plain: m, get: func(ctx context.Context, key string) (*entry, error) {
		if ctx.Err() != nil {
			<-released
		}
		return m.Get(ctx, key)
	}}
}

func endedMeansNothingThere() plain {
	m := newMemory()
	return &altered{plain: m, get: func(ctx context.Context, key string) (*entry, error) {
		if ctx.Err() != nil {
			return nil, nil
		}
		return m.Get(ctx, key)
	}}
}

func endedMeansDone() plain {
	m := newMemory()
	return &altered{plain: m, invalidate: func(ctx context.Context, key string) error {
		if ctx.Err() != nil {
			return nil
		}
		return m.Invalidate(ctx, key)
	}}
}

// keepsTheFirstContext connects with the ctx of the first call.
func keepsTheFirstContext() plain {
	m := newMemory()
	var once sync.Once
	var first context.Context
	return &altered{plain: m, get: func(ctx context.Context, key string) (*entry, error) {
		once.Do(func() { first = ctx })
		if err := first.Err(); err != nil {
			return nil, err
		}
		return m.Get(ctx, key)
	}}
}

// forgetsWithTheContext takes the end of the ctx for the end of the entry.
func forgetsWithTheContext() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		context.AfterFunc(ctx, func() { _ = m.Invalidate(context.Background(), key) })
		return m.Offer(ctx, key, e)
	}}
}

// staleLookup looks up in a copy that Invalidate does not reach.
type staleLookup struct {
	plain
	copies *memory
}

func newStaleLookup() plain { return &staleLookup{newMemory(), newMemory()} }

func (s *staleLookup) Lookup(key string) *entry { return s.copies.Lookup(key) }

func (s *staleLookup) Offer(ctx context.Context, key string, e *entry) error {
	_ = s.copies.Offer(ctx, key, e)
	return s.plain.Offer(ctx, key, e)
}

func (s *staleLookup) Release(ctx context.Context, key string) error {
	_ = s.copies.Release(ctx, key)
	return s.plain.Release(ctx, key)
}

// copyingLookup makes a new entry for every Lookup.
type copyingLookup struct{ *memory }

func (c copyingLookup) Lookup(key string) *entry {
	e := c.memory.Lookup(key)
	if e == nil {
		return nil
	}
	return storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
}

// halfCleared clears the keys that it can list, a page of them.
type halfCleared struct{ *memory }

func (h halfCleared) Clear(ctx context.Context) error {
	page := 0
	for key := range h.memory.All() {
		if page++; page > 100 {
			break
		}
		_ = h.memory.Release(ctx, key)
	}
	return nil
}

// clearedWhenIdle ignores Clear while an entry is being written.
type clearedWhenIdle struct {
	*memory
	writing atomic.Int32
}

func (c *clearedWhenIdle) Offer(ctx context.Context, key string, e *entry) error {
	c.writing.Add(1)
	defer c.writing.Add(-1)
	runtime.Gosched()
	return c.memory.Offer(ctx, key, e)
}

func (c *clearedWhenIdle) Clear(ctx context.Context) error {
	if c.writing.Load() > 0 {
		return nil
	}
	return c.memory.Clear(ctx)
}

// listed has an All of its own.
type listed struct {
	plain
	all func(yield func(string, *entry) bool)
}

func (l *listed) All() iter.Seq2[string, *entry] { return l.all }

func listsTwice() plain {
	m := newMemory()
	return &listed{m, func(yield func(string, *entry) bool) {
		for key, e := range m.All() {
			for range 2 {
				if !yield(key, e) {
					return
				}
			}
		}
	}}
}

// listsRemoved names every key that it has ever seen.
func listsRemoved() plain {
	m, seen := newMemory(), newMemory()
	return &listed{&altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		_ = seen.Offer(ctx, key, e)
		return m.Offer(ctx, key, e)
	}}, seen.All()}
}

func listsSome() plain {
	m := newMemory()
	return &listed{m, func(yield func(string, *entry) bool) {
		for key, e := range m.All() {
			if !strings.HasPrefix(key, "a") && !yield(key, e) {
				return
			}
		}
	}}
}

// listsByPage counts through a sorted list that changes under it.
func listsByPage() plain {
	m := newMemory()
	return &listed{m, func(yield func(string, *entry) bool) {
		for i := 0; ; i++ {
			var keys []string
			for key := range m.All() {
				keys = append(keys, key)
			}
			if i >= len(keys) {
				return
			}
			sort.Strings(keys)
			if !yield(keys[i], m.Lookup(keys[i])) {
				return
			}
		}
	}}
}

// locksTheList holds a lock during the loop that Offer needs, until it is released.
func locksTheList(released <-chan struct{}) plain {
	m := newMemory()
	lock := make(chan struct{}, 1)
	return &listed{
		&altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
			select {
			case lock <- struct{}{}:
				defer func() { <-lock }()
			case <-released:
			}
			return m.Offer(ctx, key, e)
		}},
		func(yield func(string, *entry) bool) {
			lock <- struct{}{}
			defer func() { <-lock }()
			m.All()(yield)
		},
	}
}

func keysAsCStrings() plain {
	return onKeys(func(key string) string { return string(bytes.TrimRight([]byte(key), "\x00")) })
}
