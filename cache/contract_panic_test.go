package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// explode is a load function's own frame, to be found in the stack.
func explode(value any) (int, error) { panic(value) }

// breakdowns are the ways in which a load ends without returning.
var breakdowns = map[string]struct {
	load  func() (int, error)
	check func(err error) bool
}{
	"panic with text":  {func() (int, error) { return explode("boom") }, panicked(func(v any) bool { return v == "boom" })},
	"panic with error": {func() (int, error) { return explode(errBackend) }, panicked(func(v any) bool { return v == errBackend })},
	"panic with nil": {func() (int, error) { return explode(nil) }, panicked(func(v any) bool {
		_, ok := v.(*runtime.PanicNilError)
		return ok
	})},
	"panic of the runtime": {func() (int, error) { return []int{}[zero.Load()], nil }, func(err error) bool {
		var cause runtime.Error
		return errors.As(err, &cause)
	}},
	"exit": {func() (int, error) { runtime.Goexit(); return 0, nil }, func(err error) bool { return errors.Is(err, cache.ErrLoaderExited) }},
	"exit after a panic that was recovered": {func() (int, error) {
		defer func() { _ = recover(); runtime.Goexit() }()
		return explode("swallowed")
	}, func(err error) bool { return errors.Is(err, cache.ErrLoaderExited) }},
	"panic while it exits": {func() (int, error) {
		defer func() { _, _ = explode("boom") }()
		runtime.Goexit()
		return 0, nil
	}, panicked(func(v any) bool { return v == "boom" })},
}

// zero is an index that the compiler does not know.
var zero atomic.Int32

func panicked(value func(any) bool) func(error) bool {
	return func(err error) bool {
		var p *cache.PanicError
		if !errors.As(err, &p) || !value(p.Value) || !strings.Contains(string(p.Stack), "explode") {
			return false
		}
		if cause, ok := p.Value.(error); ok && !errors.Is(err, cause) {
			return false
		}
		return !errors.Is(err, cache.ErrLoaderExited)
	}
}

// checkBreakdown checks what callers get.
func checkBreakdown(t *testing.T, what string, err error, check func(error) bool) {
	t.Helper()
	var failed *cache.LoadError
	if !errors.As(err, &failed) || failed.Key != "k" || !check(err) {
		t.Errorf("%s: error = %v", what, err)
	}
}

func TestC19_BreakdownInTheForeground(t *testing.T) {
	for name, breakdown := range breakdowns {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.source.hold("k")
				var calls []*call[int]
				for range 20 {
					calls = append(calls, goGet(t.Context(), c, "k"))
				}
				r.source.does(r.source.nth(t, "k", 1), breakdown.load)
				for _, w := range calls {
					v, err := w.result(t)
					if v != 0 {
						t.Errorf("value = %v beside an error", v)
					}
					checkBreakdown(t, "caller", err, breakdown.check)
				}
				if len(r.held()) > 0 {
					t.Errorf("the storage holds %v", r.held())
				}
				checkBreakdown(t, "event", r.events.failure(t, cache.LoadFailed), breakdown.check)
				checkBreakdownStats(t, c.Stats(), name, 1)

				r.source.unhold()
				get(t, c, "k", 2)
			})
		})
	}
}

func checkBreakdownStats(t *testing.T, s cache.Stats, name string, want uint64) {
	t.Helper()
	panicked, exited := want, uint64(0)
	if strings.HasPrefix(name, "exit") {
		panicked, exited = exited, panicked
	}
	if s.LoadsPanicked != panicked || s.LoadsExited != exited || s.LoadsFailed != 0 || s.LoadsRunning != 0 {
		t.Errorf("Stats = %+v, want %d loads panicked, %d exited, none failed or running", s, panicked, exited)
	}
}

