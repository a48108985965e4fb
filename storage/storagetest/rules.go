package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/storage"
)

const (
	manyKeys   = 3000 // far more than a page, a batch or a default limit holds
	manyValues = 500
)

// rules returns every rule of the contract that can be seen from outside.
func rules[K comparable, V any]() []rule[K, V] {
	return []rule[K, V]{
		{"Get/nothing", "Get returns the entry of key, or nil and no error if there is none.", getNothing[K, V]},
		{"Get/expired", "An implementation must not look at the age of entries, must not hide expired ones.", getExpired[K, V]},
		{"Offer/stores", "Offer stores entry under key: value and the three instants, zero Times kept, to the nanosecond.", offerStores[K, V]},
		{"Offer/replaces", "Offer stores entry under key in place of what is there.", offerReplaces[K, V]},
		{"Offer/older", "It may decline, without an error, in favour of an entry that was created later; a nil error means that the storage now holds entry or a newer one.", offerOlder[K, V]},
		{"Offer/unbounded", "An implementation must not bound their number.", offerUnbounded[K, V]},
		{"Release/removes", "Release says that this process needs key no more. There may be none; that is not an error.", releaseRemoves[K, V]},
		{"Invalidate/removes", "When it has returned nil the entry is gone. There may be none; that is not an error.", invalidateRemoves[K, V]},
		{"Keys/any", "Keys belong to the cache: every key has an entry of its own, whatever it looks like.", keysAny[K, V]},
		{"Entries/untouched", "An implementation may keep entries but must not modify them, and one handed out stays as it is.", entriesUntouched[K, V]},
		{"Entries/mark", "An entry handed out is the one that was offered, or a new one whose mark is zero.", entriesMark[K, V]},
		{"Concurrency/keys", "The cache calls it, from many goroutines at once.", concurrentKeys[K, V]},
		{"Concurrency/one-key", "Calls that change one key are never made at the same time; reads may overlap with anything.", concurrentReads[K, V]},
		{"Context/ended", "Each call gets a ctx that ends with the cache's storage timeout: a call whose ctx has ended returns promptly, with an error or with its work done.", contextEnded[K, V]},
		{"Context/released", "A ctx belongs to the call that it was given to: what becomes of it afterwards is nothing to the storage.", contextReleased[K, V]},
		{"Local/lookup", "Lookup returns the entry of key or nil. It sees every completed Offer, Release, Invalidate and Clear.", localLookup[K, V]},
		{"Local/same", "Until the next of these for key, it returns the same entry.", localSame[K, V]},
		{"Clearer/clear", "Clear removes every entry.", clearRemoves[K, V]},
		{"Clearer/busy", "When it has returned nil they are gone: those too that were stored while other keys were being changed.", clearBesideChanges[K, V]},
		{"Lister/all", "All iterates over the entries, in no particular order.", listerAll[K, V]},
		{"Lister/busy", "Entries that come or go meanwhile may be listed or missed; all others are listed once. The body of the loop may call the storage.", listerBesideChanges[K, V]},
	}
}

func getNothing[K comparable, V any](s *suite[K, V]) error {
	for i := range 10 {
		if err := s.holds(s.key(i), nil); err != nil {
			return err
		}
	}
	if err := s.offer(s.key(0), s.entry(0)); err != nil {
		return err
	}
	for i := 1; i < 10; i++ {
		if err := s.holds(s.key(i), nil); err != nil {
			return fmt.Errorf("after an Offer of another key: %w", err)
		}
	}
	return nil
}

func getExpired[K comparable, V any](s *suite[K, V]) error {
	now := time.Now()
	past, future := now.Add(-48*time.Hour), now.Add(48*time.Hour)
	for i, entry := range []*storage.Entry[V]{
		storage.NewEntry(s.value(0), past, past, past),
		storage.NewEntry(s.value(1), past, past.Add(time.Minute), now.Add(-1)),
		storage.NewEntry(s.value(2), now, now, now),
		storage.NewEntry(s.value(3), time.Unix(0, 1), time.Unix(1, 0), time.Unix(1, 1)),
		storage.NewEntry(s.value(4), future, future, future),
	} {
		if err := s.offer(s.key(i), entry); err != nil {
			return err
		}
		if err := s.holds(s.key(i), entry); err != nil {
			return err
		}
	}
	return nil
}

