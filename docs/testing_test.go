package docs_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
)

// Rates is code under test. Its constructor passes options on, so that a test can give it a clock.
type Rates struct{ cached *cache.Cache[string, float64] }

func NewRates(fetch func(context.Context, string) (float64, error), opts ...cache.Option) (*Rates, error) {
	opts = append([]cache.Option{cache.WithUpdateAfter(time.Minute), cache.WithTimeout(5 * time.Second)}, opts...)
	cached, err := cache.New(fetch, opts...)
	return &Rates{cached}, err
}

func (r *Rates) Of(ctx context.Context, currency string) (float64, error) {
	return r.cached.Get(ctx, currency)
}

func TestRateIsRefreshed(t *testing.T) {
	ctx := t.Context()
	clock := clockwork.NewFakeClock()
	rate := 1.0
	rates, err := NewRates(func(context.Context, string) (float64, error) { return rate, nil }, cache.WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	step := func(want float64) {
		t.Helper()
		if got, err := rates.Of(ctx, "EUR"); got != want || err != nil {
			t.Errorf("rate = %v, %v, want %v", got, err, want)
		}
		if err := rates.cached.Wait(ctx); err != nil { // whatever that has set off
			t.Fatal(err)
		}
	}

	step(1)
	rate = 2
	step(1) // fresh
	clock.Advance(time.Minute)
	step(1) // stale, and refreshed behind it
	step(2)
}

// advance moves the clock when all is at rest, and waits until all is at rest again.
func advance(clock *clockwork.FakeClock, d time.Duration) {
	synctest.Wait()
	clock.Advance(d)
	synctest.Wait()
}

func TestSlowBackendTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := clockwork.NewFakeClock()
		rates, err := NewRates(func(ctx context.Context, _ string) (float64, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, cache.WithClock(clock))
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan error, 1)
		go func() {
			_, err := rates.Of(t.Context(), "EUR")
			answer <- err
		}()
		advance(clock, 5*time.Second-1)
		if len(answer) > 0 {
			t.Fatal("the call has returned too early")
		}
		advance(clock, 1)
		if err := <-answer; !errors.Is(err, cache.ErrLoadTimeout) {
			t.Errorf("error = %v, want ErrLoadTimeout", err)
		}
	})
}

func TestCallersShareALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		release := make(chan struct{})
		rates, err := NewRates(func(context.Context, string) (float64, error) {
			loads.Add(1)
			<-release
			return 1, nil
		}, cache.WithClock(clockwork.NewFakeClock()))
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				if _, err := rates.Of(t.Context(), "EUR"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // all callers wait for the one load
		if s := rates.cached.Stats(); s.Led != 1 || s.Joined != 99 {
			t.Errorf("%d callers led and %d joined, want 1 and 99", s.Led, s.Joined)
		}
		close(release)
		callers.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
}

func TestWithTheDefaultClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		rates, err := NewRates(func(context.Context, string) (float64, error) { return float64(loads.Add(1)), nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []float64{1, 1, 2} {
			if got, err := rates.Of(t.Context(), "EUR"); got != want || err != nil {
				t.Errorf("rate = %v, %v, want %v", got, err, want)
			}
			time.Sleep(time.Minute) // of the bubble: it takes no time
		}
	})
}

// eventLog is an observer for tests.
type eventLog struct {
	mu    sync.Mutex
	kinds []cache.EventKind // guarded by mu
}

func (l *eventLog) add(e cache.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds = append(l.kinds, e.Kind)
}

func (l *eventLog) all() []cache.EventKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kinds)
}

func TestFailedRefreshIsReported(t *testing.T) {
	ctx := t.Context()
	clock := clockwork.NewFakeClock()
	var events eventLog
	down := false
	rates, err := NewRates(func(context.Context, string) (float64, error) {
		if down {
			return 0, errors.New("no route to host")
		}
		return 1, nil
	}, cache.WithClock(clock), cache.WithObserver(events.add))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rates.Of(ctx, "EUR"); err != nil {
			t.Error(err)
		}
		if err := rates.cached.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		down = true
		clock.Advance(time.Minute)
	}
	want := []cache.EventKind{cache.LoadStarted, cache.LoadSucceeded, cache.LoadStarted, cache.RefreshFailed}
	if diff := cmp.Diff(want, events.all()); diff != "" {
		t.Errorf("events differ (-want +got):\n%s", diff)
	}
}
