package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/storage"
)

// jumpyClock is a fake clock whose readings have a monotonic part, as those of the time package, and whose wall clock can be set, as an administrator or a
// time server does.
type jumpyClock struct {
	*clockwork.FakeClock
	base time.Time // of the time package, outside of any bubble: there its readings have no monotonic part
	jump atomic.Int64
}

func (c *jumpyClock) Now() time.Time {
	return withWallSet(c.base.Add(c.FakeClock.Since(epoch)), time.Duration(c.jump.Load()))
}

func (c *jumpyClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *jumpyClock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// withWallSet returns t with its wall clock set by whole seconds and the monotonic reading as it was, which package time offers no
// way to make. While a Time has both, its first word holds the wall clock's seconds from bit 30 on.
func withWallSet(t time.Time, jump time.Duration) time.Time {
	word := (*uint64)(unsafe.Pointer(&t))
	*word += uint64(int64(jump/time.Second) << 30)
	return t
}

func TestC29_AgesDoNotJumpWithTheWallClock(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": 1000 * time.Hour, "backward": -1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			base := time.Now()
			if set := withWallSet(base, jump); set.Sub(base) != 0 || set.Round(0).Sub(base.Round(0)) != jump {
				t.Fatalf("setting the wall clock by %v moved it by %v, and the monotonic one by %v",
					jump, set.Round(0).Sub(base.Round(0)), set.Sub(base))
			}
			onEach(t, func(t *testing.T, r *rig) {
				clock := &jumpyClock{FakeClock: r.clock, base: base}
				c := r.open(t)
				if err := c.Reconfigure(cache.WithClock(clock)); err != nil {
					t.Fatal(err)
				}
				get(t, c, "k", 1)
				settle(t, c)
				clock.jump.Store(int64(jump))
				get(t, c, "k", 1)
				r.advance(updateAfter - 1)
				get(t, c, "k", 1)
				settle(t, c)
				r.source.began(t, "k", 1)
				r.advance(1)
				get(t, c, "k", 1) // stale
				settle(t, c)
				get(t, c, "k", 2)
				clock.jump.Store(int64(-jump))
				r.advance(expireAfter - 1)
				get(t, c, "k", 2)
				settle(t, c)
				get(t, c, "k", 3)
				mustInvalidate(t, c, "k")
				clock.jump.Store(0)
				get(t, c, "k", 4)
				settle(t, c)
				r.advance(expireAfter)
				get(t, c, "k", 5)
			})
		})
	}
}

func TestC29_EntriesOfTheDefaultClockKeepTheMonotonicReading(t *testing.T) {
	memory := storage.NewMemory[string, int]()
	c := open(t, one, cache.WithStorage(memory))
	get(t, c, "k", 1)
	mustSet(t, c, "set", 1)
	settle(t, c)
	for _, key := range []string{"k", "set"} {
		entry := memory.Lookup(key)
		for what, at := range map[string]time.Time{"created": entry.Created(), "update_after": entry.UpdateAfter(), "expire_after": entry.ExpireAfter()} {
			if !strings.Contains(at.String(), "m=") {
				t.Errorf("%s: %s is %v, without a monotonic reading", key, what, at)
			}
		}
	}
}

func TestC29_ForeverMeansForever(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(cache.Forever), cache.WithExpireAfter(cache.Forever),
			cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever),
			cache.WithStorageTimeout(cache.Forever), cache.WithRefreshBackoff(cache.Forever))
		r.source.hold("slow")
		slow := goGet(t.Context(), c, "slow")
		get(t, c, "k", 1)
		for range 3 {
			r.advance(math.MaxInt64) // 292 years
		}
		get(t, c, "k", 1)
		waits(t, slow)
		l := r.source.nth(t, "slow", 1)
		if d, ok := l.ctx.Deadline(); ok || l.ctx.Err() != nil {
			t.Errorf("the load has the deadline %v and the error %v", d, l.ctx.Err())
		}
		r.source.returns(l, 1)
		wants(t, slow, 1)
		r.source.began(t, "k", 1)
	})
}

func TestC29_HugeLifeSpansDoNotOverflow(t *testing.T) {
	for _, d := range []time.Duration{cache.Forever - 1, cache.Forever / 2, cache.Forever/3 + 1} {
		t.Run(d.String(), func(t *testing.T) {
			onEach(t, func(t *testing.T, r *rig) {
				c := r.open(t, cache.WithUpdateAfter(d), cache.WithTimeout(d), cache.WithUpdateLockTimeout(d),
					cache.WithStorageTimeout(d), cache.WithRefreshBackoff(d))
				get(t, c, "k", 1)
				settle(t, c)
				r.advance(time.Hour)
				get(t, c, "k", 1)
				r.advance(d - time.Hour - 1)
				get(t, c, "k", 1)
				r.source.began(t, "k", 1)
				r.advance(1)
				get(t, c, "k", 1) // stale at last
				settle(t, c)
				get(t, c, "k", 2)
			})
		})
	}
}

func TestC29_ExpireAfter0KeepsNothingBeyondItsFlight(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(0), cache.WithExpireAfter(0))
		r.source.hold("k")
		var calls []*call[int]
		for range 10 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		r.source.returns(r.source.nth(t, "k", 1), 1)
		for _, call := range calls {
			wants(t, call, 1) // the flight is shared
		}
		r.source.unhold()
		get(t, c, "k", 2)
		settle(t, c)
		get(t, c, "k", 3)
		peeks(t, c, "k", 0)
		settle(t, c)
		wantHeld(t, r, map[string]int{})
		r.source.began(t, "k", 3)
	})
}

