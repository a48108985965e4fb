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
	"github.com/memoize-go/memoize/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask asks as a hit does: for the bound, and if there is none for the time.
func ask(s *clock.Source) (bound *clock.Reading, now time.Time) {
	if bound = s.Bound(); bound == nil {
		now = s.Read()
	}
	return bound, now
}

// warm asks until there is a bound, and reports whether there was one.
func warm(s *clock.Source) bool {
	for range 10_000 {
		if bound, _ := ask(s); bound != nil {
			return true
		}
	}
	return false
}

// due returns an entry with these deadlines.
func due(update, expire time.Time) *storage.Entry[int] {
	return storage.NewMemory[int, int]().Put(0, storage.NewEntry(0, update.Add(-time.Hour), update, expire))
}

func dueAt(t time.Time) *storage.Entry[int] { return due(t, t) }

func TestGivenClockIsReadExactly(t *testing.T) {
	fake := clockwork.NewFakeClock()
	s := clock.New(fake)
	for n := range 10_000 {
		if bound, now := ask(s); bound != nil || s.Moment() != (storage.Moment{}) || !now.Equal(fake.Now()) {
			t.Fatalf("call %d: a bound, a moment, or %v, want %v, exactly", n, now, fake.Now())
		}
		if now, at := s.Stamp(); !now.Equal(fake.Now()) || at != (storage.Moment{}) {
			t.Fatalf("call %d: Stamp = %v, %v, want %v, exactly", n, now, at, fake.Now())
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
			if bound, now := ask(s); bound != nil || !now.Equal(time.Now()) {
				t.Errorf("round %d: at first a bound or %v, want %v, exactly", round, now, time.Now())
			}
			if !warm(s) {
				t.Fatalf("round %d: no burst starts the coarse reading", round)
			}
			time.Sleep(3 * clock.Interval) // long enough without a call
			synctest.Wait()
			if bound, now := ask(s); bound != nil || !now.Equal(time.Now()) {
				t.Errorf("round %d: after silence a bound or %v, want %v, exactly", round, now, time.Now())
			}
		}
	})
}

// At the moment of a source without a bound, entries are fresh until their last instant and not longer, and the reading lasts as long
// as somebody asks.
func TestMomentIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default().Exact()
		dueAt(time.Now()) // from now on, all entries and moments count from the same instant
		if s.Moment() != (storage.Moment{}) {
			t.Error("a moment before any burst")
		}
		for range 1000 {
			s.Read()
		}
		for range 1000 {
			time.Sleep(clock.Interval / 7 * 3)
			now, m := time.Now(), s.Moment()
			if dueAt(now).SurelyFresh(&m) || due(now, now.Add(1)).SurelyFresh(&m) || due(now.Add(1), now).SurelyFresh(&m) {
				t.Fatal("what is due is surely fresh")
			}
			if !dueAt(now.Add(1)).SurelyFresh(&m) {
				t.Fatal("what is due a nanosecond later is not fresh")
			}
			if !due(now, now.Add(1)).SurelyStale(&m) || due(now.Add(1), now.Add(2)).SurelyStale(&m) || dueAt(now).SurelyStale(&m) {
				t.Fatal("what is surely stale is not what was due for an update and does not expire yet")
			}
			if at, ok := s.At(m); !ok || at != now {
				t.Fatalf("At = %v, %v, want %v", at, ok, now)
			}
			if !s.Read().Equal(now) || s.Bound() != nil {
				t.Fatalf("Read = %v, want %v; Bound = %v, want none", s.Read(), now, s.Bound())
			}
		}
		m := s.Moment()
		time.Sleep(3 * clock.Interval) // long enough without a call
		if s.Moment() != (storage.Moment{}) {
			t.Error("a moment after silence")
		}
		if at, ok := s.At(m); ok {
			t.Errorf("At = %v though the reading has ended", at)
		}
	})
}

// A write is stamped with what time it is, exactly, and with the same as a moment while there is a reading, if that tells the wall
// clock: not if that was set to something else since the instant from which entries and moments count.
func TestStampIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, memory := clock.Default(), storage.NewMemory[int, int]()
		for range 3 {
			dueAt(time.Now().In(time.FixedZone("", 3600))) // from now on, they count from an instant on a clock in another zone
		}
		stamp := func(stamps bool) {
			t.Helper()
			now, at := s.Stamp()
			if now != time.Now() || (at != storage.Moment{}) != stamps {
				t.Fatalf("Stamp = %v, %v, want %v, %v", now, at, time.Now(), stamps)
			}
			record, ok := memory.NewRecord(0, 0, now, at, time.Minute, time.Hour)
			if e := record.Entry(); !ok || e.Created() != now || e.UpdateAfter() != now.Add(time.Minute) || e.ExpireAfter() != now.Add(time.Hour) {
				t.Fatalf("created %v, updated %v, expires %v, want %v, a minute and an hour later", e.Created(), e.UpdateAfter(), e.ExpireAfter(), now)
			}
		}
		stamp(false) // without a reading
		warm(s)
		stamp(false) // by another clock; from now on, they count from an instant on this one
		time.Sleep(clock.Interval)
		synctest.Wait() // for the next reading
		for range 100 {
			stamp(true)
			time.Sleep(clock.Interval / 7 * 3)
		}
		time.Sleep(3 * clock.Interval) // long enough without a call
		stamp(false)
	})
}

// Few calls are read exactly, however many there are in the long run.
func TestFewCallsStartNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		for n := range 5000 {
			if bound, now := ask(s); bound != nil || !now.Equal(time.Now()) {
				t.Fatalf("call %d: a bound or %v, want %v, exactly", n, now, time.Now())
			}
			time.Sleep(clock.Interval / 10)
		}
	})
}

// What is not due at the bound is not due now: at no time and after no pause is the bound before now.
func TestBoundIsNeverBeforeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clock.Default()
		dueAt(time.Now()) // from now on, all entries and moments count from the same instant
		bounds := 0
		for round := range 200 {
			warm(s)
			for n := range 300 {
				pause := time.Duration(n*round%17) * clock.Interval / 8
				time.Sleep(pause)
				bound, read := ask(s)
				now := time.Now()
				if bound == nil {
					if !read.Equal(now) {
						t.Fatalf("an exact reading of %v at %v", read, now)
					}
					continue
				}
				if dueAt(now).SurelyFresh(&bound.Moment) {
					t.Fatalf("after a pause of %v: an entry that is due is surely fresh", pause)
				}
				if !due(now.Add(clock.Margin+1), now.Add(clock.ExpiryMargin+1)).SurelyFresh(&bound.Moment) {
					t.Fatalf("bounds lie more than %v and %v after now, %v", clock.Margin, clock.ExpiryMargin, now)
				}
				bounds++
			}
		}
		if bounds == 0 {
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
		if s.Bound() != nil {
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
				if bound, now := ask(s); bound != nil && dueAt(before).SurelyFresh(&bound.Moment) || bound == nil && now.Before(before) {
					t.Errorf("what was due at %v is surely fresh, or it is %v", before, now)
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
