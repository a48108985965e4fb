package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

// Service is what the adapter needs of a key-value service.
type Service interface {
	Get(ctx context.Context, key string) (data []byte, found bool, err error)
	Put(ctx context.Context, key string, data []byte, keep time.Duration) error
	Delete(ctx context.Context, key string) error
}

// Shared is a storage in a service that several processes use.
type Shared[V any] struct {
	service Service
	codec   serde.Codec[V]
	keep    time.Duration // longer than any entry lives
}

var _ storage.Storage[string, int] = (*Shared[int])(nil)

func (s *Shared[V]) Get(ctx context.Context, key string) (*storage.Entry[V], error) {
	data, found, err := s.service.Get(ctx, key)
	if err != nil || !found {
		return nil, err
	}
	return s.codec.Decode(data)
}

func (s *Shared[V]) Offer(ctx context.Context, key string, entry *storage.Entry[V]) error {
	data, err := s.codec.Encode(entry)
	if err != nil {
		return err
	}
	return s.service.Put(ctx, key, data, s.keep)
}

// Release leaves the entry to the other processes.
func (s *Shared[V]) Release(context.Context, string) error { return nil }

func (s *Shared[V]) Invalidate(ctx context.Context, key string) error {
	return s.service.Delete(ctx, key)
}

// fakeService is a Service in memory.
type fakeService struct {
	mu   sync.Mutex
	data map[string][]byte // guarded by mu
}

func newFakeService() *fakeService { return &fakeService{data: make(map[string][]byte)} }

func (f *fakeService) Get(ctx context.Context, key string) ([]byte, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, found := f.data[key]
	return bytes.Clone(data), found, ctx.Err()
}

func (f *fakeService) Put(ctx context.Context, key string, data []byte, _ time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	f.data[key] = bytes.Clone(data)
	return nil
}

func (f *fakeService) Delete(ctx context.Context, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	delete(f.data, key)
	return nil
}

func TestShared(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage[string, string] {
		return &Shared[string]{service: newFakeService(), codec: serde.JSON[string](), keep: time.Hour}
	}, storagetest.KeepsReleased())
}

func Example_customStorage() {
	ctx := context.Background()
	service := newFakeService()
	lookUp := func(_ context.Context, name string) (string, error) { return "number of " + name, nil }

	numbers, err := cache.New(lookUp,
		cache.WithStorage(&Shared[string]{
			service: service,
			codec:   serde.Framed(serde.JSON[string](), 1),
			keep:    24 * time.Hour,
		}),
		cache.WithEviction(eviction.None[string]()),
		cache.WithStorageTimeout(200*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(numbers.Get(ctx, "Ada"))
	_ = numbers.Wait(ctx)
	_, found, _ := service.Get(ctx, "Ada")
	fmt.Println(found)
	// Output:
	// number of Ada <nil>
	// true
}

type order struct {
	Lines []string
	Total int
}

func Example_codecs() {
	now := time.Unix(1.7e9, 0)
	entry := storage.NewEntry(order{Lines: []string{"tea"}, Total: 12}, now, now.Add(time.Minute), now.Add(time.Hour))

	readable := serde.JSON[order]()
	compressed := serde.Framed(serde.Encoded(serde.JSON[order](), serde.Zlib()), 1)
	amongGoPrograms := serde.Framed(serde.Gob[order](), 1, serde.MaxBytes(1<<20))

	for _, codec := range []serde.Codec[order]{readable, compressed, amongGoPrograms} {
		data, err := codec.Encode(entry)
		if err != nil {
			log.Fatal(err)
		}
		back, err := codec.Decode(data)
		fmt.Println(back.Equal(entry), err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
}