func TestC29_UpdateAfter0MakesEveryHitRefresh(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(0))
		get(t, c, "k", 1)
		settle(t, c)
		for n := 1; n < 5; n++ {
			get(t, c, "k", n)
			settle(t, c)
			r.source.began(t, "k", n+1)
		}
		peeks(t, c, "k", 5)
		r.source.began(t, "k", 5)
	})
}

func TestC29_BadLifeSpansAreErrorsThatNameTheOption(t *testing.T) {
	for _, tt := range []struct {
		opt  cache.Option
		says []string
	}{
		{cache.WithUpdateAfter(-1), []string{"WithUpdateAfter", "-1ns"}},
		{cache.WithExpireAfter(math.MinInt64), []string{"WithExpireAfter", fmt.Sprint(time.Duration(math.MinInt64))}},
		{cache.WithTimeout(-1), []string{"WithTimeout", "-1ns"}},
	} {
		_, err := cache.New(one, tt.opt)
		checkRefusal(t, err, tt.says)
	}
	_, err := cache.New(one, cache.WithUpdateAfter(2), cache.WithExpireAfter(1))
	checkRefusal(t, err, []string{"WithUpdateAfter", "2ns", "WithExpireAfter", "1ns"})
	if _, err := entrybuilder.NewLifespan[string, int](2, 1); err == nil {
		t.Error("NewLifespan accepts update_after > expire_after")
	}
}

// Years of the bubble's time, which is the time package's, mean nothing to a cache with a clock of its own.
func TestC30_GivenClockIsTheOnlySourceOfTime(t *testing.T) {
	const years = 24 * 365 * time.Hour
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)

		time.Sleep(years)
		get(t, c, "k", 1) // fresh
		r.source.began(t, "k", 1)
		r.advance(updateAfter - 1)
		time.Sleep(years)
		get(t, c, "k", 1)
		r.source.began(t, "k", 1)
		r.advance(1)
		get(t, c, "k", 1) // stale, by the given clock
		settle(t, c)
		get(t, c, "k", 2)

		// Timeouts.
		r.source.hold("slow")
		slow := goGet(t.Context(), c, "slow")
		l := r.source.nth(t, "slow", 1)
		time.Sleep(years)
		waits(t, slow)
		if l.ctx.Err() != nil {
			t.Errorf("the load's ctx ended by another clock: %v", l.ctx.Err())
		}
		if d, ok := l.ctx.Deadline(); !ok || !d.Equal(l.started.Add(2*time.Minute)) {
			t.Errorf("the load's deadline is %v, %v, want 2 minutes after %v", d, ok, l.started)
		}
		r.advance(2*time.Minute - 1)
		waits(t, slow)
		r.advance(1)
		fails(t, slow, cache.ErrLoadTimeout)
		r.source.returns(l, 0)
		r.source.unhold()

		// Backoff.
		r.source.answers(func(*load[string, int]) (int, error) { return 0, errBackend })
		r.advance(updateAfter)
		began := r.source.count("k")
		get(t, c, "k", 2)
		settle(t, c)
		time.Sleep(years)
		get(t, c, "k", 2)
		settle(t, c)
		r.source.began(t, "k", began+1)
		r.advance(time.Second)
		get(t, c, "k", 2)
		settle(t, c)
		r.source.began(t, "k", began+2)

		// Storage timeout.
		if r.faulty != nil {
			gate := r.gate()
			r.faulty.on(onOffer, blockOn(gate))
			set := goSet(t, c, "set", 50)
			time.Sleep(years)
			waits(t, set)
			r.advance(time.Second)
			fails(t, set, context.DeadlineExceeded)
		}
	})
}

// A ctx that the callers give keeps to the time package: it is theirs.
func TestC30_CallersCtxIsTheirOwn(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		call := goGet(ctx, c, "k")
		r.advance(time.Minute)
		waits(t, call)
		time.Sleep(time.Second)
		fails(t, call, context.DeadlineExceeded)
	})
}

// The default clock in a bubble: sleeping moves it, and its coarse reading changes no answer at any rate of calls.
func TestC30_DefaultClockInABubble(t *testing.T) {
	for name, rate := range map[string]time.Duration{"few calls": 0, "many calls": 50 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				loads := 0
				c := open(t, func(ctx context.Context, key string) (int, error) {
					if key == "slow" {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					mu.Lock()
					defer mu.Unlock()
					loads++
					return loads, nil
				}, cache.WithUpdateAfter(3*time.Second), cache.WithExpireAfter(6*time.Second))
				want := func(n int) {
					t.Helper()
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					if loads != n {
						t.Errorf("%d loads, want %d", loads, n)
					}
				}
				// pass lets d pass, with calls at the rate in between.
				pass := func(d time.Duration, value int) {
					t.Helper()
					for rate > 0 && d > rate {
						get(t, c, "k", value)
						time.Sleep(rate)
						d -= rate
					}
					time.Sleep(d)
				}
				get(t, c, "k", 1)
				pass(3*time.Second-1, 1)
				get(t, c, "k", 1)
				want(1) // fresh until the last instant
				time.Sleep(time.Nanosecond)
				get(t, c, "k", 1) // stale from that instant on
				want(2)
				get(t, c, "k", 2)
				pass(3*time.Second-2, 2)
				time.Sleep(3*time.Second + 1)
				get(t, c, "k", 2) // unexpired until the last instant
				want(3)
				pass(2*time.Second, 3)
				time.Sleep(4 * time.Second)
				get(t, c, "k", 4) // expired from that instant on
				want(4)

				began := time.Now()
				_, err := c.Get(t.Context(), "slow")
				if !errors.Is(err, cache.ErrLoadTimeout) || time.Since(began) != 2*time.Minute {
					t.Errorf("Get of what takes for ever: %v after %v", err, time.Since(began))
				}
				settle(t, c)
			})
		})
	}
}
