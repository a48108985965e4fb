package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

// What becomes of the callers of a cache while its storage fails.
func ExampleNewFaulty() {
	ctx := context.Background()
	faulty, err := storagetest.NewFaulty(storage.NewMemory[string, int](),
		storagetest.Scripted(storagetest.OnOffer, storagetest.Fail, storagetest.OK),
		storagetest.Standing(storagetest.OnInvalidate, storagetest.Panic))
	if err != nil {
		fmt.Println(err)
		return
	}
	loads := 0
	c, err := cache.New(func(context.Context, string) (int, error) {
		loads++
		return loads, nil
	}, cache.WithStorage(faulty.Storage()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		value, err := c.Get(ctx, "k")
		_ = c.Wait(ctx) // until it has been written, or has failed to
		fmt.Println("value:", value, err)
	}
	fmt.Println("invalidation failed:", errors.Is(c.Invalidate(ctx, "k"), storagetest.ErrInjected))
	faulty.Heal()
	fmt.Println("invalidated:", c.Invalidate(ctx, "k"))
	fmt.Println("calls of Offer:", faulty.Calls(storagetest.OnOffer), "failed:", faulty.Injected(storagetest.OnOffer, storagetest.Fail))
	// Output:
	// value: 1 <nil>
	// value: 2 <nil>
	// value: 2 <nil>
	// invalidation failed: true
	// invalidated: <nil>
	// calls of Offer: 2 failed: 1
}

// A storage of bytes that fails in a tenth of its calls, the same ones in every run.
func ExampleSeeded() {
	ctx := context.Background()
	count := func() (failed int) {
		faulty, err := storagetest.NewFaulty(storage.NewMemory[string, int](),
			storagetest.Seeded(42, map[storagetest.Fault]float64{storagetest.Fail: 0.05, storagetest.Twice: 0.05}))
		if err != nil {
			fmt.Println(err)
			return 0
		}
		now := time.Now()
		for range 1000 {
			if faulty.Offer(ctx, "k", storage.NewEntry(1, now, now.Add(time.Minute), now.Add(time.Hour))) != nil {
				failed++
			}
		}
		return failed
	}
	first := count()
	fmt.Println(first > 20 && first < 90, first == count())
	// Output: true true
}

// A call that hangs has an owner, who lets it go.
func ExampleFaulty_Free() {
	ctx := context.Background()
	faulty, err := storagetest.NewFaulty(storage.NewMemory[string, int](),
		storagetest.Standing(storagetest.OnOffer, storagetest.HangForever))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := cache.New(func(context.Context, string) (int, error) { return 1, nil },
		cache.WithStorage(faulty.Storage()), cache.WithStorageTimeout(10*time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Set(ctx, "k", 2)
	fmt.Println("given up on:", errors.Is(err, context.DeadlineExceeded), "hanging:", faulty.Hanging())
	faulty.Heal()
	faulty.Free()
	fmt.Println("nothing left running:", c.Close(ctx), "hanging:", faulty.Hanging())
	// Output:
	// given up on: true hanging: 1
	// nothing left running: <nil> hanging: 0
}