func TestC19_BreakdownInTheBackground(t *testing.T) {
	for name, breakdown := range breakdowns {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := openStale(t, r, cache.WithRefreshBackoff(0))
				r.source.hold("k")
				get(t, c, "k", 1)
				r.source.does(r.source.nth(t, "k", 2), breakdown.load)
				checkBreakdown(t, "event", r.events.failure(t, cache.RefreshFailed), breakdown.check)
				checkBreakdownStats(t, c.Stats(), name, 1)
				if diff := cmp.Diff(map[string]int{"k": 1}, r.held()); diff != "" {
					t.Errorf("the storage differs (-want +got):\n%s", diff)
				}
				r.source.unhold()
				get(t, c, "k", 1)
				settle(t, c)
				get(t, c, "k", 3)
			})
		})
	}
}

func TestC19_BreakdownOfForcedLoads(t *testing.T) {
	for name, breakdown := range breakdowns {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				get(t, c, "k", 1)
				settle(t, c)
				r.source.hold("k")
				running := goRefresh(t.Context(), c, "k")
				r.source.began(t, "k", 2)
				queued, more := goRefresh(t.Context(), c, "k"), goRefresh(t.Context(), c, "k")
				waits(t, queued)
				waits(t, more)
				r.source.does(r.source.nth(t, "k", 2), breakdown.load)
				_, err := running.result(t)
				checkBreakdown(t, "running", err, breakdown.check)

				// The queued load starts all the same.
				waits(t, queued)
				r.source.does(r.source.nth(t, "k", 3), breakdown.load)
				for _, w := range []*call[int]{queued, more} {
					_, err := w.result(t)
					checkBreakdown(t, "queued", err, breakdown.check)
				}
				checkBreakdownStats(t, c.Stats(), name, 2)
				get(t, c, "k", 1)
				r.source.unhold()
				if v, err := c.Refresh(t.Context(), "k"); v != 4 || err != nil {
					t.Errorf("Refresh = %v, %v; want 4", v, err)
				}
			})
		})
	}
}

// A flight that was detached breaks down: nobody but its own callers notices.
func TestC19_BreakdownOfADetachedLoad(t *testing.T) {
	for name, breakdown := range breakdowns {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.source.hold("k")
				own := goGet(t.Context(), c, "k")
				waits(t, own)
				if err := c.Invalidate(t.Context(), "k"); err != nil {
					t.Errorf("Invalidate: %v", err)
				}
				next := goGet(t.Context(), c, "k")
				r.source.began(t, "k", 2)
				r.source.does(r.source.nth(t, "k", 1), breakdown.load)
				_, err := own.result(t)
				checkBreakdown(t, "caller", err, breakdown.check)
				waits(t, next)
				r.source.returns(r.source.nth(t, "k", 2), 2)
				wants(t, next, 2)
				get(t, c, "k", 2)
			})
		})
	}
}

// blow panics or exits, as often as it is told to.
type blow struct {
	left atomic.Int32
	exit bool
}

func (b *blow) up() {
	if b.left.Add(-1) < 0 {
		return
	}
	if b.exit {
		runtime.Goexit()
	}
	panic("blown up")
}

// fault returns what makes a storage method blow up.
func (b *blow) fault(context.Context, string) error {
	b.up()
	return nil
}

// manners are the two ways to blow up.
var manners = map[string]bool{"panic": false, "exit": true}

