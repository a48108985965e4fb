package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/keys"
)

func ExampleNew() {
	ctx := context.Background()
	greetings, err := cache.New(func(ctx context.Context, name string) (string, error) {
		fmt.Println("loading", name) // a query, a request, a computation
		return "Hello, " + name, nil
	}, cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		fmt.Println(greetings.Get(ctx, "Ada"))
	}
	// Output:
	// loading Ada
	// Hello, Ada <nil>
	// Hello, Ada <nil>
	// Hello, Ada <nil>
}

// What does not fit is an error of New, which names every option concerned.
func ExampleNew_badOptions() {
	_, err := cache.New(func(ctx context.Context, id int) (string, error) { return "", nil },
		cache.WithTimeout(-time.Second), cache.WithCapacity(0))
	fmt.Println(err)
	// Output:
	// cache: WithTimeout: negative duration -1s
	// cache: WithCapacity: capacity 0 is below 1
}

// Arguments that are no key, because they cannot be compared or there are several of them, need a key extractor.
func ExampleNewKeyed() {
	type query struct {
		Tenant string
		IDs    []int
	}
	ctx := context.Background()
	orders, err := cache.NewKeyed(func(ctx context.Context, q query) (string, error) {
		return fmt.Sprintf("%d orders of %s", len(q.IDs), q.Tenant), nil
	}, keys.ByName[query]("orders"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(orders.Get(ctx, query{"acme", []int{1, 2, 3}}))
	// Output: 3 orders of acme <nil>
}

// A caller whose ctx ends stops waiting. The load goes on, and its value is there for the next one.
func ExampleCache_Get_leaving() {
	ctx := context.Background()
	loading, release := make(chan struct{}), make(chan struct{})
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		close(loading)
		<-release
		return "value", nil
	})
	if err != nil {
		log.Fatal(err)
	}
	impatient, leave := context.WithCancel(ctx)
	go func() {
		<-loading
		leave()
	}()
	_, err = c.Get(impatient, "key")
	fmt.Println(err)

	close(release)
	fmt.Println(c.Get(ctx, "key"))
	// Output:
	// context canceled
	// value <nil>
}

