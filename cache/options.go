package cache

import (
	"log/slog"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/storage"
)

// Forever is the life span that never ends, and the timeout that never comes.
const Forever = entrybuilder.Forever

// Option is a setting of a cache, for [New], [NewKeyed] and [Cache.Reconfigure]. Options only
// record: they are checked together, when all are known, so their order does not matter. Of the
// same figure the last one counts; the same part given twice is an error, and so is a figure of a
// default part together with a replacement of that part.
type Option interface {
	record(*recorded)
}

type optionFunc func(*recorded)

func (f optionFunc) record(r *recorded) { f(r) }

// figure is a number that was given, or not.
type figure[T any] struct {
	value T
	given bool
}

func (f *figure[T]) set(v T) { f.value, f.given = v, true }

// part is a component that was given, or not.
type part struct {
	value any
	fits  string // the type that the option was made for
	count int
}

func setPart[T any](p *part, v T) {
	p.value = v
	p.fits = typeName[T]()
	p.count++
}

// recorded is what the options said, unchecked.
type recorded struct {
	capacity                               figure[int]
	updateAfter, expireAfter               figure[time.Duration]
	timeout, updateLockTimeout             figure[time.Duration]
	storageTimeout, refreshBackoff         figure[time.Duration]
	name                                   figure[string]
	stats, await                           bool
	storage, eviction, builder, processor  part
	invalidation, clock, observer, logging part
}

// WithCapacity sets how many entries the cache holds at rest, at least 1. The default is 4096. It
// is a figure of the default eviction strategy, least recently updated; other strategies are made
// with their own.
func WithCapacity(n int) Option {
	return optionFunc(func(r *recorded) { r.capacity.set(n) })
}

// WithUpdateAfter sets the age from which an entry is stale: it is still handed out, and refreshed
// in the background. 0 makes every hit refresh, [Forever] none. The default is 10 minutes, or a
// third of WithExpireAfter if that is less. It is a figure of the default entry builder.
func WithUpdateAfter(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.updateAfter.set(d) })
}

// WithExpireAfter sets the age from which an entry is expired: it is no longer handed out. 0 keeps
// nothing beyond the flight that loaded it, [Forever] everything. The default is 30 minutes, or
// three times WithUpdateAfter if that is more. It is a figure of the default entry builder.
func WithExpireAfter(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.expireAfter.set(d) })
}

// WithTimeout sets how long a load may take. Then its ctx is cancelled, its callers get
// [ErrLoadTimeout] and the key is free, even if the load function does not return. The default is 2
// minutes; [Forever] means no limit.
func WithTimeout(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.timeout.set(d) })
}

// WithUpdateLockTimeout sets how long a flight may keep its key. Then its callers get
// [ErrUpdateLockTimeout], its result is dropped and the next call starts a new flight. It guards
// what WithTimeout does not: a load timeout that is longer, or none. The default is 5 minutes;
// [Forever] means no limit.
func WithUpdateLockTimeout(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.updateLockTimeout.set(d) })
}

// WithStorageTimeout sets how long a call of the storage may take before it is given up on. The
// default is 1 second; [Forever] means no limit. It does not concern [storage.Memory].
func WithStorageTimeout(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.storageTimeout.set(d) })
}

// WithRefreshBackoff sets how long a background load of a key waits after a failed load. The
// default is 1 second; 0 means not at all, [Forever] until a newer entry is there.
func WithRefreshBackoff(d time.Duration) Option {
	return optionFunc(func(r *recorded) { r.refreshBackoff.set(d) })
}

// WithName sets the name of the cache in its log output. There is none by default.
func WithName(name string) Option {
	return optionFunc(func(r *recorded) { r.name.set(name) })
}

// WithStats counts hits too, for [Cache.Stats]. Without it only what happens off the hit path is
// counted. The counters take between 1 and 2 kB of memory for each processor.
func WithStats() Option {
	return optionFunc(func(r *recorded) { r.stats = true })
}

// AwaitConfiguration makes a cache whose calls return [ErrNotConfigured] until [Cache.Reconfigure]
// succeeds. It is an option of New only.
func AwaitConfiguration() Option {
	return optionFunc(func(r *recorded) { r.await = true })
}

// WithStorage sets where the entries live. The default is [storage.Memory].
func WithStorage[K comparable, V any](s storage.Storage[K, V]) Option {
	return optionFunc(func(r *recorded) { setPart(&r.storage, s) })
}

// WithEviction sets which entry goes when there are too many. The default is
// [eviction.LeastRecentlyUpdated]; [eviction.None] is for a storage that bounds itself. A strategy
// serves one cache.
func WithEviction[K comparable](s eviction.Strategy[K]) Option {
	return optionFunc(func(r *recorded) { setPart(&r.eviction, s) })
}

// WithEntryBuilder sets how long each entry lives. The default is an [entrybuilder.Lifespan] with
// the figures of WithUpdateAfter and WithExpireAfter.
func WithEntryBuilder[K comparable, V any](b entrybuilder.Builder[K, V]) Option {
	return optionFunc(func(r *recorded) { setPart(&r.builder, b) })
}

// WithPostprocess sets what callers receive in place of the stored value. By default it is the
// stored value itself.
func WithPostprocess[V any](p postprocess.Processor[V]) Option {
	return optionFunc(func(r *recorded) { setPart(&r.processor, p) })
}

// WithInvalidation binds s to the cache, so that other code can invalidate through s, until the
// cache is closed or gets another one.
func WithInvalidation[A any](s *invalidation.Support[A]) Option {
	return optionFunc(func(r *recorded) { setPart(&r.invalidation, s) })
}

// WithClock sets the only source of time and of timers. Every reading of it counts exactly. The
// default is the time package. Its hits trust a reading that a timer renews every 20 ms, when the entry
// has more than a second left until it is stale and ten until it expires, and read the clock when it
// has less: that does not change an answer unless the timer is held up for longer than that.
func WithClock(c clockwork.Clock) Option {
	return optionFunc(func(r *recorded) { setPart(&r.clock, c) })
}

// WithObserver sets a function that is told of everything off the hit path: see [EventKind]. It is
// called on the goroutine where things happen, from many at once, and before the callers concerned
// are answered, so it has to be quick and must not call the cache. A panic in it goes to the logger. The
// default, nil, is none.
func WithObserver(f func(Event)) Option {
	return optionFunc(func(r *recorded) { setPart(&r.observer, f) })
}

// WithLogger sets where failures that no caller sees are logged: failed refreshes and failed
// storage calls, at level warn. The default, nil, is nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(r *recorded) { setPart(&r.logging, l) })
}
