//go:build evidence

package explore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/internal/hook"
	"github.com/memoize-go/memoize/storage"
)

// The life spans of every cache that is explored, unless a scenario says otherwise.
const (
	updateAfter = time.Minute
	expireAfter = time.Hour
	timeout     = 10 * time.Second
)

// keys is how many keys there are.
const keys = 2

var (
	ctx = context.Background()

	errBackend = errors.New("backend is down")
)

type (
	value    = evidence.Value
	strategy = *eviction.LeastRecentlyUpdated[int]
)

// world is what one run of a scenario happens in. Its calls check what they get.
type world struct {
	t      *testing.T
	run    *run
	starts []func()

	clock    *clockwork.FakeClock
	source   *evidence.Source
	strategy strategy
	memory   *storage.Memory[int, value]
	remote   *remote // nil: the storage is memory
	cache    *cache.Cache[int, value]

	mu         sync.Mutex
	errs       []error
	calls      uint64              // of Get and Refresh
	superseded int64               // loads of key 0 that have been replaced by a call that has returned
	sets       map[value]setState  // of key 0
	began      map[value]time.Time // the loads that returned them
	ends       []func()            // see atEnd
	written    bool                // nothing detaches the load of a Refresh: when it returns, a Memory holds its value
	idle       func()              // called once if threads are blocked and nothing goes on
}

// open makes the cache, with capacity entries at most.
func (w *world) open(capacity int, opts ...cache.Option) {
	w.clock = clockwork.NewFakeClockAt(time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC))
	w.source = evidence.NewSource(keys)
	w.source.Answer = func(ctx context.Context, v value) (value, error) { return v, ctx.Err() }
	w.strategy = eviction.NewLeastRecentlyUpdated[int](capacity)
	w.sets = map[value]setState{}
	w.began = map[value]time.Time{}
	w.memory = storage.NewMemory[int, value]()
	var store storage.Storage[int, value] = w.memory
	if w.remote != nil {
		store = w.remote
	}
	opts = append([]cache.Option{
		cache.WithClock(w.clock), cache.WithStorage(store), cache.WithEviction[int](w.strategy), cache.WithStats(),
		cache.WithUpdateAfter(updateAfter), cache.WithExpireAfter(expireAfter),
		cache.WithTimeout(timeout), cache.WithStorageTimeout(cache.Forever), cache.WithRefreshBackoff(0),
	}, opts...)
	c, err := cache.New(w.load, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cache = c
}

// load is the load function. Others can overtake it before it begins and before it ends.
func (w *world) load(ctx context.Context, key int) (value, error) {
	hook.At("load begins")
	began := w.clock.Now()
	v, err := w.source.Load(ctx, key)
	w.mu.Lock()
	w.began[v] = began
	w.mu.Unlock()
	hook.At("load ends")
	return v, err
}

// answer sets what the nth load of key 0 does instead of returning what it has found.
func (w *world) answer(nth int64, f func(ctx context.Context, v value) (value, error)) {
	before := w.source.Answer
	w.source.Answer = func(ctx context.Context, v value) (value, error) {
		if v.Load == nth && v.Key == 0 {
			return f(ctx, v)
		}
		return before(ctx, v)
	}
}

// thread starts a goroutine of the scenario, when all are there.
func (w *world) thread(name string, f func()) {
	w.run.threads++
	w.starts = append(w.starts, func() {
		go func() {
			id := goroutineID()
			w.run.mu.Lock()
			w.run.names[id] = name
			w.run.mu.Unlock()
			hook.At("start")
			defer func() {
				w.run.mu.Lock()
				w.run.threads--
				w.run.mu.Unlock()
			}()
			f()
		}()
	})
}

// atEnd has f called when nothing goes on any more, so that what is still blocked can end.
func (w *world) atEnd(f func()) { w.ends = append(w.ends, f) }

func (w *world) end() {
	for _, f := range w.ends {
		f()
	}
}

// close lets the cache end what it may have left, so that the bubble can end.
func (w *world) close() {
	if w.cache == nil {
		return
	}
	if err := w.cache.Close(ctx); err != nil && w.run.err == nil {
		w.run.err = fmt.Errorf("closing at the end: %w", err)
	}
}

func (w *world) failf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

func (w *world) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.errs...)
}

// fresh puts an entry of key 0 into the cache, by its first load.
func (w *world) fresh() { w.get(ctx, 0) }

// stale puts a stale entry of key 0 into the cache.
func (w *world) stale() {
	w.fresh()
	w.clock.Advance(updateAfter)
}