// checkWorks uses the key "k" and others in every way; everything has to be as in a new cache.
func checkWorks(t *testing.T, c *cache.Cache[string, int]) {
	t.Helper()
	ctx := t.Context()
	done := asyncErr(func() error {
		for _, key := range []string{"k", "another", "k"} {
			if err := c.Invalidate(ctx, key); err != nil {
				return fmt.Errorf("Invalidate: %w", err)
			}
			first, err := c.Get(ctx, key)
			if err != nil {
				return fmt.Errorf("Get: %w", err)
			}
			if again, err := c.Get(ctx, key); again != first || err != nil {
				return fmt.Errorf("second Get = %v, %w; want %v", again, err, first)
			}
			if forced, err := c.Refresh(ctx, key); forced != first+1 || err != nil {
				return fmt.Errorf("Refresh = %v, %w; want %v", forced, err, first+1)
			}
			if err := c.Set(ctx, key, -5); err != nil {
				return fmt.Errorf("Set: %w", err)
			}
			if v, err := c.Get(ctx, key); v != -5 || err != nil {
				return fmt.Errorf("Get after Set = %v, %w; want -5", v, err)
			}
			if err := c.InvalidateAll(ctx); err != nil {
				return fmt.Errorf("InvalidateAll: %w", err)
			}
			if err := c.Wait(ctx); err != nil {
				return fmt.Errorf("Wait: %w", err)
			}
		}
		return nil
	})
	if _, err := done.result(t); err != nil {
		t.Errorf("the cache does not work any more: %v", err)
	}
}

func TestC20_StorageBlowsUp(t *testing.T) {
	tests := map[string]struct {
		method method
		sorts  []sort
		call   func(ctx context.Context, c *cache.Cache[string, int]) error
		fails  bool // the call fails; otherwise it is answered in spite of the storage
	}{
		"Get": {onGet, []sort{inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Get(ctx, "k")
			return err
		}, false},
		"Get of Peek": {onGet, []sort{inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			if v, ok := c.Peek(ctx, "k"); ok {
				return fmt.Errorf("peeked %v", v)
			}
			return nil
		}, false},
		"Lookup": {onLookup, []sort{inLocal}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Get(ctx, "k")
			return err
		}, false},
		"Offer": {onOffer, []sort{inLocal, inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Get(ctx, "k")
			return err
		}, false},
		"Offer of Refresh": {onOffer, []sort{inLocal, inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			_, err := c.Refresh(ctx, "k")
			return err
		}, false},
		"Offer of Set": {onOffer, []sort{inLocal, inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			return c.Set(ctx, "k", 1)
		}, true},
		"Invalidate": {onInvalidate, []sort{inLocal, inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			return c.Invalidate(ctx, "k")
		}, true},
		"Clear": {onClear, []sort{inLocal, inRemote}, func(ctx context.Context, c *cache.Cache[string, int]) error {
			return c.InvalidateAll(ctx)
		}, true},
	}
	for name, tt := range tests {
		for manner, exit := range manners {
			if exit && tt.method == onLookup {
				continue // it is the caller's own goroutine that would end
			}
			t.Run(name+"/"+manner, func(t *testing.T) {
				on(t, tt.sorts, func(t *testing.T, r *rig) {
					c := r.open(t)
					bomb := &blow{exit: exit}
					bomb.left.Store(1)
					r.faulty.on(tt.method, bomb.fault)
					w := asyncErr(func() error { return tt.call(t.Context(), c) })
					_, err := w.result(t)
					switch {
					case tt.fails && err == nil:
						t.Error("the call has not failed")
					case !tt.fails && err != nil:
						t.Errorf("the call failed: %v", err)
					}
					settle(t, c)
					if bomb.left.Load() > 0 {
						t.Fatal("the storage has not blown up: the test shows nothing")
					}
					s := c.Stats()
					if s.StorageErrors != 1 || r.events.count(cache.StorageFailed) != 1 || len(r.logs.messages()) != 1 {
						t.Errorf("%d storage errors counted, %d reported, %d logged; want 1 each",
							s.StorageErrors, r.events.count(cache.StorageFailed), len(r.logs.messages()))
					}
					var p *cache.PanicError
					if e := r.events.all(cache.StorageFailed); !exit && len(e) > 0 && !errors.As(e[0].Err, &p) {
						t.Errorf("reported %v, want a PanicError", e[0].Err)
					}
					checkWorks(t, c)
				})
			})
		}
	}
}

