package cache_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/eviction/evictiontest"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/serde/serdetest"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

// The names and signatures that programs outside this repository are compiled against. The compiler is the test: an interface that is
// assigned to and from one written out here has exactly these methods.

type (
	ctx = context.Context

	apiCache[A, V any] interface {
		Get(ctx, A) (V, error)
		Peek(ctx, A) (V, bool)
		Refresh(ctx, A) (V, error)
		Set(ctx, A, V) error
		Invalidate(ctx, A) error
		InvalidateAll(ctx) error
		Reconfigure(...cache.Option) error
		Wait(ctx) error
		Stats() cache.Stats
		Close(ctx) error
	}

	apiStorage[K comparable, V any] interface {
		Get(ctx, K) (*storage.Entry[V], error)
		Offer(ctx, K, *storage.Entry[V]) error
		Release(ctx, K) error
		Invalidate(ctx, K) error
	}
	apiClearer                     interface{ Clear(ctx) error }
	apiLocal[K comparable, V any]  interface{ Lookup(K) *storage.Entry[V] }
	apiLister[K comparable, V any] interface {
		All() iter.Seq2[K, *storage.Entry[V]]
	}
	apiExtractor[A any, K comparable] interface{ Key(A) (K, error) }
	apiProcessor[V any]               interface{ Apply(V) V }
	apiResizer                        interface{ Resize(int) }

	apiBuilder[K comparable, V any] interface {
		Build(loadStarted time.Time, key K, value V) *storage.Entry[V]
	}

	apiStrategy[K comparable] interface {
		MarkRead(K, *storage.Mark)
		MarkWritten(K, *storage.Mark)
		MarkReleased(K)
		NextToRelease() (K, bool)
		Clear()
	}
	apiSizedStrategy[K comparable] interface {
		apiStrategy[K]
		Len() int
		Capacity() int
		Resize(int)
	}

	apiCodec[V any] interface {
		Encode(*storage.Entry[V]) ([]byte, error)
		Decode([]byte) (*storage.Entry[V], error)
	}
	apiEncoding interface {
		Encode(data []byte) ([]byte, error)
		Decode(data []byte, maxBytes int) ([]byte, error)
	}

	apiTarget[A any] interface {
		Invalidate(ctx, A) error
		InvalidateAll(ctx) error
	}
)

// storage
var (
	_ func(value []byte, created, updateAfter, expireAfter time.Time) *storage.Entry[[]byte] = storage.NewEntry[[]byte]
	_ interface {
		Created() time.Time
		UpdateAfter() time.Time
		ExpireAfter() time.Time
		Stale(time.Time) bool
		Expired(time.Time) bool
		Equal(*storage.Entry[[]byte]) bool
		Mark() *storage.Mark
	} = (*storage.Entry[[]byte])(nil)
	_ interface {
		Load() uint32
		Store(uint32)
		CompareAndSwap(old, new uint32) bool
	} = (*storage.Mark)(nil)
	_ []byte = storage.Entry[[]byte]{}.Value

	_ storage.Storage[int, []byte] = apiStorage[int, []byte](nil)
	_ apiStorage[int, []byte]      = storage.Storage[int, []byte](nil)
	_ storage.Clearer              = apiClearer(nil)
	_ apiClearer                   = storage.Clearer(nil)
	_ storage.Local[int, []byte]   = apiLocal[int, []byte](nil)
	_ apiLocal[int, []byte]        = storage.Local[int, []byte](nil)
	_ storage.Lister[int, []byte]  = apiLister[int, []byte](nil)
	_ apiLister[int, []byte]       = storage.Lister[int, []byte](nil)

	_ func() *storage.Memory[int, []byte] = storage.NewMemory[int, []byte]
	_ interface {
		apiStorage[int, []byte]
		apiLocal[int, []byte]
		apiLister[int, []byte]
		apiClearer
		Len() int
	} = (*storage.Memory[int, []byte])(nil)
)

