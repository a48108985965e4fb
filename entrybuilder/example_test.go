package entrybuilder_test

import (
	"fmt"
	"time"

	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/storage"
)

func ExampleNewLifespan() {
	lifespan, err := entrybuilder.NewLifespan[string, int](10*time.Minute, 30*time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	printLifespan(lifespan.Build(loadStarted, "key", 42))

	_, err = entrybuilder.NewLifespan[string, int](2*time.Minute, time.Minute)
	fmt.Println(err)
	// Output:
	// 42: stale at 12:10:00, expired at 12:30:00
	// entrybuilder: update_after 2m0s is greater than expire_after 1m0s
}

// An entry that never expires is still refreshed, when somebody asks for it.
func ExampleNewLifespan_forever() {
	lifespan, err := entrybuilder.NewLifespan[string, int](10*time.Minute, entrybuilder.Forever)
	if err != nil {
		fmt.Println(err)
		return
	}
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	printLifespan(lifespan.Build(loadStarted, "key", 42))
	// Output: 42: stale at 12:10:00, expired never
}

// The figures can be changed while a cache works with them, for instance during an outage of the
// backend.
func ExampleLifespan_Update() {
	lifespan, err := entrybuilder.NewLifespan[string, int](10*time.Minute, 30*time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	before := lifespan.Build(loadStarted, "key", 1)
	if err := lifespan.Update(time.Hour, 24*time.Hour); err != nil {
		fmt.Println(err)
		return
	}
	printLifespan(before)
	printLifespan(lifespan.Build(loadStarted, "key", 2))
	// Output:
	// 1: stale at 12:10:00, expired at 12:30:00
	// 2: stale at 13:00:00, expired at 12:00:00 on the next day
}

// The life span comes from the value, as with the max-age of an HTTP response. The value is
// refreshed when a quarter of its time is left, so that those who ask for it do not have to wait.
func ExamplePerValue() {
	type response struct {
		body   string
		maxAge time.Duration // negative: no-store
	}
	builder := entrybuilder.PerValue(func(_ string, r response) (updateAfter, expireAfter time.Duration) {
		return r.maxAge * 3 / 4, r.maxAge
	})

	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, r := range []response{{"news", time.Minute}, {"logo", 8 * time.Hour}, {"account", -1}} {
		entry := builder.Build(loadStarted, "https://example.org/"+r.body, r)
		fmt.Printf("%s: stale at %s, expired at %s\n", r.body,
			entry.UpdateAfter().Format(time.TimeOnly), entry.ExpireAfter().Format(time.TimeOnly))
	}
	// Output:
	// news: stale at 12:00:45, expired at 12:01:00
	// logo: stale at 18:00:00, expired at 20:00:00
	// account: stale at 12:00:00, expired at 12:00:00
}

func printLifespan(entry *storage.Entry[int]) {
	text := func(at time.Time) string {
		switch {
		case at.IsZero():
			return "never"
		case at.YearDay() > entry.Created().YearDay():
			return "at " + at.Format(time.TimeOnly) + " on the next day"
		}
		return "at " + at.Format(time.TimeOnly)
	}
	fmt.Printf("%d: stale %s, expired %s\n", entry.Value, text(entry.UpdateAfter()), text(entry.ExpireAfter()))
}
