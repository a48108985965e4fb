package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Run checks the storages that newStorage returns, with string keys of every shape and with strings as values.
//
// It is called once for every rule and returns an empty storage that shares nothing with those before it: in a
// directory, a key space or a table of its own. It may end the test with t, and leave the tidying up to t.Cleanup.
func Run(t *testing.T, newStorage func(t *testing.T) storage.Storage[string, string], opts ...Option) {
	t.Helper()
	RunFor(t, newStorage, stringKey, stringValue, opts...)
}

// RunFor is [Run] for storages of particular types. Key and value make samples: different i give different keys, and
// values that differ by [reflect.DeepEqual]; the same i gives the same again. Values are shared and not modified. The
// first few keys and values ought to be the odd ones, such as the zero value; some thousand keys are needed.
func RunFor[K comparable, V any](t *testing.T, newStorage func(t *testing.T) storage.Storage[K, V],
	key func(i int) K, value func(i int) V, opts ...Option,
) {
	t.Helper()
	if err := checkSamples(key, value); err != nil {
		t.Fatalf("storagetest: %v", err)
	}
	for _, r := range rules[K, V]() {
		t.Run(r.name, func(t *testing.T) {
			err := newSuite(newStorage(t), key, value, opts).run(r)
			switch {
			case errors.Is(err, errAbsent):
				t.Skip(err)
			case err != nil:
				t.Errorf("%v\nthe rule: %s", err, r.quote)
			}
		})
	}
}

// Option adjusts the rules to what a storage documents of itself.
type Option interface{ apply(*settings) }

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

type settings struct {
	keepsReleased bool
}

// KeepsReleased says that Release may leave the entry where it is, for the other processes that share the storage.
// Without it, Release has to remove the entry.
func KeepsReleased() Option {
	return optionFunc(func(s *settings) { s.keepsReleased = true })
}

// A rule is one sentence of the contract and the check that finds out whether a storage, empty at first, keeps it. It
// returns errAbsent, wrapped, if the rule is about an ability that the storage does not have.
type rule[K comparable, V any] struct {
	name  string
	quote string
	check func(*suite[K, V]) error
}

var errAbsent = errors.New("an optional ability is absent")

// A suite is one storage under test and what the checks need to work on it.
type suite[K comparable, V any] struct {
	settings
	storage storage.Storage[K, V]
	key     func(int) K
	value   func(int) V

	ctx     context.Context // of the calls of one rule
	prompt  time.Duration   // a call whose ctx has ended returns within it
	overall time.Duration   // a rule is checked within it
	busy    time.Duration   // what a concurrent check takes at most, on a slow storage
}

func newSuite[K comparable, V any](s storage.Storage[K, V], key func(int) K, value func(int) V, opts []Option) *suite[K, V] {
	st := &suite[K, V]{
		storage: s,
		key:     key,
		value:   value,
		prompt:  5 * time.Second,
		overall: 3 * time.Minute,
		busy:    200 * time.Millisecond,
	}
	for _, opt := range opts {
		opt.apply(&st.settings)
	}
	return st
}

// run checks one rule. A storage that panics or hangs fails the rule, not the test binary.
func (s *suite[K, V]) run(r rule[K, V]) error {
	if s.storage == nil {
		return errors.New("newStorage returned nil")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.ctx = ctx
	return within(s.overall, "the check", func() error { return r.check(s) })
}

// within returns what f returns, or an error if f panics or has not returned after d.
func within(d time.Duration, what string, f func() error) error {
	result := start(f)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return fmt.Errorf("%s has not returned after %v", what, d)
	}
}

// start calls f on a goroutine of its own and returns the channel on which its outcome arrives: what f returned, or an
// error if it ended in another way.
func start(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("runtime.Goexit was called")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
			result <- err
		}()
		err = f()
	}()
	return result
}

// together runs f(0) to f(n-1) at the same time and returns the first error by number.
func together(n int, f func(i int) error) error {
	results := make([]<-chan error, n)
	for i := range n {
		results[i] = start(func() error { return f(i) })
	}
	var first error
	for _, result := range results {
		if err := <-result; first == nil {
			first = err
		}
	}
	return first
}