// eviction
var (
	_ eviction.Strategy[int] = apiStrategy[int](nil)
	_ apiStrategy[int]       = eviction.Strategy[int](nil)
	_ eviction.Resizer       = apiResizer(nil)
	_ apiResizer             = eviction.Resizer(nil)

	_ func(int) *eviction.LeastRecentlyUpdated[int] = eviction.NewLeastRecentlyUpdated[int]
	_ func(int) *eviction.LeastRecentlyUsed[int]    = eviction.NewLeastRecentlyUsed[int]
	_ func(int) *eviction.SIEVE[int]                = eviction.NewSIEVE[int]
	_ func(int) *eviction.S3FIFO[int]               = eviction.NewS3FIFO[int]
	_ func() eviction.Strategy[int]                 = eviction.None[int]
	_ apiSizedStrategy[int]                         = (*eviction.LeastRecentlyUpdated[int])(nil)
	_ apiSizedStrategy[int]                         = (*eviction.LeastRecentlyUsed[int])(nil)
	_ apiSizedStrategy[int]                         = (*eviction.SIEVE[int])(nil)
	_ apiSizedStrategy[int]                         = (*eviction.S3FIFO[int])(nil)
)

// entrybuilder
var (
	_ entrybuilder.Builder[int, []byte] = apiBuilder[int, []byte](nil)
	_ apiBuilder[int, []byte]           = entrybuilder.Builder[int, []byte](nil)
	_ apiBuilder[int, []byte]           = (*entrybuilder.Lifespan[int, []byte])(nil)

	_ func(updateAfter, expireAfter time.Duration) (*entrybuilder.Lifespan[int, []byte], error) = entrybuilder.NewLifespan[int, []byte]
	_ func(l *entrybuilder.Lifespan[int, []byte], updateAfter, expireAfter time.Duration) error = (*entrybuilder.Lifespan[int, []byte]).Update
	_ func(func(int, []byte) (time.Duration, time.Duration)) entrybuilder.Builder[int, []byte]  = entrybuilder.PerValue[int, []byte]
	_ [entrybuilder.Forever - math.MaxInt64]struct{}                                            = [0]struct{}{}
	_ time.Duration                                                                             = entrybuilder.Forever
)

// keys
var (
	_ keys.Extractor[[]byte, int]  = apiExtractor[[]byte, int](nil)
	_ apiExtractor[[]byte, int]    = keys.Extractor[[]byte, int](nil)
	_ keys.Args2[[]byte, int]      = keys.Of2([]byte{}, 1)
	_ keys.Args3[[]byte, int, int] = keys.Of3([]byte{}, 1, 2)
	_                              = keys.Args2[[]byte, int]{First: nil, Second: 2}
	_                              = keys.Args3[[]byte, int, string]{First: nil, Second: 2, Third: ""}
	_ error                        = keys.ErrUnencodable

	_ func(func([]byte) (int, error)) keys.Extractor[[]byte, int]                             = keys.Func[[]byte, int]
	_ func() keys.Extractor[int, int]                                                         = keys.Identity[int]
	_ func(name string) keys.Extractor[[]byte, string]                                        = keys.ByName[[]byte]
	_ func() keys.Extractor[[]byte, string]                                                   = keys.ByReference[[]byte]
	_ func(keys.Extractor[[]byte, string]) keys.Extractor[keys.Args2[func(), []byte], string] = keys.SkipFirst[func(), []byte, string]
)

// serde
var (
	_ serde.Codec[[]byte] = apiCodec[[]byte](nil)
	_ apiCodec[[]byte]    = serde.Codec[[]byte](nil)
	_ serde.Encoding      = apiEncoding(nil)
	_ apiEncoding         = serde.Encoding(nil)

	_ func(...serde.JSONOption) serde.Codec[[]byte]                                            = serde.JSON[[]byte]
	_ func(func(int) (string, error), func(string) (int, error)) serde.Codec[int]              = serde.JSONVia[int, string]
	_ func() serde.Codec[[]byte]                                                               = serde.Gob[[]byte]
	_ func(serde.Codec[[]byte], serde.Encoding, ...serde.Option) serde.Codec[[]byte]           = serde.Encoded[[]byte]
	_ func(inner serde.Codec[[]byte], schema uint32, opts ...serde.Option) serde.Codec[[]byte] = serde.Framed[[]byte]
	_ func() serde.Encoding                                                                    = serde.Zlib
	_ func() serde.Encoding                                                                    = serde.Gzip
	_ func() serde.Encoding                                                                    = serde.Base64
	_ func(int) serde.Option                                                                   = serde.MaxBytes
	_                                                                                          = []error{serde.ErrCorrupt, serde.ErrVersion, serde.ErrTooLarge}
)