func TestC20_ReleaseBlowsUp(t *testing.T) {
	for manner, exit := range manners {
		t.Run(manner, func(t *testing.T) {
			on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithCapacity(1))
				bomb := &blow{exit: exit}
				bomb.left.Store(1)
				r.faulty.on(onRelease, bomb.fault)
				get(t, c, "a", 1)
				settle(t, c)
				get(t, c, "b", 1)
				settle(t, c)
				if bomb.left.Load() > 0 {
					t.Fatal("the storage has not blown up: the test shows nothing")
				}
				// Tried again with the next write; nothing is lost from the books.
				get(t, c, "c", 1)
				settle(t, c)
				if n := len(r.held()); n != 1 {
					t.Errorf("the storage holds %v, want 1 entry", r.held())
				}
				checkWorks(t, c)
			})
		})
	}
}

func TestC20_UndecodableBytes(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		source := newSource(clock, func(l *load[string, int]) (int, error) { return l.ordinal, nil })
		bomb := &blow{}
		store := newByteStorage(blowingCodec{serde.JSON[int](), bomb})
		events := &recorder{}
		c := open(t, source.load, cache.WithClock(clock), cache.WithStorage(store), cache.WithObserver(events.observe))
		get(t, c, "k", 1)
		settle(t, c)

		bomb.left.Store(1) // decoding panics
		get(t, c, "k", 2)
		settle(t, c)
		if s := c.Stats(); s.StorageErrors != 1 || s.DecodeErrors != 0 {
			t.Errorf("Stats = %+v, want 1 storage error", s)
		}
		get(t, c, "k", 2)

		bomb.left.Store(1) // encoding panics
		if v, err := c.Refresh(t.Context(), "k"); v != 3 || err != nil {
			t.Errorf("Refresh = %v, %v; want 3", v, err)
		}
		settle(t, c)
		if s := c.Stats(); s.StorageErrors != 2 {
			t.Errorf("Stats = %+v, want 2 storage errors", s)
		}
		get(t, c, "k", 2)
		settle(t, c)
	})
}

// blowingCodec blows up in both directions.
type blowingCodec struct {
	serde.Codec[int]
	bomb *blow
}

func (c blowingCodec) Encode(entry *storage.Entry[int]) ([]byte, error) {
	c.bomb.up()
	return c.Codec.Encode(entry)
}

func (c blowingCodec) Decode(data []byte) (*storage.Entry[int], error) {
	c.bomb.up()
	return c.Codec.Decode(data)
}

func TestC20_StrategyBlowsUp(t *testing.T) {
	tests := map[string]func(s *hookedStrategy, up func()){
		"MarkRead":      func(s *hookedStrategy, up func()) { s.markRead = func(string) { up() } },
		"MarkWritten":   func(s *hookedStrategy, up func()) { s.markWritten = func(string) { up() } },
		"MarkReleased":  func(s *hookedStrategy, up func()) { s.markReleased = func(string) { up() } },
		"NextToRelease": func(s *hookedStrategy, up func()) { s.next = up },
		"Clear":         func(s *hookedStrategy, up func()) { s.clear = up },
	}
	for name, hook := range tests {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				strategy := &hookedStrategy{Strategy: eviction.NewLeastRecentlyUsed[string](2)}
				bomb := &blow{}
				hook(strategy, bomb.up)
				c := r.open(t, cache.WithEviction(strategy))
				const often = 3
				bomb.left.Store(often)
				for n := range often + 1 {
					for _, key := range []string{"a", "b", "c"} {
						if _, err := c.Get(t.Context(), key); err != nil {
							t.Errorf("Get: %v", err)
						}
						settle(t, c)
						if _, err := c.Get(t.Context(), key); err != nil {
							t.Errorf("hit: %v", err)
						}
						settle(t, c)
					}
					if err := c.Invalidate(t.Context(), "a"); err != nil {
						t.Errorf("Invalidate: %v", err)
					}
					if err := c.Set(t.Context(), "a", n); err != nil {
						t.Errorf("Set: %v", err)
					}
					// Books that could not be cleared are the strategy's fault, the storage is empty all the same.
					if err := c.InvalidateAll(t.Context()); err != nil {
						t.Errorf("InvalidateAll: %v", err)
					}
					settle(t, c)
					if n := len(r.held()); n != 0 {
						t.Errorf("after InvalidateAll the storage holds %v", r.held())
					}
				}
				if bomb.left.Load() > 0 {
					t.Fatal("the strategy has not blown up often enough: the test shows nothing")
				}
				if s := c.Stats(); s.StorageErrors != often || r.events.count(cache.StorageFailed) != often {
					t.Errorf("%d storage errors counted, %d reported; want %d each", s.StorageErrors, r.events.count(cache.StorageFailed), often)
				}
				checkWorks(t, c)
			})
		})
	}
}

