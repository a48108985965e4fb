// Faketime shows how code that uses a cache is tested without sleeping. This program lives through seven minutes at
// once; the tests that a user would write are in main_test.go, and add concurrent callers and loads that hang.
//
//	go run ./examples/faketime
//	go test ./examples/faketime
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
)

// Departures is the code to be tested: a departure board in front of a slow timetable service.
type Departures struct {
	trains *cache.Cache[string, string]
}

// NewDepartures returns a board that asks timetable for the next train of a station. The clock is a parameter for the
// sake of the tests; a program passes clockwork.NewRealClock().
func NewDepartures(timetable func(ctx context.Context, station string) (string, error), clock clockwork.Clock) (*Departures, error) {
	trains, err := cache.New(timetable,
		cache.WithUpdateAfter(time.Minute),
		cache.WithExpireAfter(5*time.Minute),
		cache.WithTimeout(10*time.Second),
		cache.WithClock(clock))
	if err != nil {
		return nil, fmt.Errorf("departures: %w", err)
	}
	return &Departures{trains: trains}, nil
}

// Next returns the next train from station, in words.
func (d *Departures) Next(ctx context.Context, station string) string {
	train, err := d.trains.Get(ctx, station)
	if err != nil {
		return "please listen to the announcements"
	}
	return train
}

// service is a timetable service that can be switched off. The program waits for every load before it changes anything,
// so it needs no lock.
type service struct {
	calls int
	down  bool
}

func (s *service) next(_ context.Context, station string) (string, error) {
	s.calls++
	if s.down {
		return "", fmt.Errorf("timetable service is down")
	}
	return fmt.Sprintf("train %d from %s", s.calls, station), nil
}

func main() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	started := clock.Now()
	timetable := &service{}
	board, err := NewDepartures(timetable.next, clock)
	if err != nil {
		log.Fatal(err)
	}

	for _, step := range []struct {
		advance time.Duration
		down    bool
		remark  string
	}{
		{0, false, "nothing there: loaded"},
		{59 * time.Second, false, "fresh"},
		{time.Second, false, "stale: the old answer, and a load in the background"},
		{time.Second, false, "which has brought a new one"},
		{2 * time.Minute, true, "stale, and the service is down: the old answer"},
		{3*time.Minute - time.Second, true, "expired: no answer any more"},
		{time.Minute, false, "the service is back"},
	} {
		clock.Advance(step.advance)
		timetable.down = step.down
		answer := board.Next(ctx, "Porto")
		// In place of a sleep: until the load in the background is done.
		if err := board.trains.Wait(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%5v  %-34s  calls: %d  (%s)\n", clock.Since(started), answer, timetable.calls, step.remark)
	}
}