func offerStores[K comparable, V any](s *suite[K, V]) error {
	var (
		never   time.Time
		created = firstInstant
		now     = time.Now() // with a monotonic reading
		local   = created.In(time.FixedZone("", -5*3600-1800))
		longest = created.Add(math.MaxInt64 - 1)
	)
	for i, entry := range []*storage.Entry[V]{
		storage.NewEntry(s.value(0), created, created.Add(time.Minute), created.Add(time.Hour)),
		storage.NewEntry(s.value(1), created, never, created.Add(time.Hour)),
		storage.NewEntry(s.value(2), created, created.Add(time.Minute), never),
		storage.NewEntry(s.value(3), created, never, never),
		storage.NewEntry(s.value(4), created, created, created),
		storage.NewEntry(s.value(5), created, created.Add(1), created.Add(2)),
		storage.NewEntry(s.value(6), now, now.Add(time.Minute), now.Add(time.Hour)),
		storage.NewEntry(s.value(7), local, local.Add(time.Minute), local.Add(time.Hour)),
		storage.NewEntry(s.value(8), created, longest, longest),
	} {
		if err := s.offer(s.key(i), entry); err != nil {
			return err
		}
		for range 2 {
			if err := s.holds(s.key(i), entry); err != nil {
				return err
			}
		}
	}
	for i := range 20 { // odd values
		key := s.key(100 + i)
		if err := s.offer(key, s.entry(i)); err != nil {
			return err
		}
		if err := s.holds(key, s.entry(i)); err != nil {
			return err
		}
	}
	return nil
}

func offerReplaces[K comparable, V any](s *suite[K, V]) error {
	key := s.key(0)
	sameInstant := storage.NewEntry(s.value(3), s.entry(2).Created(), time.Time{}, time.Time{})
	nextNanosecond := storage.NewEntry(s.value(4), s.entry(2).Created().Add(1), time.Time{}, time.Time{})
	for _, entry := range []*storage.Entry[V]{s.entry(1), s.entry(2), sameInstant, nextNanosecond} {
		if err := s.offer(key, entry); err != nil {
			return err
		}
		if err := s.holds(key, entry); err != nil {
			return err
		}
	}
	for _, remove := range []func(K) error{s.release, s.invalidate} {
		if err := remove(key); err != nil {
			return err
		}
		if err := s.offer(key, s.entry(10)); err != nil {
			return err
		}
		if err := s.holds(key, s.entry(10)); err != nil {
			return fmt.Errorf("offered after a removal: %w", err)
		}
	}
	return nil
}

func offerOlder[K comparable, V any](s *suite[K, V]) error {
	key, newer, older := s.key(0), s.entry(2), s.entry(1)
	if err := s.offer(key, newer); err != nil {
		return err
	}
	if err := s.offer(key, older); err != nil {
		return err
	}
	return s.holds(key, newer, older)
}

func offerUnbounded[K comparable, V any](s *suite[K, V]) error {
	for i := range manyKeys {
		if err := s.offer(s.key(i), s.entry(i%manyValues)); err != nil {
			return err
		}
	}
	for i := range manyKeys {
		if err := s.holds(s.key(i), s.entry(i%manyValues)); err != nil {
			return fmt.Errorf("after Offers of %d keys: %w", manyKeys, err)
		}
	}
	return nil
}

func releaseRemoves[K comparable, V any](s *suite[K, V]) error {
	left := []*storage.Entry[V]{nil}
	if s.keepsReleased {
		left = append(left, s.entry(0))
	}
	return removes(s, "Release", s.release, left...)
}

func invalidateRemoves[K comparable, V any](s *suite[K, V]) error {
	return removes(s, "Invalidate", s.invalidate, nil)
}

// removes checks a call that removes a key: left is what may be there afterwards.
func removes[K comparable, V any](s *suite[K, V], call string, remove func(K) error, left ...*storage.Entry[V]) error {
	key, other := s.key(0), s.key(1)
	if err := remove(key); err != nil {
		return fmt.Errorf("with nothing there: %w", err)
	}
	if err := s.offer(key, s.entry(0)); err != nil {
		return err
	}
	if err := s.offer(other, s.entry(1)); err != nil {
		return err
	}
	for range 2 {
		if err := remove(key); err != nil {
			return err
		}
		if err := s.holds(key, left...); err != nil {
			return fmt.Errorf("after %s: %w", call, err)
		}
	}
	if err := s.holds(other, s.entry(1)); err != nil {
		return fmt.Errorf("after %s of another key: %w", call, err)
	}
	return nil
}