func TestC20_StrategyBlowsUpInNew(t *testing.T) {
	strategy := &hookedStrategy{Strategy: eviction.NewLeastRecentlyUsed[string](2), clear: func() { panic("blown up") }}
	c, err := cache.New(func(context.Context, string) (int, error) { return 0, nil }, cache.WithEviction(strategy))
	var p *cache.PanicError
	if c != nil || !errors.As(err, &p) || p.Value != "blown up" {
		t.Errorf("New = %v, %v; want a PanicError", c, err)
	}
}

func TestC20_EntryBuilderBlowsUp(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		bomb := &blow{}
		c := r.open(t, cache.WithEntryBuilder(builderFunc(func(began time.Time, _ string, v int) *storage.Entry[int] {
			bomb.up()
			return entryAt(began, v)
		})))
		bomb.left.Store(1)
		get(t, c, "k", 1) // the caller gets the value, though it cannot be kept
		settle(t, c)
		if len(r.held()) > 0 {
			t.Errorf("the storage holds %v", r.held())
		}
		bomb.left.Store(1)
		if v, err := c.Refresh(t.Context(), "k"); v != 2 || err != nil {
			t.Errorf("Refresh = %v, %v; want 2", v, err)
		}
		bomb.left.Store(1)
		var p *cache.PanicError
		if err := c.Set(t.Context(), "k", 7); !errors.As(err, &p) {
			t.Errorf("Set: %v, want a PanicError", err)
		}
		if s := c.Stats(); s.LoadsPanicked != 0 || s.LoadsSucceeded != 2 {
			t.Errorf("Stats = %+v, want 2 loads succeeded, none panicked", s)
		}
		checkWorks(t, c)
	})
}

// The entry of before stays if the builder fails for its successor.
func TestC20_EntryBuilderBlowsUpInRefresh(t *testing.T) {
	for manner, exit := range manners {
		t.Run(manner, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				bomb := &blow{exit: exit}
				c := openStale(t, r, cache.WithEntryBuilder(builderFunc(func(began time.Time, _ string, v int) *storage.Entry[int] {
					bomb.up()
					return entryAt(began, v)
				})))
				bomb.left.Store(1)
				get(t, c, "k", 1)
				settle(t, c)
				if bomb.left.Load() > 0 {
					t.Fatal("the builder has not blown up: the test shows nothing")
				}
				peeks(t, c, "k", 1)
				checkWorks(t, c)
			})
		})
	}
}

func TestC20_EntryBuilderReturnsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithEntryBuilder(builderFunc(func(time.Time, string, int) *storage.Entry[int] { return nil })))
		get(t, c, "k", 1)
		settle(t, c)
		get(t, c, "k", 2)
		settle(t, c)
	})
}