// setState says how far a Set has come.
type setState int

const (
	setBegun setState = iota
	setDone
	setGone // by an invalidation or another Set that began when it was done, and has returned
)

// floors is what a call must not fall below.
type floors struct {
	version, begun, superseded int64
	gone                       map[value]bool // values of Set
}

// begin counts a call of Get or Refresh, and returns its floors.
func (w *world) begin(key int) floors {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	f := floors{version: w.source.Floor(key), begun: w.source.Loads(key), gone: map[value]bool{}}
	if key == 0 {
		f.superseded = w.superseded
	}
	for v, state := range w.sets {
		if state == setGone {
			f.gone[v] = true
		}
	}
	return f
}

// get calls Get, which may fail with one of the errors that are allowed.
func (w *world) get(ctx context.Context, key int, allowed ...error) (value, error) {
	f := w.begin(key)
	v, err := w.cache.Get(ctx, key)
	w.judge("Get", key, f, v, err, allowed)
	return v, err
}

// gets calls Get of key 0 three times. The values come in an order: none comes back after another one.
func (w *world) gets() {
	a, _ := w.get(ctx, 0)
	b, _ := w.get(ctx, 0)
	if c, _ := w.get(ctx, 0); a == c && a != b {
		w.failf("Get returned %+v, %+v and the first one again", a, b)
	}
}

// refresh calls Refresh.
func (w *world) refresh(key int, allowed ...error) (value, error) {
	f := w.begin(key)
	v, err := w.cache.Refresh(ctx, key)
	w.judge("Refresh", key, f, v, err, allowed)
	if err == nil && v.Load <= f.begun {
		w.failf("Refresh of key %d returned load %d; %d had begun before the call", key, v.Load, f.begun)
	}
	if err == nil && w.written && w.remote == nil {
		w.mu.Lock()
		w.superseded = max(w.superseded, v.Load-1)
		w.mu.Unlock()
	}
	return v, err
}

// peek calls Peek, which may find nothing.
func (w *world) peek(key int) {
	f := w.begin(key)
	w.mu.Lock()
	w.calls--
	w.mu.Unlock()
	if v, ok := w.cache.Peek(ctx, key); ok {
		w.judge("Peek", key, f, v, nil, nil)
	}
}

func (w *world) judge(call string, key int, f floors, v value, err error, allowed []error) {
	if err != nil {
		if !slices.ContainsFunc(allowed, func(want error) bool { return errors.Is(err, want) }) {
			w.failf("%s of key %d failed: %w", call, key, err)
		}
		return
	}
	if v.Load < 0 { // from Set
		w.mu.Lock()
		_, known := w.sets[v]
		w.mu.Unlock()
		if !known || f.gone[v] || key != 0 {
			w.failf("%s of key %d returned %+v, which was set and is gone, or was never set", call, key, v)
		}
		return
	}
	if err := w.source.Check(key, f.version, v); err != nil {
		w.failf("%s: %w", call, err)
	}
	if v.Load <= f.superseded {
		w.failf("%s of key %d returned load %d, which had been replaced by a call that had returned", call, key, v.Load)
	}
}

// set calls Set for key 0, with a value that no other call of it has.
func (w *world) set() {
	begun, done := w.source.Loads(0), w.done()
	w.mu.Lock()
	v := value{Load: -int64(len(w.sets)) - 1}
	w.sets[v] = setBegun
	w.mu.Unlock()
	if err := w.cache.Set(ctx, 0, v); err != nil {
		w.failf("Set failed: %w", err)
		return
	}
	w.gone(done)
	w.mu.Lock()
	w.superseded = max(w.superseded, begun)
	w.sets[v] = setDone
	w.mu.Unlock()
}

// done returns the values of the calls of Set that have returned.
func (w *world) done() (values []value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v, state := range w.sets {
		if state == setDone {
			values = append(values, v)
		}
	}
	return values
}

func (w *world) gone(values []value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range values {
		w.sets[v] = setGone
	}
}

// invalidate changes the data of key and invalidates what the cache has of it, by Invalidate or
// another call that does so.
func (w *world) invalidate(key int, call func(context.Context, int) error) {
	version, done := w.source.Change(key), w.done()
	if err := call(ctx, key); err != nil {
		w.failf("invalidation of key %d failed: %w", key, err)
		return
	}
	w.source.Raise(key, version)
	w.gone(done)
}

