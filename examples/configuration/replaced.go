package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

// request is what callers ask with. The trace does not change the answer, so it is not part of the key.
type request struct {
	Tenant string
	User   int
	Trace  string
}

type user struct {
	Name  string
	Roles []string
}

// Every part is one of the caller's choice. What belongs to a part, like the capacity, is set on the part.
func replaced(ctx context.Context) error {
	// A fake clock, so that the example need not wait. A program would leave out WithClock, or pass
	// clockwork.NewRealClock().
	clock := clockwork.NewFakeClock()

	down := false
	load := func(_ context.Context, r request) (user, error) {
		if down {
			return user{}, errors.New("directory is down")
		}
		return user{Name: r.Tenant + "-" + strconv.Itoa(r.User), Roles: []string{"reader"}}, nil
	}
	key := keys.Func(func(r request) (string, error) {
		if r.Tenant == "" {
			return "", errors.New("request without tenant")
		}
		return strconv.Itoa(r.User) + "@" + r.Tenant, nil
	})
	lifespan, err := entrybuilder.NewLifespan[string, user](time.Minute, time.Hour)
	if err != nil {
		return err
	}
	users, err := cache.NewKeyed(load, key,
		cache.WithName("users"),
		cache.WithStorage(storage.NewMemory[string, user]()),
		cache.WithEviction(eviction.NewSIEVE[string](10_000)),
		cache.WithEntryBuilder(lifespan),
		cache.WithPostprocess(postprocess.DeepCopy[user]()), // callers may change what they get
		cache.WithClock(clock),
		cache.WithTimeout(10*time.Second),
		cache.WithUpdateLockTimeout(30*time.Second),
		cache.WithStorageTimeout(100*time.Millisecond),
		cache.WithRefreshBackoff(5*time.Second),
		cache.WithObserver(func(e cache.Event) { fmt.Printf("  event: %v %v\n", e.Kind, e.Key) }),
		cache.WithLogger(logger()))
	if err != nil {
		return err
	}

	first, err := users.Get(ctx, request{"acme", 7, "trace 1"})
	if err != nil {
		return err
	}
	first.Roles[0] = "admin" // in this caller's copy

	clock.Advance(time.Minute)
	down = true
	second, err := users.Get(ctx, request{"acme", 7, "trace 2"}) // stale: answered at once, refreshed in the background
	if err != nil {
		return err
	}
	if err := users.Wait(ctx); err != nil { // until the refresh has failed
		return err
	}
	fmt.Printf("  %s has the roles %v\n", second.Name, second.Roles)

	_, err = users.Get(ctx, request{User: 7})
	fmt.Println("  error:", err)
	return users.Close(ctx)
}

// logger writes to the standard output, without the time.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