func TestC20_ObserverBlowsUp(t *testing.T) {
	kinds := []cache.EventKind{
		cache.LoadStarted, cache.LoadSucceeded, cache.LoadFailed, cache.RefreshFailed, cache.Evicted, cache.Invalidated, cache.StorageFailed,
	}
	for _, kind := range kinds {
		for manner, exit := range manners {
			t.Run(kind.String()+"/"+manner, func(t *testing.T) {
				onEach(t, func(t *testing.T, r *rig) {
					if kind == cache.StorageFailed && r.sort == inMemory {
						t.Skip("a memory does not fail")
					}
					testObserverBlowsUp(t, r, kind, exit)
				})
			})
		}
	}
}

func testObserverBlowsUp(t *testing.T, r *rig, kind cache.EventKind, exit bool) {
	bomb := &blow{exit: exit}
	c := r.open(t, cache.WithCapacity(2), cache.WithRefreshBackoff(0))
	if err := c.Reconfigure(cache.WithObserver(func(e cache.Event) {
		if e.Kind == kind {
			bomb.up()
		}
	})); err != nil {
		t.Fatalf("Reconfigure: %v", err)
	}
	// Each call runs on a goroutine of its own, which may be ended with it.
	ran := func(what string, f func() error) error {
		t.Helper()
		w := asyncErr(f)
		if w.waiting() {
			t.Fatalf("%s is stranded", what)
		}
		if !w.returned && !exit {
			t.Errorf("%s did not return: it panicked with %v", what, w.panicked)
		}
		return w.err
	}
	load := func() error { _, err := c.Get(t.Context(), "k"); return err }
	force := func() error { _, err := c.Refresh(t.Context(), "k"); return err }

	// Every kind of event comes up twice, and the observer blows up twice.
	bomb.left.Store(2)
	for range 2 {
		errs := []error{
			ran("Get", load), ran("Refresh", force),
			ran("Set", func() error { return c.Set(t.Context(), "a", 1) }),
			ran("Set", func() error { return c.Set(t.Context(), "b", 1) }),
			ran("Set", func() error { return c.Set(t.Context(), "c", 1) }),
			ran("Invalidate", func() error { return c.Invalidate(t.Context(), "a") }),
			ran("InvalidateAll", func() error { return c.InvalidateAll(t.Context()) }),
		}
		if err := errors.Join(errs...); err != nil && !exit {
			t.Errorf("a call failed: %v", err)
		}
		r.source.answers(func(*rigLoad) (int, error) { return 0, errBackend })
		_ = ran("Get that fails", load)
		_ = ran("Set", func() error { return c.Set(t.Context(), "k", 1) })
		r.advance(updateAfter)
		_ = ran("stale hit", load)
		r.source.answers(func(l *rigLoad) (int, error) { return l.ordinal, nil })
		if r.faulty != nil {
			for _, m := range []method{onGet, onOffer, onInvalidate, onRelease, onClear} {
				r.faulty.on(m, func(context.Context, string) error { return errStore })
			}
			_ = ran("Get beside a failing storage", func() error { _, err := c.Get(t.Context(), "x"); return err })
			_ = ran("Set in a failing storage", func() error { return c.Set(t.Context(), "x", 1) })
			_ = ran("Invalidate in a failing storage", func() error { return c.Invalidate(t.Context(), "x") })
			_ = ran("InvalidateAll in a failing storage", func() error { return c.InvalidateAll(t.Context()) })
			r.faulty.heal()
		}
		synctest.Wait()
	}
	if bomb.left.Load() > 0 {
		t.Fatal("the observer has not blown up often enough: the test shows nothing")
	}
	settle(t, c)
	checkWorks(t, c)
	if s := c.Stats(); s.LoadsRunning != 0 {
		t.Errorf("at rest %d loads are running", s.LoadsRunning)
	}
}

// rigLoad is the load of a rig.
type rigLoad = load[string, int]

