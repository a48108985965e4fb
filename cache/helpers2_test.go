package cache_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// staged are the sorts of storage whose calls a test can hold up.
var staged = []sort{inLocal, inRemote}

// mustSet calls Set, which has to succeed.
func mustSet[A, V any](t *testing.T, c *cache.Cache[A, V], args A, value V) {
	t.Helper()
	if err := c.Set(t.Context(), args, value); err != nil {
		t.Errorf("Set(%v, %v): %v", args, value, err)
	}
}

// mustInvalidate calls Invalidate, which has to succeed.
func mustInvalidate[A, V any](t *testing.T, c *cache.Cache[A, V], args A) {
	t.Helper()
	if err := c.Invalidate(t.Context(), args); err != nil {
		t.Errorf("Invalidate(%v): %v", args, err)
	}
}

// peeks calls Peek, which has to find want, or nothing if that is 0.
func peeks[A any](t *testing.T, c *cache.Cache[A, int], args A, want int) {
	t.Helper()
	if got, ok := c.Peek(t.Context(), args); got != want || ok != (want != 0) {
		t.Errorf("Peek(%v) = %v, %v, want %v", args, got, ok, want)
	}
}

// refreshes calls Refresh, which has to return want.
func refreshes[A any](t *testing.T, c *cache.Cache[A, int], args A, want int) {
	t.Helper()
	if got, err := c.Refresh(t.Context(), args); got != want || err != nil {
		t.Errorf("Refresh(%v) = %v, %v, want %v", args, got, err, want)
	}
}

// goSet calls Set on a goroutine of its own and lets everything settle.
func goSet[A, V any](t *testing.T, c *cache.Cache[A, V], args A, value V) *call[struct{}] {
	defer synctest.Wait()
	return asyncErr(func() error { return c.Set(t.Context(), args, value) })
}

// goInvalidate calls Invalidate on a goroutine of its own and lets everything settle.
func goInvalidate[A, V any](t *testing.T, c *cache.Cache[A, V], args A) *call[struct{}] {
	defer synctest.Wait()
	return asyncErr(func() error { return c.Invalidate(t.Context(), args) })
}

// goInvalidateAll calls InvalidateAll on a goroutine of its own and lets everything settle.
func goInvalidateAll[A, V any](t *testing.T, c *cache.Cache[A, V]) *call[struct{}] {
	defer synctest.Wait()
	return asyncErr(func() error { return c.InvalidateAll(t.Context()) })
}

// wantNil lets everything settle; the call has to have returned no error.
func wantNil(t *testing.T, what string, c *call[struct{}]) {
	t.Helper()
	if _, err := c.result(t); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// wantHeld checks what is in the storage.
func wantHeld(t *testing.T, r *rig, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, r.held()); diff != "" {
		t.Errorf("values in the storage differ (-want +got):\n%s", diff)
	}
}

// blockOn makes a fault that waits for the gate, whatever becomes of its ctx, when it is called for one of the keys, or for any if there are none.
func blockOn(gate <-chan struct{}, keys ...string) fault[string] {
	return func(_ context.Context, key string) error {
		if len(keys) == 0 || slices.Contains(keys, key) {
			<-gate
		}
		return nil
	}
}

// failWith makes a fault that returns err when it is called for one of the keys, or for any if there are none.
func failWith(err error, keys ...string) fault[string] {
	return func(_ context.Context, key string) error {
		if len(keys) == 0 || slices.Contains(keys, key) {
			return err
		}
		return nil
	}
}

// journal lists what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// of returns the lines about a key, those that end with it.
func (j *journal) of(key string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.HasSuffix(line, " "+key) {
			lines = append(lines, line)
		}
	}
	return lines
}

// follow makes the journal list the writes of a storage when they have taken effect.
func (j *journal) follow(s *faultyStorage[string, int]) {
	for m, word := range map[method]string{onOffer: "offer ", onRelease: "release ", onInvalidate: "invalidate "} {
		s.onceDone(m, func(_ context.Context, key string) error {
			j.add(word + key)
			return nil
		})
	}
}

// strict is an eviction strategy that keeps its own books beside those of the one that chooses its victims, and complains of a
// cache that breaks the rules of eviction.Strategy.
type strict struct {
	t       testing.TB
	choice  eviction.Strategy[string]
	journal *journal // nil: none

	mu     sync.Mutex
	booked map[string]bool
	named  map[string]bool // as victims, and not yet told of again
	calls  map[string]int
}

func newStrict(t testing.TB, capacity int) *strict {
	return &strict{
		t: t, choice: eviction.NewLeastRecentlyUsed[string](capacity),
		booked: map[string]bool{}, named: map[string]bool{}, calls: map[string]int{},
	}
}

func (s *strict) MarkRead(key string, mark *storage.Mark) {
	if mark == nil {
		s.t.Errorf("MarkRead(%q) without a mark", key)
	}
	s.choice.MarkRead(key, mark)
}

func (s *strict) MarkWritten(key string, mark *storage.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mark == nil {
		s.t.Errorf("MarkWritten(%q) without a mark", key)
	}
	s.noteLocked("written " + key)
	s.booked[key] = true
	delete(s.named, key)
	s.choice.MarkWritten(key, mark)
}

func (s *strict) MarkReleased(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked("released " + key)
	delete(s.booked, key)
	delete(s.named, key)
	s.choice.MarkReleased(key)
}

func (s *strict) NextToRelease() (key string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, ok = s.choice.NextToRelease(); ok {
		s.calls["named "+key]++
		delete(s.booked, key)
		s.named[key] = true
	}
	return key, ok
}

func (s *strict) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["clear"]++
	clear(s.booked)
	clear(s.named)
	s.choice.Clear()
}

func (s *strict) noteLocked(what string) {
	s.calls[what]++
	if s.journal != nil {
		s.journal.add(what)
	}
}

// count returns how often the strategy was told something, like "written k".
func (s *strict) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

// agrees checks that the books hold the same keys as the storage, and that no victim was left half released.
func (s *strict) agrees(t *testing.T, r *rig) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	held := slices.Sorted(maps.Keys(r.held()))
	if diff := cmp.Diff(held, slices.Sorted(maps.Keys(s.booked))); diff != "" {
		t.Errorf("keys in the storage and in the strategy's books differ (-storage +strategy):\n%s", diff)
	}
	if len(s.named) > 0 {
		t.Errorf("victims that were neither released nor put back: %v", slices.Sorted(maps.Keys(s.named)))
	}
}

// unclearable is the part of a storage that cannot remove all entries at once.
type unclearable struct{ storage.Storage[string, int] }

// chance is a source of random decisions that goroutines share. The same seed gives the same ones as far as the scheduler does.
type chance struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newChance(seed uint64) *chance { return &chance{rnd: rand.New(rand.NewPCG(seed, 0))} }

func (c *chance) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

// of is true once in n times.
func (c *chance) of(n int) bool { return c.below(n) == 0 }

// nap sleeps less than n milliseconds, in a bubble.
func (c *chance) nap(n int) { time.Sleep(time.Duration(c.below(n)) * time.Millisecond) }

// goroutinesOfCache counts the goroutines that package cache has started and that have not ended.
func goroutinesOfCache() int {
	buf := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return strings.Count(string(buf[:n]), "created by github.com/memoize-go/memoize/cache.")
		}
		buf = make([]byte, 2*len(buf))
	}
}

// isPanic reports whether err wraps a *cache.PanicError with that value.
func isPanic(err error, value any) bool {
	var p *cache.PanicError
	return errors.As(err, &p) && p.Value == value && len(p.Stack) > 0
}