func keysAny[K comparable, V any](s *suite[K, V]) error {
	const n = 200
	for i := range n {
		if err := s.offer(s.key(i), s.entry(i)); err != nil {
			return err
		}
	}
	for i := range n {
		if err := s.holds(s.key(i), s.entry(i)); err != nil {
			return fmt.Errorf("after Offers of %d keys: %w", n, err)
		}
	}
	for i := 0; i < n; i += 2 {
		if err := s.invalidate(s.key(i)); err != nil {
			return err
		}
	}
	for i := range n {
		var want *storage.Entry[V]
		if i%2 == 1 {
			want = s.entry(i)
		}
		if err := s.holds(s.key(i), want); err != nil {
			return fmt.Errorf("after an Invalidate of every other key: %w", err)
		}
	}
	return nil
}

func entriesUntouched[K comparable, V any](s *suite[K, V]) error {
	const mark = 7
	var (
		key     = s.key(0)
		offered = s.entry(1)
	)
	offered.Mark().Store(mark)
	intact := func(after string) error {
		if !offered.Equal(s.entry(1)) {
			return fmt.Errorf("after %s, the entry that had been offered is %s, want %s", after, showEntry(offered), showEntry(s.entry(1)))
		}
		if got := offered.Mark().Load(); got != mark {
			return fmt.Errorf("after %s, the mark of the entry that had been offered is %d, want %d", after, got, mark)
		}
		return nil
	}

	if err := s.offer(key, offered); err != nil {
		return err
	}
	if err := intact("Offer"); err != nil {
		return err
	}
	got, err := s.get(key)
	if err != nil {
		return err
	}
	if err := intact("Get"); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"an Offer of another entry", func() error { return s.offer(key, s.entry(2)) }},
		{"Release", func() error { return s.release(key) }},
		{"Invalidate", func() error { return s.invalidate(key) }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if err := intact(step.name); err != nil {
			return err
		}
		if !got.Equal(s.entry(1)) {
			return fmt.Errorf("after %s, the entry that an earlier Get had returned is %s, want %s", step.name, showEntry(got), showEntry(s.entry(1)))
		}
	}
	return nil
}

func entriesMark[K comparable, V any](s *suite[K, V]) error {
	key, last := s.key(0), s.entry(0)
	if err := s.offer(key, last); err != nil {
		return err
	}
	for i := range 3 {
		last.Mark().Store(uint32(i + 1))
		got, err := s.get(key)
		if err != nil {
			return err
		}
		if err := among("Get", key, got, s.entry(0)); err != nil {
			return err
		}
		if mark := got.Mark().Load(); got != last && mark != 0 {
			return fmt.Errorf("Get(%s) returned a new entry with mark %d, want mark 0", show(key), mark)
		}
		last = got
	}
	return nil
}

func concurrentKeys[K comparable, V any](s *suite[K, V]) error {
	const goroutines, rounds = 8, 60
	deadline := time.Now().Add(s.busy)
	return together(goroutines, func(g int) error {
		for round := range rounds {
			if round > 1 && time.Now().After(deadline) {
				return nil
			}
			key, entry := s.key(g), s.entry(g*rounds+round)
			if err := s.offer(key, entry); err != nil {
				return err
			}
			if err := s.holds(key, entry); err != nil {
				return fmt.Errorf("beside calls for other keys: %w", err)
			}
			if round%3 == 0 {
				if err := s.invalidate(key); err != nil {
					return err
				}
				if err := s.holds(key, nil); err != nil {
					return fmt.Errorf("beside calls for other keys: %w", err)
				}
			}
		}
		return nil
	})
}

func concurrentReads[K comparable, V any](s *suite[K, V]) error {
	if err := readBesideWrites(s, s.key(0), false); err != nil {
		return err
	}
	return readBesideWrites(s, s.key(1), true)
}