// When the observer ends the goroutine of a flight that has its value, the callers get it.
func TestC20_ObserverExitsWithTheValueAtHand(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		bomb := &blow{exit: true}
		bomb.left.Store(1)
		c := r.open(t)
		if err := c.Reconfigure(cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.LoadSucceeded {
				bomb.up()
			}
		})); err != nil {
			t.Fatalf("Reconfigure: %v", err)
		}
		w := goGet(t.Context(), c, "k")
		wants(t, w, 1)
		settle(t, c)
		if l := r.source.nth(t, "k", 1); l.ctx.Err() == nil {
			t.Error("the ctx of a load that has returned goes on")
		}
		checkWorks(t, c)
	})
}

// The release of a victim has failed, and the observer ends the goroutine that was to put it back into the books.
func TestC20_ObserverExitsAfterAFailedRelease(t *testing.T) {
	on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
		bomb := &blow{exit: true}
		bomb.left.Store(1)
		c := r.open(t, cache.WithCapacity(1))
		if err := c.Reconfigure(cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.StorageFailed {
				bomb.up()
			}
		})); err != nil {
			t.Fatalf("Reconfigure: %v", err)
		}
		r.faulty.on(onRelease, func(context.Context, string) error { return errStore })
		get(t, c, "a", 1)
		settle(t, c)
		get(t, c, "b", 1)
		settle(t, c)
		if bomb.left.Load() > 0 {
			t.Fatal("the observer has not exited: the test shows nothing")
		}
		r.faulty.heal()
		get(t, c, "c", 1)
		settle(t, c)
		if n := len(r.held()); n != 1 {
			t.Errorf("with a capacity of 1 the storage holds %v", r.held())
		}
	})
}

func TestC20_LogHandlerBlowsUp(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		var records atomic.Int32
		c := open(t, r.source.load, cache.WithClock(r.clock), cache.WithStorage(r.store), cache.WithRefreshBackoff(0),
			cache.WithLogger(slog.New(handlerFunc(func(slog.Record) { records.Add(1); panic("blown up") }))))
		r.cache = c
		get(t, c, "k", 1)
		settle(t, c)
		r.advance(updateAfter)
		r.source.answers(func(*rigLoad) (int, error) { return 0, errBackend })
		get(t, c, "k", 1)
		settle(t, c)
		if r.faulty != nil {
			r.faulty.on(onOffer, func(context.Context, string) error { return errStore })
			if err := c.Set(t.Context(), "other", 1); !errors.Is(err, errStore) {
				t.Errorf("Set: %v, want %v", err, errStore)
			}
			r.faulty.heal()
		}
		if records.Load() == 0 {
			t.Fatal("nothing was logged: the test shows nothing")
		}
		r.source.answers(func(l *rigLoad) (int, error) { return l.ordinal, nil })
		checkWorks(t, c)
	})
}

// A panic in post-processing belongs to the caller whose value it was, and to no other.
func TestC20_PostprocessingPanicsInItsCaller(t *testing.T) {
	for manner, exit := range manners {
		t.Run(manner, func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				bomb := &blow{exit: exit}
				c := r.open(t, cache.WithPostprocess(processorFunc[int](func(v int) int {
					bomb.up()
					return v
				})))
				// One of the callers of a flight.
				r.source.hold("k")
				var calls []*call[int]
				for range 20 {
					calls = append(calls, goGet(t.Context(), c, "k"))
				}
				synctest.Wait()
				bomb.left.Store(1)
				r.source.returns(r.source.nth(t, "k", 1), 1)
				blown := 0
				for _, w := range calls {
					if w.waiting() {
						t.Fatal("a caller is stranded")
					}
					switch {
					case w.returned && w.value == 1 && w.err == nil:
					case !w.returned && (exit || w.panicked == "blown up"):
						blown++
					default:
						t.Errorf("a caller got %v, %v; panic %v", w.value, w.err, w.panicked)
					}
				}
				if blown != 1 {
					t.Errorf("%d callers have blown up, want 1", blown)
				}
				r.source.unhold()
				settle(t, c)

				// A fresh hit, a stale hit, a look, and a forced load.
				blows := func(what string, f func() (int, error)) {
					t.Helper()
					bomb.left.Store(1)
					w := async(f)
					if w.waiting() || w.returned || !exit && w.panicked != "blown up" {
						t.Errorf("%s returned %v: %v, %v; panic %v", what, w.returned, w.value, w.err, w.panicked)
					}
					settle(t, c)
				}
				hit := func() (int, error) { return c.Get(t.Context(), "k") }
				blows("fresh hit", hit)
				get(t, c, "k", 1)
				blows("Peek", func() (int, error) { v, _ := c.Peek(t.Context(), "k"); return v, nil })
				blows("Refresh", func() (int, error) { return c.Refresh(t.Context(), "k") })
				get(t, c, "k", 2)
				r.advance(updateAfter)
				blows("stale hit", hit)
				get(t, c, "k", 3) // refreshed all the same
				if s := c.Stats(); s.StorageErrors != 0 || s.LoadsPanicked != 0 {
					t.Errorf("Stats = %+v: the panic of a caller was counted elsewhere", s)
				}
				checkWorks(t, c)
			})
		})
	}
}

