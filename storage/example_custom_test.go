package storage_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Newest is a storage behind a lock that keeps the newest entry of a key, as one that several processes write to
// ought to. The suite in storagetest finds nothing wrong with it.
type Newest[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*storage.Entry[V] // guarded by mu
}

var _ storage.Storage[int, int] = (*Newest[int, int])(nil)

func NewNewest[K comparable, V any]() *Newest[K, V] {
	return &Newest[K, V]{entries: map[K]*storage.Entry[V]{}}
}

func (n *Newest[K, V]) Get(_ context.Context, key K) (*storage.Entry[V], error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entries[key], nil
}

func (n *Newest[K, V]) Offer(_ context.Context, key K, entry *storage.Entry[V]) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if held := n.entries[key]; held == nil || !held.Created().After(entry.Created()) {
		n.entries[key] = entry
	}
	return nil
}

func (n *Newest[K, V]) Release(ctx context.Context, key K) error { return n.Invalidate(ctx, key) }

func (n *Newest[K, V]) Invalidate(_ context.Context, key K) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.entries, key)
	return nil
}

// A storage of one's own needs four methods. It judges neither the age nor the number of its entries.
func Example_customStorage() {
	ctx := context.Background()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	newest := NewNewest[string, string]()

	_ = newest.Offer(ctx, "k", storage.NewEntry("loaded later", noon.Add(time.Second), time.Time{}, time.Time{}))
	_ = newest.Offer(ctx, "k", storage.NewEntry("loaded earlier", noon, time.Time{}, time.Time{}))

	entry, err := newest.Get(ctx, "k")
	fmt.Println(entry.Value, err)
	// Output: loaded later <nil>
}
