// Httpcache is the demo: an HTTP client behind the cache, in front of an origin that takes 50 ms for an answer,
// sometimes fails, and goes down for a while. The same requests are made with and without the cache. It takes 9 seconds
// and uses the loopback interface only.
//
//	go run ./examples/httpcache
//
// How long an answer may be used is the origin's decision: its Cache-Control header says so, and the cache obeys.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
)

// scenario is a number of requests, and what happens to the origin meanwhile.
type scenario struct {
	name, about string
	requests    int
	interval    time.Duration // between two requests; 0: all at once
	paths       int           // how many different ones are asked for, in turn
	warm        bool          // all of them have been asked for before
	faulty      bool          // one in ten answers of the origin is an error

	// The origin is down from the request of one number to that of the other.
	downFrom, downUntil int
}

var scenarios = []scenario{
	{
		name: "cold key", about: "1000 requests at once for one path that nobody has asked for",
		requests: 1000, paths: 1,
	},
	{
		name: "steady load", about: "500 requests per second for 20 paths; 1 in 10 answers of the origin is an error",
		requests: 1000, interval: 2 * time.Millisecond, paths: 20, warm: true, faulty: true,
	},
	{
		name: "outage", about: "400 requests per second for 20 paths; the origin is down for 1 of 2 seconds",
		requests: 800, interval: 2500 * time.Microsecond, paths: 20, warm: true, downFrom: 200, downUntil: 600,
	},
}

func main() {
	fmt.Printf("An origin that answers after %v, with Cache-Control: %s\n", latency, cacheControl)
	for _, s := range scenarios {
		fmt.Printf("  %-12s %s\n", s.name+":", s.about)
	}
	fmt.Println("\nscenario     cache  requests  origin calls  errors       p50       p99")
	for _, s := range scenarios {
		for _, with := range []string{"no", "yes"} {
			r, err := s.measure(context.Background(), with == "yes")
			if err != nil {
				log.Fatalf("%s: %v", s.name, err)
			}
			fmt.Printf("%-11s  %-5s  %8d  %12d  %6d  %8s  %8s\n",
				s.name, with, s.requests, r.calls, r.errors, r.percentile(50), r.percentile(99))
		}
	}
}

// fetcher answers a request for a path: the client itself does, and the cache in front of it.
type fetcher func(ctx context.Context, path string) (page, error)

// measure runs the scenario against an origin of its own.
func (s *scenario) measure(ctx context.Context, cached bool) (report, error) {
	origin, err := startOrigin()
	if err != nil {
		return report{}, err
	}
	defer origin.stop()
	client := newClient(origin.url())

	get := fetcher(client.fetch)
	if cached {
		pages, err := cache.New(client.fetch,
			cache.WithEntryBuilder(entrybuilder.PerValue(lifespan)),
			cache.WithTimeout(5*time.Second))
		if err != nil {
			return report{}, err
		}
		defer pages.Close(ctx) // waits for the loads in the background
		get = pages.Get
	}
	if s.warm {
		warmUp := scenario{requests: s.paths, paths: s.paths}
		if r := warmUp.load(ctx, get, origin); r.errors > 0 {
			return report{}, errors.New("the origin does not work")
		}
	}
	origin.calls.Store(0)
	origin.faulty.Store(s.faulty)
	r := s.load(ctx, get, origin)
	r.calls = origin.calls.Load()
	return r, nil
}

// load makes the requests, each at its time whether or not those before have been answered.
func (s *scenario) load(ctx context.Context, get fetcher, origin *origin) report {
	var (
		latencies = make([]time.Duration, s.requests)
		failures  atomic.Int64
		requests  sync.WaitGroup
		gate      = make(chan struct{}) // holds back those that are to go at once
		started   = time.Now()
	)
	for i := range s.requests {
		time.Sleep(time.Until(started.Add(time.Duration(i) * s.interval)))
		origin.down.Store(s.downFrom <= i && i < s.downUntil)
		requests.Go(func() {
			if s.interval == 0 {
				<-gate
			}
			began := time.Now()
			if _, err := get(ctx, fmt.Sprintf("/page/%d", i%s.paths)); err != nil {
				failures.Add(1)
			}
			latencies[i] = time.Since(began)
		})
	}
	close(gate)
	requests.Wait()
	slices.Sort(latencies)
	return report{latencies: latencies, errors: failures.Load()}
}

// report is the outcome of a scenario.
type report struct {
	latencies []time.Duration // one per request, sorted
	calls     int64           // that reached the origin
	errors    int64           // that reached the callers
}

// percentile returns the latency that p percent of the requests did not exceed, in three digits or so.
func (r *report) percentile(p int) time.Duration {
	d := r.latencies[(len(r.latencies)*p+99)/100-1]
	if d < time.Millisecond {
		return d.Round(100 * time.Nanosecond)
	}
	return d.Round(100 * time.Microsecond)
}
