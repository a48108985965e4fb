// Basic shows the shortest use of the library: a slow function, a cache in front of it, and three calls that make the
// function run once.
//
//	go run ./examples/basic
package main

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/cache"
)

func main() {
	var runs atomic.Int64
	forecast := func(ctx context.Context, city string) (string, error) {
		runs.Add(1)
		select { // a service far away
		case <-time.After(100 * time.Millisecond):
			return city + " will be sunny", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}

	forecasts, err := cache.New(forecast)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	for range 3 {
		began := time.Now()
		text, err := forecasts.Get(ctx, "Lisbon")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s (after %v)\n", text, time.Since(began).Round(time.Millisecond))
	}
	fmt.Println("runs of the function:", runs.Load())
}
