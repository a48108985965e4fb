package docs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

type user struct {
	ID    int64
	Name  string
	Roles []string
}

// findUser is the slow function of most snippets.
func findUser(_ context.Context, id int64) (user, error) {
	return user{ID: id, Name: fmt.Sprint("user ", id), Roles: []string{"reader"}}, nil
}

func Example_guideNew() {
	ctx := context.Background()

	users, err := cache.New(findUser, cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(time.Hour))
	if err != nil {
		log.Fatal(err) // an option does not fit; the error names it
	}
	u, err := users.Get(ctx, 4711)

	fmt.Println(u.Name, err)
	// Output: user 4711 <nil>
}

type search struct {
	Tenant string
	Tags   []string
	Limit  int
}

func findOrders(_ context.Context, s search) (string, error) {
	return fmt.Sprint("orders of ", s.Tenant, " tagged ", s.Tags), nil
}

func Example_guideKeyed() {
	ctx := context.Background()

	orders, err := cache.NewKeyed(findOrders, keys.ByName[search]("orders"))
	if err != nil {
		log.Fatal(err)
	}
	found, err := orders.Get(ctx, search{Tenant: "acme", Tags: []string{"open"}, Limit: 10})

	fmt.Println(found, err)
	// Output: orders of acme tagged [open] <nil>
}

type client struct{ token string }

func (c *client) page(_ context.Context, repository string, page int) (string, error) {
	return fmt.Sprintf("page %d of %s", page, repository), nil
}

func Example_guideSkipFirst() {
	ctx := context.Background()
	github := &client{token: "secret"}

	pages, err := cache.NewKeyed(
		func(ctx context.Context, args keys.Args2[*client, keys.Args2[string, int]]) (string, error) {
			return args.First.page(ctx, args.Second.First, args.Second.Second)
		},
		keys.SkipFirst[*client](keys.Identity[keys.Args2[string, int]]()))
	if err != nil {
		log.Fatal(err)
	}
	page, err := pages.Get(ctx, keys.Of2(github, keys.Of2("memoize", 2)))

	fmt.Println(page, err)
	// Output: page 2 of memoize <nil>
}

func Example_guideStorage() {
	ctx := context.Background()

	memory := storage.NewMemory[int64, user]()
	users, err := cache.New(findUser, cache.WithStorage(memory))
	if err != nil {
		log.Fatal(err)
	}

	_, _ = users.Get(ctx, 1)
	_ = users.Wait(ctx)
	for id, entry := range memory.All() {
		fmt.Println(id, entry.Value.Name)
	}
	// Output: 1 user 1
}

func Example_guideEviction() {
	ctx := context.Background()

	users, err := cache.New(findUser, cache.WithEviction(eviction.NewS3FIFO[int64](100_000)))
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(users.Get(ctx, 1))
	// Output: {1 user 1 [reader]} <nil>
}

type token struct {
	secret  string
	expires time.Duration // after it was issued
}

func issueToken(_ context.Context, audience string) (token, error) {
	return token{secret: "secret for " + audience, expires: time.Hour}, nil
}

func Example_guidePerValue() {
	ctx := context.Background()

	tokens, err := cache.New(issueToken, cache.WithEntryBuilder(entrybuilder.PerValue(
		func(audience string, t token) (updateAfter, expireAfter time.Duration) {
			return t.expires * 3 / 4, t.expires - time.Minute
		})))
	if err != nil {
		log.Fatal(err)
	}

	t, err := tokens.Get(ctx, "billing")
	fmt.Println(t.secret, err)
	// Output: secret for billing <nil>
}

