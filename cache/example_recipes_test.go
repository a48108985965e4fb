package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/storage"
)

// A thousand callers ask for one key that is not there. One load answers all of them.
func Example_dogPiling() {
	ctx := context.Background()
	var loads atomic.Int64
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		loads.Add(1)
		return "value", nil
	})
	if err != nil {
		log.Fatal(err)
	}
	var answered atomic.Int64
	var callers sync.WaitGroup
	for range 1000 {
		callers.Go(func() {
			if value, err := c.Get(ctx, "key"); err == nil && value == "value" {
				answered.Add(1)
			}
		})
	}
	callers.Wait()
	fmt.Println("answered:", answered.Load())
	fmt.Println("loads:", loads.Load())
	// Output:
	// answered: 1000
	// loads: 1
}

// A stale entry still answers at once, and sets off one load in the background. Nobody waits for it.
func Example_refreshInTheBackground() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	version := 0
	c, err := cache.New(func(ctx context.Context, key string) (int, error) {
		version++
		return version, nil
	}, cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(time.Hour), cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Get(ctx, "key"))
	_ = c.Wait(ctx)

	clock.Advance(time.Minute)
	fmt.Println(c.Get(ctx, "key")) // stale: the old value, at once
	_ = c.Wait(ctx)
	fmt.Println(c.Get(ctx, "key")) // what has been loaded meanwhile
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 2 <nil>
}

// While the backend is down, a stale entry goes on answering until it expires.
func Example_backendIsDown() {
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	down := false
	c, err := cache.New(func(ctx context.Context, key string) (string, error) {
		if down {
			return "", errors.New("backend is down")
		}
		return "value", nil
	}, cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(time.Hour), cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	for _, age := range []time.Duration{0, time.Minute, 58 * time.Minute, time.Minute} {
		clock.Advance(age)
		value, err := c.Get(ctx, "key")
		fmt.Printf("%q %v\n", value, err)
		_ = c.Wait(ctx)
		down = true
	}
	// Output:
	// "value" <nil>
	// "value" <nil>
	// "value" <nil>
	// "" cache: load of key "key": backend is down
}

// How long a value lives is known to the one who made it, as with the max-age of an HTTP response.
func Example_lifespanPerValue() {
	type response struct {
		body   string
		maxAge time.Duration
	}
	ctx := context.Background()
	clock := clockwork.NewFakeClock()
	pages, err := cache.New(func(ctx context.Context, url string) (response, error) {
		fmt.Println("fetching", url)
		if url == "/logo" {
			return response{"logo", 24 * time.Hour}, nil
		}
		return response{"news", time.Minute}, nil
	},
		cache.WithEntryBuilder(entrybuilder.PerValue(func(url string, r response) (updateAfter, expireAfter time.Duration) {
			return r.maxAge, r.maxAge + r.maxAge/10 // a tenth longer, while the next one is fetched
		})),
		cache.WithClock(clock))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		for _, url := range []string{"/logo", "/news"} {
			if _, err := pages.Get(ctx, url); err != nil {
				log.Fatal(err)
			}
		}
		_ = pages.Wait(ctx)
		clock.Advance(time.Hour)
	}
	// Output:
	// fetching /logo
	// fetching /news
	// fetching /news
}

// shelf is a storage of one's own: four methods, and no opinion on ages and numbers.
type shelf[K comparable, V any] struct{ entries sync.Map }

func (s *shelf[K, V]) Get(_ context.Context, key K) (*storage.Entry[V], error) {
	entry, _ := s.entries.Load(key)
	found, _ := entry.(*storage.Entry[V])
	return found, nil
}

func (s *shelf[K, V]) Offer(_ context.Context, key K, entry *storage.Entry[V]) error {
	s.entries.Store(key, entry)
	return nil
}

func (s *shelf[K, V]) Release(ctx context.Context, key K) error { return s.Invalidate(ctx, key) }

func (s *shelf[K, V]) Invalidate(_ context.Context, key K) error {
	s.entries.Delete(key)
	return nil
}

// A storage of one's own takes four methods. Package storage/storagetest has the suite that checks them.
func Example_customStorage() {
	ctx := context.Background()
	entries := &shelf[string, int]{}
	lengths, err := cache.New(func(ctx context.Context, word string) (int, error) { return len(word), nil },
		cache.WithStorage(entries))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lengths.Get(ctx, "shelf"))
	_ = lengths.Wait(ctx)

	entry, err := entries.Get(ctx, "shelf")
	fmt.Println(entry.Value, err)
	// Output:
	// 5 <nil>
	// 5 <nil>
}

// A key of one's own: what the answer depends on, and nothing else.
func Example_customKey() {
	type request struct {
		user    string
		traceID string // another one for every request
	}
	ctx := context.Background()
	byUser := keys.Func(func(r request) (string, error) {
		if r.user == "" {
			return "", errors.New("request without a user")
		}
		return strings.ToLower(r.user), nil
	})
	profiles, err := cache.NewKeyed(func(ctx context.Context, r request) (string, error) {
		fmt.Println("loading", r.user)
		return "profile of " + r.user, nil
	}, byUser)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(profiles.Get(ctx, request{"ada", "1"}))
	fmt.Println(profiles.Get(ctx, request{"Ada", "2"}))
	_, err = profiles.Get(ctx, request{traceID: "3"})
	fmt.Println(err)
	// Output:
	// loading ada
	// profile of ada <nil>
	// profile of ada <nil>
	// request without a user
}

// renamer stands for a type in another package, which knows of a change and of no cache.
type renamer struct {
	names   map[int]string
	changed *invalidation.Support[int]
}

func (r *renamer) rename(ctx context.Context, id int, name string) error {
	r.names[id] = name
	return r.changed.Invalidate(ctx, id)
}

// Code that knows of a change gets an invalidation.Support, and the caches concerned get the same one.
func Example_invalidationFromAnotherPackage() {
	ctx := context.Background()
	changed := invalidation.New[int]()
	db := &renamer{names: map[int]string{7: "Ada"}, changed: changed}
	fmt.Println(errors.Is(db.rename(ctx, 7, "Ada B."), invalidation.ErrUnbound))

	names, err := cache.New(func(ctx context.Context, id int) (string, error) { return db.names[id], nil },
		cache.WithInvalidation(changed))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(names.Get(ctx, 7))
	fmt.Println(db.rename(ctx, 7, "Ada L."))
	fmt.Println(names.Get(ctx, 7))
	// Output:
	// true
	// Ada B. <nil>
	// <nil>
	// Ada L. <nil>
}
