// Configuration shows how a cache is set up: with the defaults, with other figures, with every part replaced, and later
// than it is made.
//
//	go run ./examples/configuration
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/memoize-go/memoize/cache"
)

func main() {
	ctx := context.Background()
	for _, show := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"Defaults", defaults},
		{"Other figures", figures},
		{"Everything replaced", replaced},
		{"Configured later", later},
	} {
		fmt.Println(show.title)
		if err := show.run(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// square is the function behind the simple caches.
func square(_ context.Context, n int) (int, error) { return n * n, nil }

// Without options: 4096 entries in memory, refreshed after 10 minutes, expired after 30, 2 minutes for a load.
func defaults(ctx context.Context) error {
	squares, err := cache.New(square)
	if err != nil {
		return err
	}
	nine, err := squares.Get(ctx, 3)
	fmt.Println("  3 squared is", nine)
	return err
}

// The default parts with figures that suit the service.
func figures(ctx context.Context) error {
	squares, err := cache.New(square,
		cache.WithCapacity(2),
		cache.WithUpdateAfter(time.Minute),
		cache.WithExpireAfter(time.Hour),
		cache.WithTimeout(5*time.Second),
		cache.WithStats())
	if err != nil {
		return err
	}
	for _, n := range []int{1, 2, 3, 3} {
		if _, err := squares.Get(ctx, n); err != nil {
			return err
		}
	}
	// Callers get their value before it is written, and before an older one is evicted.
	if err := squares.Wait(ctx); err != nil {
		return err
	}
	stats := squares.Stats()
	fmt.Printf("  %d loads, %d hit, %d eviction\n", stats.LoadsSucceeded, stats.Hits, stats.Evictions)
	return nil
}

// A cache can be a package variable and get its settings when the program has read them; they can be changed while it
// is in use.
func later(ctx context.Context) error {
	squares, err := cache.New(square, cache.AwaitConfiguration())
	if err != nil {
		return err
	}
	_, err = squares.Get(ctx, 3)
	fmt.Println("  before:", err)

	if err := squares.Reconfigure(cache.WithCapacity(100), cache.WithExpireAfter(time.Hour)); err != nil {
		return err
	}
	nine, err := squares.Get(ctx, 3)
	if err != nil {
		return err
	}
	fmt.Println("  after: 3 squared is", nine)

	// All or nothing: the capacity stays 100.
	err = squares.Reconfigure(cache.WithCapacity(500), cache.WithExpireAfter(-time.Second))
	fmt.Println("  refused:", err)
	return nil
}
