// Dogpiling shows what happens when many callers ask for a value that is not there: with a plain TTL cache all of them
// run to the backend, with this library one load serves them all.
//
// Batches of 5 concurrent requests arrive every 70 ms; a value lives for 200 ms. It takes 4 seconds of real time.
//
//	go run ./examples/dogpiling
package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/cache"
)

const (
	batches   = 50
	batchSize = 5
	pause     = 70 * time.Millisecond
	lifespan  = 200 * time.Millisecond
	loadTime  = 10 * time.Millisecond
)

// backend counts the calls that reach it.
type backend struct{ calls atomic.Int64 }

func (b *backend) load(_ context.Context, _ string) (int64, error) {
	n := b.calls.Add(1)
	time.Sleep(loadTime)
	return n, nil
}

// ttlCache is what one writes in five minutes: a map with a time to live, and no protection.
type ttlCache struct {
	load   func(context.Context, string) (int64, error)
	mu     sync.Mutex
	values map[string]ttlValue // guarded by mu
}

type ttlValue struct {
	value   int64
	expires time.Time
}

func (c *ttlCache) Get(ctx context.Context, key string) (int64, error) {
	c.mu.Lock()
	v, ok := c.values[key]
	c.mu.Unlock()
	if ok && time.Now().Before(v.expires) {
		return v.value, nil
	}
	value, err := c.load(ctx, key) // and so do all the others who found nothing
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] = ttlValue{value, time.Now().Add(lifespan)}
	return value, nil
}

// batch calls get from many goroutines at once and waits for all of them.
func batch(get func(context.Context, string) (int64, error)) {
	var wg sync.WaitGroup
	for range batchSize {
		wg.Go(func() {
			if _, err := get(context.Background(), "key"); err != nil {
				log.Print(err)
			}
		})
	}
	wg.Wait()
}

func main() {
	var behindMemoize, behindTTL backend
	memoized, err := cache.New(behindMemoize.load, cache.WithUpdateAfter(lifespan))
	if err != nil {
		log.Fatal(err)
	}
	plain := &ttlCache{load: behindTTL.load, values: map[string]ttlValue{}}

	for range batches {
		batch(memoized.Get)
		batch(plain.Get)
		time.Sleep(pause)
	}

	fmt.Printf("%d batches of %d requests, one every %v; a value lives for %v\n", batches, batchSize, pause, lifespan)
	fmt.Println("backend calls with memoize:          ", behindMemoize.calls.Load())
	fmt.Println("backend calls with a plain TTL cache:", behindTTL.calls.Load())
	fmt.Println("predicted from the life span:        ", int64(pause*batches/lifespan))
}
