package model_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

type value = evidence.Value

// system is what is tested: a cache, or one with a fault put in.
type system interface {
	Get(ctx context.Context, key int) (value, error)
	Peek(ctx context.Context, key int) (value, bool)
	Refresh(ctx context.Context, key int) (value, error)
	Set(ctx context.Context, key int, v value) error
	Invalidate(ctx context.Context, key int) error
	InvalidateAll(ctx context.Context) error
	Reconfigure(opts ...cache.Option) error
	Wait(ctx context.Context) error
	Stats() cache.Stats
	Close(ctx context.Context) error
}

var _ system = (*cache.Cache[int, value])(nil)

// parts is what a system is made of. Whoever puts a fault in may replace them.
type parts struct {
	load     func(context.Context, int) (value, error)
	clock    clockwork.Clock
	store    storage.Storage[int, value]
	shelf    *shelf                 // which is in it; nil: it is a storage.Memory
	strategy eviction.Strategy[int] // nil: the default, with the capacity of the options
	observe  func(cache.Event)
	log      slog.Handler
	support  *invalidation.Support[int]
	options  options // of which store, strategy and support have been made already
}

// newCache is the system as it is.
func newCache(p parts) (*cache.Cache[int, value], error) {
	opts := append(p.options.scalar(), cache.WithClock(p.clock), cache.WithStorage(p.store), cache.WithObserver(p.observe),
		cache.WithLogger(slog.New(p.log)), cache.WithInvalidation(p.support))
	if p.strategy != nil {
		opts = append(opts, cache.WithEviction(p.strategy))
	}
	return cache.New(p.load, opts...)
}

// scalar returns the options that need nothing that is made elsewhere.
func (o options) scalar() (opts []cache.Option) {
	if o.repeated {
		opts = append(opts, o.others().figures()...)
	}
	opts = append(opts, o.figures()...)
	if o.builder != nil {
		opts = append(opts, cache.WithEntryBuilder(o.builder.real()))
	}
	if o.process != 0 {
		opts = append(opts, cache.WithPostprocess(postprocess.Func(o.processor)))
	}
	if o.stats {
		opts = append(opts, cache.WithStats())
	}
	if o.await {
		opts = append(opts, cache.AwaitConfiguration())
	}
	return append(opts, o.misfit.options()...)
}

func (b *builder) real() entrybuilder.Builder[int, value] {
	l, err := entrybuilder.NewLifespan[int, value](b.update, b.expire)
	if err != nil {
		panic(err)
	}
	if b.does == builds {
		return l
	}
	return odd{l, b.does}
}

// odd is a builder that does not build.
type odd struct {
	entrybuilder.Builder[int, value]
	does building
}

func (o odd) Build(time.Time, int, value) *storage.Entry[value] {
	if o.does == buildPanics {
		panic("entry builder")
	}
	return nil
}

// errProcess is what post-processing panics with.
var errProcess = errors.New("post-processing")

func (o options) processor(v value) value {
	if o.process == panicProcess {
		panic(errProcess)
	}
	return processed(v, o.process)
}

func (o options) figures() []cache.Option {
	return slices.DeleteFunc([]cache.Option{
		option(o.capacity, cache.WithCapacity), option(o.update, cache.WithUpdateAfter), option(o.expire, cache.WithExpireAfter),
		option(o.backoff, cache.WithRefreshBackoff), option(o.timeout, cache.WithTimeout), option(o.lock, cache.WithUpdateLockTimeout),
		option(o.storage, cache.WithStorageTimeout), option(o.name, cache.WithName),
	}, func(opt cache.Option) bool { return opt == nil })
}

// others returns other figures, which are invalid by themselves, for those that are given.
func (o options) others() options {
	o.capacity.value, o.update.value, o.expire.value, o.backoff.value, o.timeout.value, o.lock.value = -1, -1, -1, -1, -1, -1
	o.storage.value, o.name.value = -1, "another"
	return o
}