// readBesideWrites offers ever newer entries for key while others read it. A read gives a whole entry, and one that is no
// older than the last one stored when it began; if the key is removed at times too, it may also give nothing.
func readBesideWrites[K comparable, V any](s *suite[K, V], key K, removals bool) error {
	const readers = 3
	var (
		stored   atomic.Int64 // the number of the last entry whose Offer has returned
		reads    atomic.Int64
		finished atomic.Bool
	)
	stored.Store(-1)
	deadline := time.Now().Add(s.busy)
	return together(1+readers, func(g int) error {
		defer finished.Store(true) // by whoever is through, or has found a fault
		if g > 0 {
			for !finished.Load() {
				reads.Add(1)
				began := int(stored.Load())
				got, err := s.get(key)
				if err != nil {
					return err
				}
				if got == nil {
					if began >= 0 && !removals {
						return fmt.Errorf("beside an Offer: Get(%s) = nothing, want an entry", show(key))
					}
					continue
				}
				i := int(got.Created().Sub(firstInstant) / time.Second)
				if i < 0 || i >= manyValues || !got.Equal(s.entry(i)) {
					return fmt.Errorf("beside an Offer: Get(%s) = %s, which is no entry that was offered", show(key), showEntry(got))
				}
				if i < began {
					return fmt.Errorf("beside an Offer: Get(%s) = %s, although the later %s had been stored before", show(key), showEntry(got), showEntry(s.entry(began)))
				}
			}
			return nil
		}

		for i := range manyValues {
			if finished.Load() || i > 1 && time.Now().After(deadline) {
				break
			}
			if err := s.offer(key, s.entry(i)); err != nil {
				return err
			}
			stored.Store(int64(i))
			// Where goroutines take turns, let the readers have theirs.
			for seen := reads.Load(); reads.Load() < seen+readers && !finished.Load() && time.Now().Before(deadline); {
				runtime.Gosched()
			}
			if removals && i%4 == 0 {
				if err := s.invalidate(key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func contextEnded[K comparable, V any](s *suite[K, V]) error {
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	overdue, cancel := context.WithDeadline(s.ctx, time.Unix(0, 0))
	defer cancel()

	before, after := s.entry(1), s.entry(2)
	next := 0
	for _, ctx := range []context.Context{cancelled, overdue} {
		for _, call := range []struct {
			name string
			do   func(K) error
			done []*storage.Entry[V] // what is there if the call has returned nil
		}{
			{"Get", func(key K) error {
				got, err := s.storage.Get(ctx, key)
				if err != nil {
					return err
				}
				if !got.Equal(before) {
					return wrongError{among("Get", key, got, before)}
				}
				return nil
			}, []*storage.Entry[V]{before}},
			{"Offer", func(key K) error { return s.storage.Offer(ctx, key, after) }, []*storage.Entry[V]{after}},
			{"Release", func(key K) error { return s.storage.Release(ctx, key) }, s.afterRelease(before)},
			{"Invalidate", func(key K) error { return s.storage.Invalidate(ctx, key) }, []*storage.Entry[V]{nil}},
		} {
			// A key of its own for each call: the effect of one that failed may come late.
			key := s.key(next)
			next++
			if err := s.offer(key, before); err != nil {
				return err
			}
			result := errors.New("none")
			err := within(s.prompt, call.name, func() error {
				result = call.do(key)
				return nil
			})
			if err != nil {
				return fmt.Errorf("with a ctx that has ended (%w): %w", ctx.Err(), err)
			}
			var wrong wrongError
			if errors.As(result, &wrong) {
				return fmt.Errorf("with a ctx that has ended, without an error: %w", wrong.error)
			}
			possible := call.done
			if result != nil {
				possible = append([]*storage.Entry[V]{before}, call.done...)
			}
			if err := s.holds(key, possible...); err != nil {
				return fmt.Errorf("after %s with a ctx that has ended, which returned %v: %w", call.name, result, err)
			}
		}
	}
	key := s.key(next)
	if err := s.offer(key, after); err != nil {
		return fmt.Errorf("after calls with a ctx that had ended: %w", err)
	}
	return s.holds(key, after)
}

// wrongError is the answer of a call that returned no error and should not have.
type wrongError struct{ error }

// afterRelease returns what may be there after a successful Release of an entry.
func (s *suite[K, V]) afterRelease(entry *storage.Entry[V]) []*storage.Entry[V] {
	if s.keepsReleased {
		return []*storage.Entry[V]{nil, entry}
	}
	return []*storage.Entry[V]{nil}
}

func contextReleased[K comparable, V any](s *suite[K, V]) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	first := *s
	first.ctx = ctx
	if err := first.holds(s.key(0), nil); err != nil {
		return err
	}
	if err := first.offer(s.key(0), s.entry(0)); err != nil {
		return err
	}
	if err := first.offer(s.key(1), s.entry(1)); err != nil {
		return err
	}
	if err := first.invalidate(s.key(1)); err != nil {
		return err
	}
	cancel()

	for range 100 {
		if err := s.holds(s.key(0), s.entry(0)); err != nil {
			return fmt.Errorf("after the ctx of the first calls was cancelled: %w", err)
		}
		runtime.Gosched() // to whatever the storage may have hung on the ctx
	}
	if err := s.offer(s.key(1), s.entry(1)); err != nil {
		return fmt.Errorf("after the ctx of the first calls was cancelled: %w", err)
	}
	return s.holds(s.key(1), s.entry(1))
}

func localLookup[K comparable, V any](s *suite[K, V]) error {
	local, ok := s.storage.(storage.Local[K, V])
	if !ok {
		return fmt.Errorf("%T has no Lookup: %w", s.storage, errAbsent)
	}
	sees := func(after string, key K, want ...*storage.Entry[V]) error {
		if err := among("Lookup", key, local.Lookup(key), want...); err != nil {
			return fmt.Errorf("after %s: %w", after, err)
		}
		return nil
	}
	key := s.key(0)
	if err := sees("nothing", key, nil); err != nil {
		return err
	}
	for round := range 3 {
		older, newer := s.entry(10*round), s.entry(10*round+1)
		for _, step := range []struct {
			name string
			do   func() error
			want []*storage.Entry[V]
		}{
			{"Offer", func() error { return s.offer(key, older) }, []*storage.Entry[V]{older}},
			{"Offer of a newer entry", func() error { return s.offer(key, newer) }, []*storage.Entry[V]{newer}},
			{"Release", func() error { return s.release(key) }, s.afterRelease(newer)},
			{"Offer after Release", func() error { return s.offer(key, newer) }, []*storage.Entry[V]{newer}},
			{"Invalidate", func() error { return s.invalidate(key) }, []*storage.Entry[V]{nil}},
			{"Offer after Invalidate", func() error { return s.offer(key, newer) }, []*storage.Entry[V]{newer}},
		} {
			if err := step.do(); err != nil {
				return err
			}
			if err := sees(step.name, key, step.want...); err != nil {
				return err
			}
		}
		if clearer, ok := s.storage.(storage.Clearer); ok {
			if err := s.clear(clearer); err != nil {
				return err
			}
			if err := sees("Clear", key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func localSame[K comparable, V any](s *suite[K, V]) error {
	local, ok := s.storage.(storage.Local[K, V])
	if !ok {
		return fmt.Errorf("%T has no Lookup: %w", s.storage, errAbsent)
	}
	key, other := s.key(0), s.key(1)
	if err := s.offer(key, s.entry(0)); err != nil {
		return err
	}
	first := local.Lookup(key)
	if err := among("Lookup", key, first, s.entry(0)); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"Lookup", func() error { return nil }},
		{"Get", func() error { return s.holds(key, s.entry(0)) }},
		{"an Offer of another key", func() error { return s.offer(other, s.entry(1)) }},
		{"a Release of another key", func() error { return s.release(other) }},
		{"an Invalidate of another key", func() error { return s.invalidate(other) }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if local.Lookup(key) != first {
			return fmt.Errorf("after %s, Lookup(%s) returned another entry than before", step.name, show(key))
		}
	}
	return nil
}

func clearRemoves[K comparable, V any](s *suite[K, V]) error {
	clearer, ok := s.storage.(storage.Clearer)
	if !ok {
		return fmt.Errorf("%T has no Clear: %w", s.storage, errAbsent)
	}
	const n = 300
	if err := s.clear(clearer); err != nil {
		return fmt.Errorf("with nothing there: %w", err)
	}
	for range 2 {
		for i := range n {
			if err := s.offer(s.key(i), s.entry(i)); err != nil {
				return err
			}
		}
		if err := s.holds(s.key(0), s.entry(0)); err != nil {
			return err
		}
		if err := s.clear(clearer); err != nil {
			return err
		}
		for i := range n {
			if err := s.holds(s.key(i), nil); err != nil {
				return fmt.Errorf("after Clear: %w", err)
			}
		}
	}
	return nil
}

func clearBesideChanges[K comparable, V any](s *suite[K, V]) error {
	clearer, ok := s.storage.(storage.Clearer)
	if !ok {
		return fmt.Errorf("%T has no Clear: %w", s.storage, errAbsent)
	}
	const writers, mostRounds = 2, 20000
	var finished atomic.Bool
	deadline := time.Now().Add(s.busy)
	return together(1+writers, func(g int) error {
		if g > 0 {
			entry := s.entry(g)
			for i := g; !finished.Load(); i = i%(manyKeys-writers) + writers {
				if err := s.offer(s.key(i), entry); err != nil {
					return err
				}
			}
			return nil
		}

		defer finished.Store(true)
		for round := range mostRounds {
			if round > 10 && time.Now().After(deadline) {
				break
			}
			if err := s.offer(s.key(0), s.entry(0)); err != nil {
				return err
			}
			if err := s.clear(clearer); err != nil {
				return err
			}
			if err := s.holds(s.key(0), nil); err != nil {
				return fmt.Errorf("after Clear, beside Offers of other keys: %w", err)
			}
		}
		return nil
	})
}

func listerAll[K comparable, V any](s *suite[K, V]) error {
	lister, ok := s.storage.(storage.Lister[K, V])
	if !ok {
		return fmt.Errorf("%T has no All: %w", s.storage, errAbsent)
	}
	const n = 200
	for key, entry := range lister.All() {
		return fmt.Errorf("with nothing there, All lists %s: %s", show(key), showEntry(entry))
	}
	want := map[K]*storage.Entry[V]{}
	for i := range n {
		if err := s.offer(s.key(i), s.entry(i)); err != nil {
			return err
		}
		want[s.key(i)] = s.entry(i)
	}
	for i := 0; i < n; i += 4 {
		if err := s.invalidate(s.key(i)); err != nil {
			return err
		}
		delete(want, s.key(i))
		if err := s.offer(s.key(i+1), s.entry(i+2)); err != nil {
			return err
		}
		want[s.key(i+1)] = s.entry(i + 2)
	}

	all := lister.All()
	for range 2 { // the same iterator again
		listed := map[K]bool{}
		for key, entry := range all {
			if listed[key] {
				return fmt.Errorf("key %s is listed twice by All", show(key))
			}
			listed[key] = true
			if err := among("All: entry", key, entry, want[key]); err != nil {
				return err
			}
		}
		for key := range want {
			if !listed[key] {
				return fmt.Errorf("key %s is not listed by All", show(key))
			}
		}
	}
	for range all {
		break
	}
	return nil
}

func listerBesideChanges[K comparable, V any](s *suite[K, V]) error {
	lister, ok := s.storage.(storage.Lister[K, V])
	if !ok {
		return fmt.Errorf("%T has no All: %w", s.storage, errAbsent)
	}
	const lasting, passing = 50, 200
	for i := range lasting {
		if err := s.offer(s.key(i), s.entry(i)); err != nil {
			return err
		}
	}
	listed := map[K]int{}
	passed := 0
	for key := range lister.All() {
		listed[key]++
		if passed == passing {
			continue
		}
		other := s.key(lasting + passed)
		passed++
		if err := s.offer(other, s.entry(0)); err != nil {
			return err
		}
		if passed%2 == 0 {
			if err := s.release(other); err != nil {
				return err
			}
		}
		if err := s.holds(s.key(0), s.entry(0)); err != nil {
			return err
		}
	}
	for i := range lasting {
		if n := listed[s.key(i)]; n != 1 {
			return fmt.Errorf("beside changes of other keys, All lists %s %d times, want once", show(s.key(i)), n)
		}
	}
	return nil
}