func Example_guideLifespanUpdate() {
	lifespan, err := entrybuilder.NewLifespan[int64, user](time.Minute, time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	users, err := cache.New(findUser, cache.WithEntryBuilder(lifespan))
	if err != nil {
		log.Fatal(err)
	}
	// Later, for the entries that are built from then on:
	err = lifespan.Update(10*time.Minute, 24*time.Hour)

	_, _ = users.Get(context.Background(), 1)
	fmt.Println(err)
	// Output: <nil>
}

func Example_guidePostprocess() {
	ctx := context.Background()

	users, err := cache.New(findUser, cache.WithPostprocess(postprocess.DeepCopy[user]()))
	if err != nil {
		log.Fatal(err)
	}
	mine, _ := users.Get(ctx, 1)
	mine.Roles[0] = "owner" // changes a copy

	others, _ := users.Get(ctx, 1)
	fmt.Println(others.Roles)
	// Output: [reader]
}

func Example_guidePostprocessFunc() {
	ctx := context.Background()

	users, err := cache.New(findUser, cache.WithPostprocess(postprocess.Func(func(u user) user {
		u.Roles = slices.Clone(u.Roles)
		return u
	})))
	if err != nil {
		log.Fatal(err)
	}

	mine, _ := users.Get(ctx, 1)
	mine.Roles[0] = "owner"
	others, _ := users.Get(ctx, 1)
	fmt.Println(others.Roles)
	// Output: [reader]
}

func Example_guideInvalidation() {
	ctx := context.Background()

	changed := invalidation.New[int64]()
	users, err := cache.New(findUser, cache.WithInvalidation(changed))
	if err != nil {
		log.Fatal(err)
	}
	// Elsewhere, in code that gets changed and knows of no cache:
	err = changed.Invalidate(ctx, 4711)

	fmt.Println(err)
	_ = users.Close(ctx)
	// Output: <nil>
}

func Example_guideErrors() {
	ctx, w := context.Background(), os.Stdout
	users, err := cache.New(func(context.Context, int64) (user, error) { return user{}, errors.New("no route to host") })
	if err != nil {
		log.Fatal(err)
	}

	_, err = users.Get(ctx, 4711)
	var failed *cache.LoadError
	switch {
	case errors.Is(err, cache.ErrLoadTimeout):
		fmt.Fprintln(w, "the backend takes too long")
	case errors.As(err, &failed):
		fmt.Fprintln(w, "loading", failed.Key, "failed:", failed.Err)
	case err != nil:
		fmt.Fprintln(w, "not loaded:", err) // closed, not configured, no key, or ctx has ended
	}

	// Output: loading 4711 failed: no route to host
}

func Example_guideObserver() {
	ctx := context.Background()

	users, err := cache.New(findUser,
		cache.WithName("users"),
		cache.WithLogger(slog.Default()),
		cache.WithObserver(func(e cache.Event) {
			switch e.Kind {
			case cache.LoadSucceeded, cache.LoadFailed, cache.RefreshFailed:
				fmt.Println(e.Kind, e.Key, e.Duration >= 0, e.Err)
			}
		}))
	if err != nil {
		log.Fatal(err)
	}

	_, _ = users.Get(ctx, 1)
	// Output: load succeeded 1 true <nil>
}

func Example_guideReconfigure() {
	users, err := cache.New(findUser)
	if err != nil {
		log.Fatal(err)
	}

	err = users.Reconfigure(cache.WithCapacity(50_000), cache.WithTimeout(10*time.Second))

	fmt.Println(err)
	// Output: <nil>
}

func Example_guideClose() {
	users, err := cache.New(findUser)
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := users.Close(ctx); err != nil {
		log.Print(err) // something was still running after 10 seconds
	}

	_, err = users.Get(context.Background(), 1)
	fmt.Println(err)
	// Output: cache: closed
}

func Example_guideReentrance() {
	var depths *cache.Cache[string, int]
	parents := map[string]string{"/a/b": "/a", "/a": "/", "/loop": "/loop"}

	depths, err := cache.New(func(ctx context.Context, path string) (int, error) {
		parent, ok := parents[path]
		if !ok {
			return 0, nil
		}
		depth, err := depths.Get(ctx, parent) // with the ctx of this load
		return depth + 1, err
	})

	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(depths.Get(context.Background(), "/a/b"))
	_, err = depths.Get(context.Background(), "/loop")
	fmt.Println(errors.Is(err, cache.ErrReentrantLoad))
	// Output:
	// 2 <nil>
	// true
}

// The rules for a lone figure, as the guide has them.
func Example_guideLoneFigures() {
	clock := clockwork.NewFakeClock()
	for _, option := range []cache.Option{
		cache.WithUpdateAfter(time.Minute), cache.WithUpdateAfter(time.Hour),
		cache.WithExpireAfter(time.Minute), cache.WithExpireAfter(2 * time.Hour),
		cache.WithExpireAfter(cache.Forever), cache.WithUpdateAfter(cache.Forever),
	} {
		memory := storage.NewMemory[int64, user]()
		users, err := cache.New(findUser, option, cache.WithStorage(memory), cache.WithClock(clock))
		if err != nil {
			log.Fatal(err)
		}
		_, _ = users.Get(context.Background(), 1)
		_ = users.Wait(context.Background())
		entry := memory.Lookup(1)
		fmt.Println(span(entry.Created(), entry.UpdateAfter()), span(entry.Created(), entry.ExpireAfter()))
	}
	// Output:
	// 1m0s 30m0s
	// 1h0m0s 3h0m0s
	// 20s 1m0s
	// 10m0s 2h0m0s
	// 10m0s forever
	// forever forever
}

func span(from, to time.Time) string {
	if to.IsZero() {
		return "forever"
	}
	return to.Sub(from).String()
}
