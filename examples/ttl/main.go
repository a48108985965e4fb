// Ttl shows values that say themselves how long they live: leases that are refreshed when their time is over and that
// may be used a tenth longer, one that never ends and one that must not be kept.
//
//	go run ./examples/ttl
package main

import (
	"context"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/storage"
)

// lease is what the backend returns: a value, and for how long it is good.
type lease struct {
	Address string
	TTL     time.Duration
}

// lookUp is the slow function.
func lookUp(_ context.Context, host string) (lease, error) {
	ttls := map[string]time.Duration{
		"alpha":    90 * time.Second,
		"beta":     5 * time.Minute,
		"constant": entrybuilder.Forever,
		"volatile": 0,
	}
	ttl, ok := ttls[host]
	if !ok {
		return lease{}, fmt.Errorf("no such host: %q", host)
	}
	return lease{Address: host + ".example", TTL: ttl}, nil
}

// lifespan says when a lease is refreshed, and until when it may be handed out if that takes a while or fails. A life
// span of 0 means that the value goes to those who wait for it and is not kept.
func lifespan(_ string, l lease) (updateAfter, expireAfter time.Duration) {
	if l.TTL == entrybuilder.Forever {
		return entrybuilder.Forever, entrybuilder.Forever
	}
	return l.TTL, l.TTL + l.TTL/10
}

func main() {
	ctx := context.Background()
	memory := storage.NewMemory[string, lease]() // held here only to look inside
	leases, err := cache.New(lookUp,
		cache.WithStorage(memory),
		cache.WithEntryBuilder(entrybuilder.PerValue(lifespan)))
	if err != nil {
		log.Fatal(err)
	}

	for _, host := range []string{"alpha", "beta", "constant", "volatile"} {
		l, err := leases.Get(ctx, host)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("got", l.Address)
	}
	// A caller gets the value before it is written.
	if err := leases.Wait(ctx); err != nil {
		log.Fatal(err)
	}

	fmt.Println("entries in the storage:")
	entries := maps.Collect(memory.All())
	for _, host := range slices.Sorted(maps.Keys(entries)) {
		entry := entries[host]
		fmt.Printf("  %-8s  update after %-5s  expire after %s\n", host,
			age(entry.Created(), entry.UpdateAfter()), age(entry.Created(), entry.ExpireAfter()))
	}
}

// age is how old an entry is at the deadline. The zero Time is no deadline.
func age(created, deadline time.Time) string {
	if deadline.IsZero() {
		return "never"
	}
	return deadline.Sub(created).String()
}