// postprocess and invalidation
var (
	_ postprocess.Processor[[]byte] = apiProcessor[[]byte](nil)
	_ apiProcessor[[]byte]          = postprocess.Processor[[]byte](nil)

	_ func(func([]byte) []byte) postprocess.Processor[[]byte] = postprocess.Func[[]byte]
	_ func() postprocess.Processor[[]byte]                    = postprocess.None[[]byte]
	_ func() postprocess.Processor[[]byte]                    = postprocess.DeepCopy[[]byte]

	_ invalidation.Target[[]byte]          = apiTarget[[]byte](nil)
	_ apiTarget[[]byte]                    = invalidation.Target[[]byte](nil)
	_ func() *invalidation.Support[[]byte] = invalidation.New[[]byte]
	_ interface {
		apiTarget[[]byte]
		Bind(invalidation.Target[[]byte])
	} = (*invalidation.Support[[]byte])(nil)
	_ error = invalidation.ErrUnbound
)

// cache
var (
	_ func(func(ctx, int) ([]byte, error), ...cache.Option) (*cache.Cache[int, []byte], error)                                          = cache.New[int, []byte]
	_ func(func(ctx, []string) ([]byte, error), keys.Extractor[[]string, int], ...cache.Option) (*cache.Cache[[]string, []byte], error) = cache.NewKeyed[[]string, int, []byte]

	_ apiCache[int, []byte]      = (*cache.Cache[int, []byte])(nil)
	_ apiCache[[]string, func()] = (*cache.Cache[[]string, func()])(nil) // any types, comparable or not
	_ invalidation.Target[int]   = (*cache.Cache[int, []byte])(nil)

	_ func(int) cache.Option                               = cache.WithCapacity
	_ func(time.Duration) cache.Option                     = cache.WithUpdateAfter
	_ func(time.Duration) cache.Option                     = cache.WithExpireAfter
	_ func(time.Duration) cache.Option                     = cache.WithTimeout
	_ func(time.Duration) cache.Option                     = cache.WithUpdateLockTimeout
	_ func(time.Duration) cache.Option                     = cache.WithStorageTimeout
	_ func(time.Duration) cache.Option                     = cache.WithRefreshBackoff
	_ func(storage.Storage[int, []byte]) cache.Option      = cache.WithStorage[int, []byte]
	_ func(eviction.Strategy[int]) cache.Option            = cache.WithEviction[int]
	_ func(entrybuilder.Builder[int, []byte]) cache.Option = cache.WithEntryBuilder[int, []byte]
	_ func(postprocess.Processor[[]byte]) cache.Option     = cache.WithPostprocess[[]byte]
	_ func(*invalidation.Support[[]string]) cache.Option   = cache.WithInvalidation[[]string]
	_ func(clockwork.Clock) cache.Option                   = cache.WithClock
	_ func(func(cache.Event)) cache.Option                 = cache.WithObserver
	_ func(*slog.Logger) cache.Option                      = cache.WithLogger
	_ func(string) cache.Option                            = cache.WithName
	_ func() cache.Option                                  = cache.WithStats
	_ func() cache.Option                                  = cache.AwaitConfiguration

	_ [cache.Forever - entrybuilder.Forever]struct{} = [0]struct{}{}

	_ = []error{
		cache.ErrNotConfigured, cache.ErrLoadTimeout, cache.ErrUpdateLockTimeout,
		cache.ErrReentrantLoad, cache.ErrLoaderExited, cache.ErrClosed,
	}
	_ interface {
		error
		Unwrap() error
	} = (*cache.LoadError)(nil)
	_ error = (*cache.PanicError)(nil)
	_       = cache.LoadError{Key: any(1), Err: error(nil)}
	_       = cache.PanicError{Value: any(1), Stack: []byte(nil)}
	_       = cache.Event{Kind: cache.EventKind(0), Key: any(1), Duration: time.Duration(0), Err: error(nil)}
	_       = []cache.EventKind{
		cache.LoadStarted, cache.LoadSucceeded, cache.LoadFailed, cache.RefreshFailed,
		cache.Evicted, cache.Invalidated, cache.StorageFailed, cache.DecodeFailed,
	}
	_ = cache.Stats{
		Hits: uint64(0), StaleHits: uint64(0), Led: uint64(0), Joined: uint64(0), Refused: uint64(0),
		LoadsSucceeded: uint64(0), LoadsFailed: uint64(0), LoadsTimedOut: uint64(0), LoadsPanicked: uint64(0), LoadsExited: uint64(0),
		LoadsRunning: int(0),
		Evictions:    uint64(0), Invalidations: uint64(0), StorageErrors: uint64(0), DecodeErrors: uint64(0),
		HitsCounted: false,
	}
)