func (m misfit) options() []cache.Option {
	memory := storage.NewMemory[string, int]
	switch m {
	case nilOption:
		return []cache.Option{nil}
	case nilStorage:
		return []cache.Option{cache.WithStorage[int, value](nil)}
	case nilClock:
		return []cache.Option{cache.WithClock(nil)}
	case wrongStorage:
		return []cache.Option{cache.WithStorage(memory())}
	case wrongEviction:
		return []cache.Option{cache.WithEviction(eviction.NewSIEVE[string](1))}
	case wrongBuilder:
		return []cache.Option{cache.WithEntryBuilder(entrybuilder.PerValue[string, int](nil))}
	case wrongProcessor:
		return []cache.Option{cache.WithPostprocess(postprocess.None[string]())}
	case wrongSupport:
		return []cache.Option{cache.WithInvalidation(invalidation.New[string]())}
	case storageTwice:
		return []cache.Option{cache.WithStorage(storage.NewMemory[int, value]()), cache.WithStorage(storage.NewMemory[int, value]())}
	case evictionTwice:
		return []cache.Option{cache.WithEviction(eviction.None[int]()), cache.WithEviction(eviction.None[int]())}
	case observerTwice:
		return []cache.Option{cache.WithObserver(nil), cache.WithObserver(nil)}
	default:
		return nil
	}
}

// option returns the option of a figure, or nil if that is not given.
func option[T any](f figure[T], with func(T) cache.Option) cache.Option {
	if !f.given {
		return nil
	}
	return with(f.value)
}

func (s *strategySpec) open() eviction.Strategy[int] {
	switch s.kind {
	case leastRecentlyUsed:
		return eviction.NewLeastRecentlyUsed[int](s.capacity)
	case sieve:
		return eviction.NewSIEVE[int](s.capacity)
	case s3fifo:
		return eviction.NewS3FIFO[int](s.capacity)
	case foreignStrategy:
		return stranger{eviction.NewLeastRecentlyUpdated[int](s.capacity)}
	case noStrategy:
		return eviction.None[int]()
	default:
		return eviction.NewLeastRecentlyUpdated[int](s.capacity)
	}
}

// stranger is a strategy that the cache does not know and cannot resize.
type stranger struct{ eviction.Strategy[int] }

func (s stranger) Len() int      { return s.Strategy.(*eviction.LeastRecentlyUpdated[int]).Len() }
func (s stranger) Capacity() int { return s.Strategy.(*eviction.LeastRecentlyUpdated[int]).Capacity() }

// clock is a fake clock that can be set, forwards and back: the time of day jumps, and timers do not
// notice.
type clock struct {
	*clockwork.FakeClock
	offset atomic.Int64
}

func (c *clock) Now() time.Time { return c.FakeClock.Now().Add(time.Duration(c.offset.Load())) }

func (c *clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *clock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// hasTimer reports whether a timer is running.
func (c *clock) hasTimer() bool {
	ended, end := context.WithCancel(context.Background())
	end()
	return c.BlockUntilContext(ended, 1) == nil
}

var errBackend = errors.New("the backend is down")

// classOf returns what an error matches.
func classOf(err error) (c class) {
	if err == nil {
		return 0
	}
	for class, sentinel := range map[class]error{
		backend: errBackend, canceled: context.Canceled, deadline: context.DeadlineExceeded,
		loadTimeout: cache.ErrLoadTimeout, lockTimeout: cache.ErrUpdateLockTimeout, exited: cache.ErrLoaderExited,
		closed: cache.ErrClosed, unconfigured: cache.ErrNotConfigured, reentrant: cache.ErrReentrantLoad,
		unbound: invalidation.ErrUnbound, unsupported: errors.ErrUnsupported, stored: errStore,
	} {
		if errors.Is(err, sentinel) {
			c |= class
		}
	}
	if e := (*cache.LoadError)(nil); errors.As(err, &e) {
		c |= loadError
	}
	if e := (*cache.PanicError)(nil); errors.As(err, &e) {
		c |= panicked
	}
	if c == 0 {
		c = unknown
	}
	return c
}

// classOfOptions is classOf for an error of New or Reconfigure, which names the option.
func classOfOptions(err error) class {
	if c := classOf(err); c != unknown {
		return c
	}
	if text := err.Error(); strings.Contains(text, "With") || strings.Contains(text, "AwaitConfiguration") || strings.Contains(text, "is nil") {
		return invalidOption
	}
	return unknown
}