// Peek says what is there, and does nothing about what is not.
func ExampleCache_Peek() {
	ctx := context.Background()
	squares, err := cache.New(func(ctx context.Context, n int) (int, error) { return n * n, nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(squares.Peek(ctx, 7))

	if _, err := squares.Get(ctx, 7); err != nil {
		log.Fatal(err)
	}
	_ = squares.Wait(ctx) // callers get the value before it is written
	fmt.Println(squares.Peek(ctx, 7))
	// Output:
	// 0 false
	// 49 true
}

func ExampleCache_Refresh() {
	ctx := context.Background()
	version := 0
	c, err := cache.New(func(ctx context.Context, key string) (int, error) {
		version++
		return version, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Get(ctx, "key"))
	fmt.Println(c.Get(ctx, "key"))
	fmt.Println(c.Refresh(ctx, "key")) // a load that starts after the call
	_ = c.Wait(ctx)
	fmt.Println(c.Get(ctx, "key"))
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 2 <nil>
	// 2 <nil>
}

// If the load fails, its caller gets the error and the entry stays.
func ExampleCache_Refresh_failure() {
	ctx := context.Background()
	down := false
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		if down {
			return "", errors.New("backend is down")
		}
		return "value", nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Get(ctx, "key"))
	_ = c.Wait(ctx)

	down = true
	_, err = c.Refresh(ctx, "key")
	fmt.Println(err)
	fmt.Println(c.Get(ctx, "key"))
	// Output:
	// value <nil>
	// cache: load of key "key": backend is down
	// value <nil>
}

// Set stores what has become known in another way, as if it had been loaded now.
func ExampleCache_Set() {
	ctx := context.Background()
	names, err := cache.New(func(ctx context.Context, id int) (string, error) { return "name from the database", nil })
	if err != nil {
		log.Fatal(err)
	}
	if err := names.Set(ctx, 7, "name that was just saved"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(names.Get(ctx, 7))
	// Output: name that was just saved <nil>
}

func ExampleCache_Invalidate() {
	ctx := context.Background()
	price := 10
	prices, err := cache.New(func(ctx context.Context, article string) (int, error) { return price, nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(prices.Get(ctx, "tea"))

	price = 12
	if err := prices.Invalidate(ctx, "tea"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(prices.Get(ctx, "tea"))
	// Output:
	// 10 <nil>
	// 12 <nil>
}

func ExampleCache_InvalidateAll() {
	ctx := context.Background()
	discount := 0
	prices, err := cache.New(func(ctx context.Context, full int) (int, error) { return full - discount, nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(prices.Get(ctx, 10))
	fmt.Println(prices.Get(ctx, 20))

	discount = 1
	if err := prices.InvalidateAll(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(prices.Get(ctx, 10))
	fmt.Println(prices.Get(ctx, 20))
	// Output:
	// 10 <nil>
	// 20 <nil>
	// 9 <nil>
	// 19 <nil>
}

// All of the options come into force, or none.
func ExampleCache_Reconfigure() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key int) (int, error) { return key, nil })
	if err != nil {
		log.Fatal(err)
	}
	for key := range 10 {
		if _, err := c.Get(ctx, key); err != nil {
			log.Fatal(err)
		}
	}
	_ = c.Wait(ctx)

	fmt.Println(c.Reconfigure(cache.WithCapacity(3), cache.WithTimeout(-time.Second)))
	fmt.Println("evicted:", c.Stats().Evictions)
	fmt.Println(c.Reconfigure(cache.WithCapacity(3), cache.WithTimeout(time.Second)))
	fmt.Println("evicted:", c.Stats().Evictions)
	// Output:
	// cache: WithTimeout: negative duration -1s
	// evicted: 0
	// <nil>
	// evicted: 7
}

// Wait is for tests: when it returns, what earlier calls have set off has happened.
func ExampleCache_Wait() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	loads := 0
	c, err := cache.New(func(ctx context.Context, key string) (int, error) {
		loads++
		return loads, nil
	}, cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	_, _ = c.Get(ctx, "key")
	_ = c.Wait(ctx) // the value is stored
	clock.Advance(10 * time.Minute)
	_, _ = c.Get(ctx, "key")
	_ = c.Wait(ctx) // the refresh behind the stale hit has ended
	fmt.Println("loads:", loads)
	// Output: loads: 2
}

// Hits are counted only on request: they are what is fast.
func ExampleCache_Stats() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) (int, error) { return len(key), nil }, cache.WithStats())
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"a", "b", "a", "a"} {
		if _, err := c.Get(ctx, key); err != nil {
			log.Fatal(err)
		}
		_ = c.Wait(ctx)
	}
	s := c.Stats()
	fmt.Println("hits:", s.Hits)
	fmt.Println("calls that caused a load:", s.Led)
	fmt.Println("loads that succeeded:", s.LoadsSucceeded)
	// Output:
	// hits: 2
	// calls that caused a load: 2
	// loads that succeeded: 2
}

func ExampleCache_Close() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) (string, error) { return "value", nil })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Get(ctx, "key"))
	fmt.Println(c.Close(ctx))
	_, err = c.Get(ctx, "key")
	fmt.Println(err)
	// Output:
	// value <nil>
	// <nil>
	// cache: closed
}

// Close gives what is running as much time as its ctx has, and cancels it then.
func ExampleCache_Close_deadline() {
	ctx := context.Background()
	loading := make(chan struct{})
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		close(loading)
		<-ctx.Done()
		return "", ctx.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	answer := make(chan error)
	go func() {
		_, err := c.Get(ctx, "key")
		answer <- err
	}()
	<-loading

	noTime, cancel := context.WithCancel(ctx)
	cancel()
	fmt.Println(c.Close(noTime))
	fmt.Println(<-answer)
	fmt.Println(c.Close(ctx)) // nothing is running any more
	// Output:
	// cache: Close: context canceled
	// cache: closed
	// <nil>
}