// all is InvalidateAll in the form of Invalidate.
func (w *world) all(ctx context.Context, _ int) error { return w.cache.InvalidateAll(ctx) }

// abort calls Close, which does not wait.
func (w *world) abort() {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := w.cache.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		w.failf("Close: %w", err)
	}
}

// loads returns an error unless key was loaded from least to most times.
func (w *world) loads(key int, least, most int64) error {
	if n := w.source.Loads(key); n < least || n > most {
		return fmt.Errorf("key %d was loaded %d times, want %d to %d", key, n, least, most)
	}
	return nil
}

// rest checks what holds whenever nothing is going on.
func (w *world) rest() error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	var errs []error
	if err := w.cache.Wait(ended); err != nil {
		errs = append(errs, fmt.Errorf("something is still running: %w", err))
	}
	if n := w.cache.InProgress(); n != 0 {
		errs = append(errs, fmt.Errorf("the registry still has %d keys", n))
	}
	if w.clock.BlockUntilContext(ended, 1) == nil {
		errs = append(errs, errors.New("a timer is left"))
	}
	errs = append(errs, w.books(), w.ages(), w.stats())
	return errors.Join(errs...)
}

// held returns what the storage holds.
func (w *world) held() map[int]*storage.Entry[value] {
	if w.remote != nil {
		return w.remote.held()
	}
	return maps.Collect(w.memory.All())
}

// ages checks that the age of what the storage holds counts from before the load began. A fence may
// have made it a little later.
func (w *world) ages() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, entry := range w.held() {
		if began, ok := w.began[entry.Value]; ok && entry.Created().After(began.Add(time.Microsecond)) {
			return fmt.Errorf("key %d: the age of %+v counts from %v after its load began", key, entry.Value, entry.Created().Sub(began))
		}
	}
	return nil
}

// books checks that the strategy knows the keys that the storage holds, and no more than allowed.
func (w *world) books() error {
	held := w.held()
	if len(held) != w.strategy.Len() {
		return fmt.Errorf("the storage holds the keys %v, the strategy has %d", slices.Collect(maps.Keys(held)), w.strategy.Len())
	}
	if n := w.strategy.Capacity(); len(held) > n {
		return fmt.Errorf("%d entries, capacity %d", len(held), n)
	}
	return nil
}

func (w *world) stats() error {
	s := w.cache.Stats()
	if n := s.Hits + s.StaleHits + s.Led + s.Joined + s.Refused; n != w.calls {
		return fmt.Errorf("%d calls, %d counted: %+v", w.calls, n, s)
	}
	loads := s.LoadsSucceeded + s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited
	if s.LoadsRunning != 0 || loads != uint64(w.source.AllLoads()) {
		return fmt.Errorf("%d loads, %d counted, %d running: %+v", w.source.AllLoads(), loads, s.LoadsRunning, s)
	}
	return nil
}

// settled is the check of most scenarios: that the cache is at rest, that key was loaded from least
// to most times, and that one more Get is answered well.
func (w *world) settled(key int, least, most int64) error {
	if err := errors.Join(w.rest(), w.loads(key, least, most)); err != nil {
		return err
	}
	w.get(ctx, key)
	return errors.Join(w.err(), w.cache.Wait(ctx), w.rest())
}

// remote is a storage that has to be asked. Others can overtake each of its calls before it takes
// effect and before it returns.
type remote struct {
	mu      sync.Mutex
	entries map[int]*storage.Entry[value]
}

func newRemote() *remote { return &remote{entries: map[int]*storage.Entry[value]{}} }

func (r *remote) do(f func()) error {
	hook.At("storage begins")
	r.mu.Lock()
	f()
	r.mu.Unlock()
	hook.At("storage ends")
	return nil
}

func (r *remote) Get(_ context.Context, key int) (entry *storage.Entry[value], err error) {
	err = r.do(func() {
		if e := r.entries[key]; e != nil {
			entry = storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.ExpireAfter())
		}
	})
	return entry, err
}

func (r *remote) Offer(_ context.Context, key int, entry *storage.Entry[value]) error {
	return r.do(func() { r.entries[key] = entry })
}

func (r *remote) Release(_ context.Context, key int) error {
	return r.do(func() { delete(r.entries, key) })
}

func (r *remote) Invalidate(_ context.Context, key int) error {
	return r.do(func() { delete(r.entries, key) })
}

func (r *remote) Clear(context.Context) error {
	return r.do(func() { clear(r.entries) })
}

func (r *remote) held() map[int]*storage.Entry[value] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.entries)
}
