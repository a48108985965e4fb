package clock_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// warm calls Bound until a bound comes from the coarse reading, and reports whether one did.
func warm(s *clock.Source) bool {
	for range 10_000 {
		if _, exact := s.Bound(); !exact {
			return true
		}
	}
	return false
}

func TestGivenClockIsReadExactly(t *testing.T) {
	fake := clockwork.NewFakeClock()
	s := clock.New(fake)
	for n := range 10_000 {
		if at, exact := s.Bound(); !exact || !at.Equal(fake.Now()) {
			t.Fatalf("call %d: Bound = %v, %v, want %v, exactly", n, at, exact, fake.Now())
		}
		if n%100 == 0 {
			fake.Advance(time.Duration(n))
		}
	}
	if warm(s) {
		t.Error("a given clock got a coarse reading")
	}
}

func TestBurstStartsTheCoarseReadingAndSilenceEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		for round := range 3 {
			if at, exact := s.Bound(); !exact || !at.Equal(time.Now()) {
				t.Errorf("round %d: the first Bound = %v, %v, want %v, exactly", round, at, exact, time.Now())
			}
			if !warm(s) {
				t.Fatalf("round %d: no burst starts the coarse reading", round)
			}
			time.Sleep(3 * clock.Interval) // long enough without a call
			synctest.Wait()
			if at, exact := s.Bound(); !exact || !at.Equal(time.Now()) {
				t.Errorf("round %d: after silence Bound = %v, %v, want %v, exactly", round, at, exact, time.Now())
			}
		}
	})
}

// Few calls are read exactly, however many there are in the long run.
func TestFewCallsStartNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		for n := range 5000 {
			if at, exact := s.Bound(); !exact || !at.Equal(time.Now()) {
				t.Fatalf("call %d: Bound = %v, %v, want %v, exactly", n, at, exact, time.Now())
			}
			time.Sleep(clock.Interval / 10)
		}
	})
}

// What is not due at the bound is not due now: at no time and after no pause is the bound before now.
func TestBoundIsNeverBeforeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		coarse := 0
		for round := range 200 {
			warm(s)
			for n := range 300 {
				pause := time.Duration(n*round%17) * clock.Interval / 8
				time.Sleep(pause)
				at, exact := s.Bound()
				now := time.Now()
				switch {
				case at.Before(now):
					t.Fatalf("after a pause of %v: bound %v is before now, %v", pause, at, now)
				case exact && !at.Equal(now):
					t.Fatalf("an exact reading of %v at %v", at, now)
				case at.After(now.Add(clock.Margin)):
					t.Fatalf("bound %v lies more than %v after now, %v", at, clock.Margin, now)
				}
				if !exact {
					coarse++
				}
			}
		}
		if coarse == 0 {
			t.Error("no bound came from the coarse reading")
		}
	})
}

// A bubble ends only if no timer starts another one for ever: the coarse reading stops when nobody looks.
func TestNothingTicksWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		if !warm(s) {
			t.Fatal("no burst starts the coarse reading")
		}
		time.Sleep(3 * clock.Interval)
		synctest.Wait()
		before := runtime.NumGoroutine()
		time.Sleep(time.Hour) // as many as 180,000 ticks
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		if _, exact := s.Bound(); !exact {
			t.Error("a coarse reading after an hour of silence")
		}
	})
}

// For real and from many goroutines.
func TestBoundConcurrently(t *testing.T) {
	s := clock.Default()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20_000 {
				before := time.Now()
				if at, _ := s.Bound(); at.Before(before) {
					t.Errorf("bound %v is before %v, when it was asked for", at, before)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestBoundDoesNotAllocate(t *testing.T) {
	s := clock.Default()
	warm(s)
	if n := testing.AllocsPerRun(100, func() { s.Bound() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSourceIsTheClockItWasMadeOf(t *testing.T) {
	fake := clockwork.NewFakeClock()
	s := clock.New(fake)
	fired := make(chan struct{})
	s.AfterFunc(time.Minute, func() { close(fired) })
	fake.Advance(time.Minute)
	<-fired
	if !s.Now().Equal(fake.Now()) {
		t.Errorf("Now = %v, want %v", s.Now(), fake.Now())
	}
}
