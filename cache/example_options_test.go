package cache_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

// The load function's own error is in the chain, with the key around it.
func ExampleLoadError() {
	files, err := cache.New(func(ctx context.Context, name string) (string, error) {
		return "", fmt.Errorf("opening it: %w", fs.ErrNotExist)
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = files.Get(context.Background(), "motd")
	fmt.Println(err)

	var failed *cache.LoadError
	if errors.As(err, &failed) {
		fmt.Println("key:", failed.Key)
	}
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// cache: load of key "motd": opening it: file does not exist
	// key: motd
	// true
}

// A panic in the load function is an error for those who wait for it. The process lives, and the next call loads anew.
func ExamplePanicError() {
	ctx := context.Background()
	divisor := 0
	c, err := cache.New(func(ctx context.Context, n int) (int, error) { return n / divisor, nil })
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Get(ctx, 6)
	var panicked *cache.PanicError
	if errors.As(err, &panicked) {
		fmt.Println(panicked.Value)
	}

	divisor = 2
	fmt.Println(c.Get(ctx, 6))
	// Output:
	// runtime error: integer divide by zero
	// 3 <nil>
}

// A load that takes too long ends with ErrLoadTimeout, even if the load function does not look at its ctx.
func ExampleWithTimeout() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	began, release := make(chan struct{}), make(chan struct{})
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		close(began)
		<-release // a backend that hangs
		return "late", nil
	}, cache.WithTimeout(2*time.Second), cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	answer := make(chan error)
	go func() {
		_, err := c.Get(ctx, "key")
		answer <- err
	}()
	<-began
	clock.Advance(2 * time.Second)
	err = <-answer
	fmt.Println(err)
	fmt.Println(errors.Is(err, cache.ErrLoadTimeout), errors.Is(err, context.DeadlineExceeded))
	fmt.Println("still running:", c.Stats().LoadsRunning)

	close(release)
	_ = c.Wait(ctx)
	_, stored := c.Peek(ctx, "key")
	fmt.Println("stored:", stored)
	// Output:
	// cache: load of key "key": cache: load timed out
	// true true
	// still running: 1
	// stored: false
}

// A load without a limit does not keep its key for ever.
func ExampleWithUpdateLockTimeout() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}, cache.WithTimeout(cache.Forever), cache.WithUpdateLockTimeout(time.Minute), cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	answer := make(chan error)
	go func() {
		_, err := c.Get(ctx, "key")
		answer <- err
	}()
	_ = clock.BlockUntilContext(ctx, 1)
	clock.Advance(time.Minute)
	fmt.Println(errors.Is(<-answer, cache.ErrUpdateLockTimeout))
	// Output: true
}

// A backend that fails is not asked again with every read.
func ExampleWithRefreshBackoff() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	loads := 0
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		if loads++; loads > 1 {
			return "", errors.New("backend is down")
		}
		return "value", nil
	}, cache.WithUpdateAfter(time.Minute), cache.WithRefreshBackoff(5*time.Second), cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	read := func() {
		if _, err := c.Get(ctx, "key"); err != nil {
			log.Fatal(err)
		}
		_ = c.Wait(ctx)
	}
	read()
	clock.Advance(time.Minute)
	for range 10 {
		read()
		clock.Advance(time.Second)
	}
	fmt.Println("loads in the background:", loads-1)
	// Output: loads in the background: 2
}

// The observer is told of everything but hits, and of each thing before those who wait for it are answered.
func ExampleWithObserver() {
	ctx := context.Background()
	down := false
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		if down {
			return "", errors.New("backend is down")
		}
		return "value", nil
	}, cache.WithObserver(func(e cache.Event) { fmt.Println(e.Kind, e.Key, e.Err) }))
	if err != nil {
		log.Fatal(err)
	}
	_, _ = c.Get(ctx, "a")
	_ = c.Invalidate(ctx, "a")
	down = true
	_, _ = c.Get(ctx, "a")
	// Output:
	// load started a <nil>
	// load succeeded a <nil>
	// invalidated a <nil>
	// load started a <nil>
	// load failed a cache: load of key "a": backend is down
}

// What no caller sees goes to the log: failed refreshes, and failed calls of the storage.
func ExampleWithLogger() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	loads := 0
	c, err := cache.New(func(ctx context.Context, id int) (string, error) {
		if loads++; loads > 1 {
			return "", errors.New("backend is down")
		}
		return "value", nil
	},
		cache.WithName("users"),
		cache.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))),
		cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	_, _ = c.Get(ctx, 7)
	_ = c.Wait(ctx)
	clock.Advance(10 * time.Minute)
	fmt.Println(c.Get(ctx, 7))
	_ = c.Wait(ctx)
	// Unordered output:
	// value <nil>
	// level=WARN msg="cache: refresh failed" cache=users key=7 error="cache: load of key 7: backend is down"
}

// The default strategy lets the entry go that was written longest ago.
func ExampleWithCapacity() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) (string, error) { return "value", nil },
		cache.WithCapacity(2),
		cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.Evicted {
				fmt.Println("evicted", e.Key)
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"a", "b", "a", "c"} {
		_, _ = c.Get(ctx, key)
		_ = c.Wait(ctx)
	}
	// Output: evicted a
}

// SIEVE keeps what is read.
func ExampleWithEviction() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) (string, error) { return "value", nil },
		cache.WithEviction(eviction.NewSIEVE[string](2)),
		cache.WithObserver(func(e cache.Event) {
			if e.Kind == cache.Evicted {
				fmt.Println("evicted", e.Key)
			}
		}))
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"a", "b", "a", "c"} {
		_, _ = c.Get(ctx, key)
		_ = c.Wait(ctx)
	}
	// Output: evicted b
}

// A storage that is made outside of the cache can be looked at.
func ExampleWithStorage() {
	ctx := context.Background()
	memory := storage.NewMemory[int, string]()
	c, err := cache.New(func(ctx context.Context, id int) (string, error) { return fmt.Sprint("value ", id), nil },
		cache.WithStorage(memory))
	if err != nil {
		log.Fatal(err)
	}
	_, _ = c.Get(ctx, 1)
	_, _ = c.Get(ctx, 2)
	_ = c.Wait(ctx)

	values := make(map[int]string)
	for id, entry := range memory.All() {
		values[id] = entry.Value
	}
	fmt.Println(values)
	// Output: map[1:value 1 2:value 2]
}

// A stored value is shared by all callers. If they are to modify what they get, they need copies.
func ExampleWithPostprocess() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) ([]string, error) { return []string{"a", "b"}, nil },
		cache.WithPostprocess(postprocess.Func(slices.Clone[[]string])))
	if err != nil {
		log.Fatal(err)
	}
	mine, _ := c.Get(ctx, "key")
	mine[0] = "mine"
	fmt.Println(c.Get(ctx, "key"))
	// Output: [a b] <nil>
}

// A cache can be made before its settings are known.
func ExampleAwaitConfiguration() {
	ctx := context.Background()
	c, err := cache.New(func(ctx context.Context, key string) (string, error) { return "value", nil }, cache.AwaitConfiguration())
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Get(ctx, "key")
	fmt.Println(err)

	fmt.Println(c.Reconfigure(cache.WithExpireAfter(time.Hour)))
	fmt.Println(c.Get(ctx, "key"))
	// Output:
	// cache: not configured yet
	// <nil>
	// value <nil>
}