// So does one in the key extractor.
func TestC20_KeyExtractorPanicsInItsCaller(t *testing.T) {
	for _, sort := range sorts {
		t.Run(string(sort), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				bomb := &blow{}
				source := newSource(clock, func(l *load[string, int]) (int, error) { return l.ordinal, nil })
				key := keys.Func(func(args string) (string, error) { bomb.up(); return args, nil })
				c := openKeyed(t, source.load, key, cache.WithClock(clock), cache.WithStorage(newStorageOf[string, int](sort)))
				for name, call := range map[string]func() error{
					"Get":        func() error { _, err := c.Get(t.Context(), "k"); return err },
					"Refresh":    func() error { _, err := c.Refresh(t.Context(), "k"); return err },
					"Peek":       func() error { c.Peek(t.Context(), "k"); return nil },
					"Set":        func() error { return c.Set(t.Context(), "k", 1) },
					"Invalidate": func() error { return c.Invalidate(t.Context(), "k") },
				} {
					bomb.left.Store(1)
					w := asyncErr(call)
					var p *cache.PanicError
					if w.waiting() || w.panicked != "blown up" && !errors.As(w.err, &p) && name != "Peek" {
						t.Errorf("%s: neither a panic nor the error of one: %v, %v", name, w.panicked, w.err)
					}
				}
				source.began(t, "k", 0)
				checkWorks(t, c)
			})
		})
	}
}

// The timers of calls that have blown up are stopped, which the rig checks: the clock is moved past all of them.
func TestC20_NoTimerIsLeftBehind(t *testing.T) {
	for manner, exit := range manners {
		t.Run(manner, func(t *testing.T) {
			on(t, []sort{inLocal, inRemote}, func(t *testing.T, r *rig) {
				c := r.open(t)
				bomb := &blow{exit: exit}
				for _, m := range []method{onGet, onOffer, onInvalidate} {
					r.faulty.on(m, bomb.fault)
				}
				bomb.left.Store(1000)
				r.source.answers(func(*rigLoad) (int, error) { bomb.up(); return 0, nil })
				for _, call := range []func() error{
					func() error { _, err := c.Get(t.Context(), "k"); return err },
					func() error { _, err := c.Refresh(t.Context(), "k"); return err },
					func() error { return c.Set(t.Context(), "k", 1) },
					func() error { return c.Invalidate(t.Context(), "k") },
				} {
					if _, err := asyncErr(call).result(t); err == nil {
						t.Error("a call has not failed")
					}
					settle(t, c)
					if hasTimer(r.clock) {
						t.Error("a timer is left")
					}
				}
				bomb.left.Store(0)
				r.source.answers(func(l *rigLoad) (int, error) { return l.ordinal, nil })
				checkWorks(t, c)
			})
		})
	}
}