// The suites for those who implement a contract.
var (
	_ func(*testing.T, func(int) eviction.Strategy[int])                                        = evictiontest.Run
	_ func(*testing.T, func() serde.Codec[int], ...int)                                         = serdetest.Run[int]
	_ func(*testing.T, func(*testing.T) storage.Storage[string, string], ...storagetest.Option) = storagetest.Run
)

func TestEventKindsDifferAndHaveNames(t *testing.T) {
	seen := map[string]cache.EventKind{}
	for _, kind := range []cache.EventKind{
		cache.LoadStarted, cache.LoadSucceeded, cache.LoadFailed, cache.RefreshFailed,
		cache.Evicted, cache.Invalidated, cache.StorageFailed, cache.DecodeFailed,
	} {
		name := kind.String()
		if other, ok := seen[name]; ok || name == "" || name == "unknown" {
			t.Errorf("event kinds %d and %d are both called %q", kind, other, name)
		}
		seen[name] = kind
	}
	for _, kind := range []cache.EventKind{0, 255} {
		if got := kind.String(); got != "unknown" {
			t.Errorf("EventKind(%d).String() = %q, want unknown", kind, got)
		}
	}
}

func TestOwnErrorsAreDistinct(t *testing.T) {
	own := []error{
		cache.ErrNotConfigured, cache.ErrLoadTimeout, cache.ErrUpdateLockTimeout,
		cache.ErrReentrantLoad, cache.ErrLoaderExited, cache.ErrClosed, invalidation.ErrUnbound, keys.ErrUnencodable,
	}
	for i, a := range own {
		for j, b := range own {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%q, %q) = %v", a, b, i != j)
			}
		}
	}
}

// No option needs a type parameter: each takes its types from the component that it is given.
func TestOptionsInferTheirTypes(t *testing.T) {
	lifespan, err := entrybuilder.NewLifespan[int, []byte](time.Minute, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.NewKeyed(
		func(_ context.Context, words []string) ([]byte, error) { return []byte(words[0]), nil },
		keys.Func(func(words []string) (int, error) { return len(words), nil }),
		cache.WithStorage(storage.NewMemory[int, []byte]()),
		cache.WithEviction(eviction.NewS3FIFO[int](8)),
		cache.WithEntryBuilder(lifespan),
		cache.WithPostprocess(postprocess.DeepCopy[[]byte]()),
		cache.WithInvalidation(invalidation.New[[]string]()),
		cache.WithClock(clockwork.NewFakeClock()),
		cache.WithTimeout(cache.Forever),
		cache.WithUpdateLockTimeout(cache.Forever),
		cache.WithStorageTimeout(cache.Forever),
		cache.WithRefreshBackoff(cache.Forever),
		cache.WithObserver(func(cache.Event) {}),
		cache.WithLogger(slog.New(slog.DiscardHandler)),
		cache.WithName("words"),
		cache.WithStats(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), []string{"x", "y"}); string(got) != "x" || err != nil {
		t.Errorf("Get = %q, %v, want x", got, err)
	}
	settle(t, c)
}
