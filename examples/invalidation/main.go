// Invalidation shows how the code that changes data throws away what a cache elsewhere holds of it, without knowing the
// cache: it only has a handle. It also shows what becomes of a load that is running at that moment: it is not stored.
//
//	go run ./examples/invalidation
package main

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/invalidation"
)

// priceTable stands in for a database.
type priceTable struct {
	mu     sync.Mutex
	prices map[string]int // in cents; guarded by mu
}

func (t *priceTable) read(article string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.prices[article]
}

func (t *priceTable) write(article string, cents int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prices[article] = cents
}

// repository changes prices. Of caches it knows nothing but the handle with which it says what has changed.
type repository struct {
	table   *priceTable
	changed *invalidation.Support[string]
}

// SetPrice writes first and invalidates then: the other way round, a load in between would store the old price again.
func (r *repository) SetPrice(ctx context.Context, article string, cents int) error {
	r.table.write(article, cents)
	return r.changed.Invalidate(ctx, article)
}

// shop reads prices through a cache of its own.
type shop struct {
	prices *cache.Cache[string, int]
	table  *priceTable

	// hold, if it is not nil, is called by a load that has read its price and not yet returned it.
	hold func()
}

func newShop(table *priceTable, changed *invalidation.Support[string]) (*shop, error) {
	s := &shop{table: table}
	prices, err := cache.New(s.load, cache.WithInvalidation(changed))
	s.prices = prices
	return s, err
}

func (s *shop) load(_ context.Context, article string) (int, error) {
	cents := s.table.read(article)
	if s.hold != nil {
		s.hold()
	}
	fmt.Println("  loaded:", cents)
	return cents, nil
}

func (s *shop) show(ctx context.Context, who, article string) {
	cents, err := s.prices.Get(ctx, article)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("  %s sees: %d\n", who, cents)
}

func main() {
	ctx := context.Background()
	table := &priceTable{prices: map[string]int{"tea": 350}}

	// The main program is the only place that knows both sides.
	changed := invalidation.New[string]()
	repo := &repository{table: table, changed: changed}
	sales, err := newShop(table, changed)
	if err != nil {
		log.Fatal(err)
	}
	setPrice := func(cents int) {
		if err := repo.SetPrice(ctx, "tea", cents); err != nil {
			log.Fatal(err)
		}
		fmt.Println("  price is now:", cents)
	}

	fmt.Println("An entry is thrown away")
	sales.show(ctx, "Ada", "tea")
	sales.show(ctx, "Ada", "tea")
	setPrice(390)
	sales.show(ctx, "Ada", "tea")

	fmt.Println("A price changes while it is being loaded")
	setPrice(400)
	reading, goOn := make(chan struct{}), make(chan struct{})
	sales.hold = func() { close(reading); <-goOn }
	var early sync.WaitGroup
	early.Go(func() { sales.show(ctx, "Ben, who asked before,", "tea") })
	<-reading // the load has read 400
	sales.hold = nil
	setPrice(420)
	close(goOn)
	early.Wait()
	sales.show(ctx, "Cleo, who asks after,", "tea")
	sales.show(ctx, "Cleo", "tea")
}