// firstInstant is when the first sample entry was created. Its digits go down to the nanosecond.
var firstInstant = time.Date(2026, 1, 1, 12, 0, 0, 123456789, time.UTC)

// entry returns a new entry with sample value i, created i seconds after the first instant.
func (s *suite[K, V]) entry(i int) *storage.Entry[V] {
	created := firstInstant.Add(time.Duration(i) * time.Second)
	return storage.NewEntry(s.value(i), created, created.Add(time.Minute), created.Add(time.Hour+1))
}

func (s *suite[K, V]) offer(key K, entry *storage.Entry[V]) error {
	if err := s.storage.Offer(s.ctx, key, entry); err != nil {
		return fmt.Errorf("Offer(%s): %w", show(key), err)
	}
	return nil
}

func (s *suite[K, V]) release(key K) error {
	if err := s.storage.Release(s.ctx, key); err != nil {
		return fmt.Errorf("Release(%s): %w", show(key), err)
	}
	return nil
}

func (s *suite[K, V]) invalidate(key K) error {
	if err := s.storage.Invalidate(s.ctx, key); err != nil {
		return fmt.Errorf("Invalidate(%s): %w", show(key), err)
	}
	return nil
}

func (s *suite[K, V]) clear(c storage.Clearer) error {
	if err := c.Clear(s.ctx); err != nil {
		return fmt.Errorf("call of Clear: %w", err)
	}
	return nil
}

func (s *suite[K, V]) get(key K) (*storage.Entry[V], error) {
	entry, err := s.storage.Get(s.ctx, key)
	if err != nil {
		return nil, fmt.Errorf("Get(%s): %w", show(key), err)
	}
	return entry, nil
}

// holds returns an error unless Get of key gives an entry that is equal to one of wanted; a wanted nil stands for
// nothing there.
func (s *suite[K, V]) holds(key K, wanted ...*storage.Entry[V]) error {
	got, err := s.get(key)
	if err != nil {
		return err
	}
	return among("Get", key, got, wanted...)
}

func among[K comparable, V any](call string, key K, got *storage.Entry[V], wanted ...*storage.Entry[V]) error {
	var shown []string
	for _, want := range wanted {
		if got.Equal(want) {
			return nil
		}
		shown = append(shown, showEntry(want))
	}
	return fmt.Errorf("%s(%s) = %s, want %s", call, show(key), showEntry(got), strings.Join(shown, " or "))
}

func show(v any) string {
	const most = 100
	text := fmt.Sprintf("%#v", v)
	if len(text) > most {
		text = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
	}
	return text
}

func showEntry[V any](e *storage.Entry[V]) string {
	if e == nil {
		return "nothing"
	}
	instant := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("{%s, created %s, update_after %s, expire_after %s}",
		show(e.Value), instant(e.Created()), instant(e.UpdateAfter()), instant(e.ExpireAfter()))
}

// checkSamples returns an error if the samples are not what RunFor asks for: nothing could be told from the checks.
// Values are compared with those nearby only, as they cannot be looked up.
func checkSamples[K comparable, V any](key func(int) K, value func(int) V) error {
	seen := map[K]int{}
	for i := range manyKeys {
		k := key(i)
		if earlier, ok := seen[k]; ok {
			return fmt.Errorf("key(%d) and key(%d) are the same key %s", earlier, i, show(k))
		}
		seen[k] = i
		if again, ok := seen[key(i)]; !ok || again != i {
			return fmt.Errorf("key(%d) gives %s, and another key when it is called again", i, show(k))
		}
	}
	for i := range manyValues {
		if !reflect.DeepEqual(value(i), value(i)) {
			return fmt.Errorf("value(%d) gives %s, and another value when it is called again", i, show(value(i)))
		}
		for earlier := max(0, i-10); earlier < i; earlier++ {
			if reflect.DeepEqual(value(earlier), value(i)) {
				return fmt.Errorf("value(%d) and value(%d) are the same value %s", earlier, i, show(value(i)))
			}
		}
	}
	return nil
}
