package storage_test

import (
	"context"
	"fmt"
	"time"

	"github.com/memoize-go/memoize/storage"
)

func ExampleNewEntry() {
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	entry := storage.NewEntry("value", loadStarted, loadStarted.Add(10*time.Minute), loadStarted.Add(30*time.Minute))

	for _, age := range []time.Duration{0, 10 * time.Minute, 30 * time.Minute} {
		now := loadStarted.Add(age)
		fmt.Printf("age %v: stale %v, expired %v\n", age, entry.Stale(now), entry.Expired(now))
	}
	// Output:
	// age 0s: stale false, expired false
	// age 10m0s: stale true, expired false
	// age 30m0s: stale true, expired true
}

// A zero Time as a deadline means never.
func ExampleNewEntry_forever() {
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	entry := storage.NewEntry("value", loadStarted, time.Time{}, time.Time{})

	inAThousandYears := loadStarted.AddDate(1000, 0, 0)
	fmt.Println(entry.Stale(inAThousandYears), entry.Expired(inAThousandYears))
	// Output: false false
}

// A storage that reads a clock for many entries makes a Moment once; where a glance does not suffice, Fresh tells.
func ExampleAt() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	entry := storage.NewEntry("value", now, now.Add(10*time.Minute), now.Add(30*time.Minute))

	for _, age := range []time.Duration{0, 10 * time.Minute} {
		at := now.Add(age)
		moment := storage.At(at, at)
		fmt.Println(age, entry.SurelyFresh(&moment) || entry.Fresh(at))
	}
	// Output:
	// 0s true
	// 10m0s false
}

// A record takes one allocation for key and entry, and none when it is stored.
func ExampleMemory_NewRecord() {
	memory := storage.NewMemory[string, int]()
	loadStarted := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

	record, _ := memory.NewRecord("answer", 42, loadStarted, storage.Moment{}, 10*time.Minute, 30*time.Minute)
	fmt.Println("new:", memory.Keep(record))
	memory.Grow() // if it is crowded
	fmt.Println(memory.Lookup("answer").Value, memory.Lookup("answer") == record.Entry())
	// Output:
	// new: true
	// 42 true
}

func ExampleNewMemory() {
	ctx := context.Background()
	now := time.Now()
	memory := storage.NewMemory[string, int]()

	_ = memory.Offer(ctx, "answer", storage.NewEntry(42, now, now.Add(time.Minute), now.Add(time.Hour)))
	fmt.Println(memory.Lookup("answer").Value, memory.Len())

	_ = memory.Invalidate(ctx, "answer")
	fmt.Println(memory.Lookup("answer"), memory.Len())
	// Output:
	// 42 1
	// <nil> 0
}
