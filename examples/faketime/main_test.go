package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each test runs in a bubble: synctest.Wait returns when every goroutine in it is blocked, so that "all callers are
// waiting" and "the refresh is done" need no sleep. The clock goes only where the test puts it.

const excuse = "please listen to the announcements"

func newBoard(t *testing.T, timetable func(context.Context, string) (string, error)) (*Departures, *clockwork.FakeClock) {
	t.Helper()
	clock := clockwork.NewFakeClock()
	board, err := NewDepartures(timetable, clock)
	if err != nil {
		t.Fatal(err)
	}
	return board, clock
}

func TestBoardRefreshesInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := "12:04 to Braga"
		board, clock := newBoard(t, func(context.Context, string) (string, error) { return answer, nil })
		board.Next(t.Context(), "Porto")

		answer = "12:19 to Aveiro"
		clock.Advance(time.Minute)
		if got, want := board.Next(t.Context(), "Porto"), "12:04 to Braga"; got != want {
			t.Errorf("the first call after a minute = %q, want %q without waiting", got, want)
		}
		synctest.Wait() // until the refresh is done
		if got, want := board.Next(t.Context(), "Porto"), "12:19 to Aveiro"; got != want {
			t.Errorf("after the refresh = %q, want %q", got, want)
		}
	})
}

func TestBoardSurvivesAnOutageOfFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		board, clock := newBoard(t, func(context.Context, string) (string, error) {
			if down.Load() {
				return "", errors.New("down")
			}
			return "12:04 to Braga", nil
		})
		board.Next(t.Context(), "Porto")

		down.Store(true)
		for _, tt := range []struct {
			advance time.Duration
			want    string
		}{
			{time.Minute, "12:04 to Braga"},
			{4*time.Minute - 1, "12:04 to Braga"},
			{1, excuse}, // after exactly five minutes
		} {
			clock.Advance(tt.advance)
			if got := board.Next(t.Context(), "Porto"); got != tt.want {
				t.Errorf("%v later: %q, want %q", tt.advance, got, tt.want)
			}
			synctest.Wait()
		}
	})
}

func TestBoardAsksOnceForAThousandTravellers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		answer := make(chan string)
		board, _ := newBoard(t, func(context.Context, string) (string, error) {
			calls.Add(1)
			return <-answer, nil
		})

		var travellers sync.WaitGroup
		for range 1000 {
			travellers.Go(func() {
				if got, want := board.Next(t.Context(), "Porto"), "12:04 to Braga"; got != want {
					t.Errorf("Next = %q, want %q", got, want)
				}
			})
		}
		synctest.Wait() // until all of them are waiting
		answer <- "12:04 to Braga"
		travellers.Wait()
		if got := calls.Load(); got != 1 {
			t.Errorf("the service was called %d times, want once", got)
		}
	})
}

func TestBoardGivesUpOnAServiceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, clock := newBoard(t, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})

		shown := make(chan string, 1)
		go func() { shown <- board.Next(t.Context(), "Porto") }()
		synctest.Wait() // until the load is running, so that its timer starts now
		clock.Advance(10*time.Second - 1)
		synctest.Wait()
		select {
		case got := <-shown:
			t.Fatalf("before the timeout: %q, want no answer yet", got)
		default:
		}
		clock.Advance(1)
		if got := <-shown; got != excuse {
			t.Errorf("after the timeout: %q, want %q", got, excuse)
		}
	})
}
