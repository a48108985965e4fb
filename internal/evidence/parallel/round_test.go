package parallel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
)

const (
	workers = 8

	// patience is how long a window may take before its calls are cancelled, and decision how long
	// porcupine may look for the order of one key's calls.
	patience = time.Minute
	decision = 10 * time.Second
)

var (
	errLoad = errors.New("backend is down")
	epoch   = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)
)

// subject is what is checked: a cache, or one with a fault in it.
type subject interface {
	Get(ctx context.Context, key int) (evidence.Value, error)
	Peek(ctx context.Context, key int) (evidence.Value, bool)
	Refresh(ctx context.Context, key int) (evidence.Value, error)
	Set(ctx context.Context, key int, v evidence.Value) error
	Invalidate(ctx context.Context, key int) error
	InvalidateAll(ctx context.Context) error
	Wait(ctx context.Context) error
	Close(ctx context.Context) error
}

// strategy is what all strategies but None have.
type strategy interface {
	eviction.Strategy[int]
	eviction.Resizer
	Len() int
	Capacity() int
}

func newStrategy(name string, capacity int) strategy {
	switch name {
	case "":
		return eviction.NewLeastRecentlyUpdated[int](capacity)
	case "least recently used":
		return eviction.NewLeastRecentlyUsed[int](capacity)
	case "SIEVE":
		return eviction.NewSIEVE[int](capacity)
	case "S3-FIFO":
		return eviction.NewS3FIFO[int](capacity)
	}
	return nil
}

// law is what can be violated.
type law string

const (
	fresh   law = "fresh"
	forced  law = "forced"
	foreign law = "foreign"
	overlap law = "overlap"
	count   law = "count"
	order   law = "order"
	rest    law = "rest"
)

// findings are the violations found, by law, and the first ones of each in words.
type findings struct {
	mu    sync.Mutex
	count map[law]int64
	words []func() string // called when somebody wants to read them
}

func (f *findings) add(l law, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[law]int64{}
	}
	if f.count[l]++; f.count[l] <= 3 {
		f.words = append(f.words, func() string { return fmt.Sprintf("\n%s: ", l) + fmt.Sprintf(format, args...) })
	}
}

func (f *findings) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d violations %v", f.all(), f.count)
	for _, words := range f.words {
		b.WriteString(words())
	}
	return b.String()
}

func (f *findings) all() (n int64) {
	for _, c := range f.count {
		n += c
	}
	return n
}

// tally counts, per key or in all, what the laws speak of.
type tally struct {
	ticks                                 atomic.Int64 // the counter that tells what was before what
	calls, forced, invalidations, sets    atomic.Int64 // calls: of Get and Refresh, and of others
	succeed, fail, panicked, exited       atomic.Int64 // loads
	started, succeeded, failures, overdue atomic.Int64 // events
	evicted, invalidated                  atomic.Int64 // events
	storageFailed, readFailed             atomic.Int64 // events
	_                                     [64]byte     // keeps keys apart
}

// round is one cache and what is done to it.
type round struct {
	scenario
	seed   uint64
	source *evidence.Source
	cache  subject
	began  time.Time
	fake   *clockwork.FakeClock // nil: the real one

	// Of the cache under test, nil of a naive one.
	counted  interface{ Stats() cache.Stats }
	sized    interface{ Reconfigure(...cache.Option) error }
	store    books
	strategy strategy

	perKey  []tally
	total   tally
	writing []sync.Mutex // by key, in a serial scenario
	carried []*carry

	mu    sync.Mutex
	loads [][]span // by key, of the current window; guarded by mu

	findings   findings
	operations int64
	partitions int64
}

func newRound(s scenario, seed uint64, open func(*round) (subject, error)) (*round, error) {
	s = s.figures()
	r := &round{
		scenario: s, seed: seed, source: evidence.NewSource(s.keys), began: time.Now(),
		perKey: make([]tally, s.keys), writing: make([]sync.Mutex, s.keys),
		loads: make([][]span, s.keys),
	}
	for range s.keys {
		r.carried = append(r.carried, &carry{state: state{version: 1, load: 1}})
	}
	r.source.Answer = r.answer
	var err error
	r.cache, err = open(r)
	return r, err
}

// open makes the cache under test.
func open(r *round) (subject, error) {
	r.store = newStore(&r.scenario, r.seed)
	opts := []cache.Option{
		cache.WithStorage(r.store), cache.WithStats(), cache.WithObserver(r.observe), cache.WithRefreshBackoff(0),
		cache.WithUpdateAfter(orForever(r.updateAfter)), cache.WithExpireAfter(orForever(r.expireAfter)),
		cache.WithTimeout(orForever(r.timeout)), cache.WithStorageTimeout(cache.Forever), cache.WithUpdateLockTimeout(cache.Forever),
	}
	if r.strategy = newStrategy(r.scenario.strategy, r.capacity); r.strategy != nil {
		opts = append(opts, cache.WithEviction[int](r.strategy))
	} else {
		opts = append(opts, cache.WithEviction(eviction.None[int]()))
	}
	if r.scenario.fake {
		r.fake = clockwork.NewFakeClockAt(epoch)
		opts = append(opts, cache.WithClock(r.fake))
	}
	c, err := cache.New(r.source.Load, opts...)
	if err != nil {
		return nil, err
	}
	r.counted, r.sized = c, c
	return c, nil
}

// draw returns the random numbers of one thing.
func (r *round) draw(what ...int64) *rand.Rand {
	h := r.seed
	for _, w := range what {
		h = (h ^ uint64(w)) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	return rand.New(rand.NewPCG(r.seed, h))
}

// answer is what a load does.
func (r *round) answer(_ context.Context, v evidence.Value) (evidence.Value, error) {
	k := &r.perKey[v.Key]
	begin := k.ticks.Add(1)
	defer func() {
		end := k.ticks.Add(1)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.loads[v.Key] = append(r.loads[v.Key], span{begin, end})
	}()
	random := r.draw(int64(v.Key), v.Load)
	if random.IntN(100) < r.slow {
		dawdle(random)
	} else if random.IntN(2) == 0 {
		runtime.Gosched()
	}
	switch p := random.IntN(100); {
	case p < r.failing:
		r.total.fail.Add(1)
		return evidence.Value{}, errLoad
	case p < r.failing+r.panicking:
		r.total.panicked.Add(1)
		panic(errLoad)
	case p < r.failing+2*r.panicking:
		r.total.exited.Add(1)
		runtime.Goexit()
	}
	r.total.succeed.Add(1)
	return v, nil
}

// dawdle takes up to a millisecond.
func dawdle(random *rand.Rand) {
	if random.IntN(2) == 0 {
		for range random.IntN(64) {
			runtime.Gosched()
		}
		return
	}
	timer := time.NewTimer(time.Duration(random.IntN(1000)) * time.Microsecond)
	defer timer.Stop()
	<-timer.C
}

// observe counts events.
func (r *round) observe(e cache.Event) {
	of := func(count func(*tally) *atomic.Int64) {
		count(&r.total).Add(1)
		if key, ok := e.Key.(int); ok {
			count(&r.perKey[key]).Add(1)
		}
	}
	switch e.Kind {
	case cache.LoadStarted:
		of(func(t *tally) *atomic.Int64 { return &t.started })
	case cache.LoadSucceeded:
		of(func(t *tally) *atomic.Int64 { return &t.succeeded })
	case cache.LoadFailed, cache.RefreshFailed:
		of(func(t *tally) *atomic.Int64 { return &t.failures })
		if errors.Is(e.Err, cache.ErrLoadTimeout) {
			of(func(t *tally) *atomic.Int64 { return &t.overdue })
		}
	case cache.Evicted:
		of(func(t *tally) *atomic.Int64 { return &t.evicted })
	case cache.Invalidated:
		of(func(t *tally) *atomic.Int64 { return &t.invalidated })
	case cache.StorageFailed:
		of(func(t *tally) *atomic.Int64 { return &t.storageFailed })
		if strings.HasPrefix(e.Err.Error(), "storage: get") {
			of(func(t *tally) *atomic.Int64 { return &t.readFailed })
		}
	}
}

// play makes the calls of all windows and checks each.
func (r *round) play() {
	for w := range r.windows {
		r.window(w)
	}
	r.end()
}

func (r *round) window(w int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := make([]*worker, workers)
	var wg sync.WaitGroup
	for i := range all {
		all[i] = &worker{round: r, id: i, ctx: ctx, random: r.draw(int64(w), int64(i), -1)}
		wg.Go(all[i].run)
	}
	wg.Wait()
	if err := r.cache.Wait(ctx); err != nil {
		r.findings.add(rest, "%v", err)
	}
	r.operations += int64(workers * r.calls)
	r.checkOrder(all)
	r.checkLoads(all)
	r.checkRest()
}

// checkOrder gives the history of the window to porcupine, key by key.
func (r *round) checkOrder(all []*worker) {
	var wg sync.WaitGroup
	for key, ops := range r.byKey(all) {
		c := r.carried[key]
		c.prepare(ops, &r.scenario)
		r.carried[key] = c.next(ops)
		if len(ops) == 0 {
			continue
		}
		r.partitions++
		wg.Go(func() {
			r.judge(key, linearize(c.state, ops, decision), excerpt{c.state, ops})
		})
	}
	wg.Wait()
}

// judge counts whatever is not known to be in order as a violation.
func (r *round) judge(key int, result porcupine.CheckResult, history fmt.Stringer) {
	switch result {
	case porcupine.Ok:
	case porcupine.Illegal:
		r.findings.add(order, "key %d: no order explains what the calls have returned: %v", key, history)
	default:
		r.findings.add(order, "key %d: not decided within %v: %v", key, decision, result)
	}
}

func (r *round) byKey(all []*worker) [][]*op {
	ops := make([][]*op, r.keys)
	for _, w := range all {
		for i := range w.history {
			o := &w.history[i]
			ops[o.key] = append(ops[o.key], o)
		}
	}
	return ops
}

// checkLoads counts the loads that lost their registration, in the window, and all loads there have
// been.
func (r *round) checkLoads(all []*worker) {
	writes := make([]int, r.keys)
	for key, ops := range r.byKey(all) {
		for _, o := range ops {
			if o.writes() {
				writes[key]++
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, spans := range r.loads {
		k := &r.perKey[key]
		overdue := int(k.overdue.Swap(0))
		if n := surplus(spans); n > writes[key]+overdue {
			r.findings.add(overlap, "key %d: %d of %d loads ran beside another one, but only %d calls and %d timeouts can have detached one",
				key, n, len(spans), writes[key], overdue)
		}
		r.loads[key] = nil
		if most := r.source.Most(key); most > 1 && !r.detaches() {
			r.findings.add(overlap, "key %d: %d loads at once", key, most)
		}
		if got, allowed := r.source.Loads(key), r.reasons(key); got > allowed {
			r.findings.add(count, "key %d: %d loads, but only %d reasons for one", key, got, allowed)
		}
	}
}

// reasons returns how many loads of key there may have been: the first one, and one for each
// invalidation, forced load, failure, entry that became due, eviction and fault of the storage.
func (r *round) reasons(key int) int64 {
	k := &r.perKey[key]
	n := 1 + k.invalidations.Load() + k.forced.Load() + k.failures.Load() + k.evicted.Load()
	if st := failing(r.store); st != nil {
		n += st.perKey[key].Load()
	}
	if r.updateAfter > 0 {
		// An entry becomes due when it is this old, and what it causes makes a new one.
		n += int64(r.elapsed()/r.updateAfter) + 1
	}
	return n
}

func (r *round) elapsed() time.Duration {
	if r.fake != nil {
		return r.fake.Since(epoch)
	}
	return time.Since(r.began)
}

// checkRest checks what has to hold when nothing is running.
func (r *round) checkRest() {
	for key := range r.keys {
		if n := r.source.Running(key); n != 0 {
			r.findings.add(rest, "key %d: %d loads are running", key, n)
		}
	}
	if r.counted == nil {
		return
	}
	r.checkStats(r.counted.Stats())
	if r.strategy == nil {
		return
	}
	held, known := r.store.Len(), r.strategy.Len()
	if held != known {
		r.findings.add(rest, "the storage holds %d keys, the strategy knows %d", held, known)
	}
	if limit := r.strategy.Capacity(); held > limit && r.faulty == 0 {
		r.findings.add(rest, "%d entries at rest, the capacity is %d", held, limit)
	}
}

// checkStats compares the statistics with what the round has counted.
func (r *round) checkStats(s cache.Stats) {
	t := &r.total
	equal := func(what string, got uint64, want int64) {
		if got != uint64(want) {
			r.findings.add(rest, "%s: %d in the statistics, %d counted: %+v", what, got, want, s)
		}
	}
	equal("calls", s.Hits+s.StaleHits+s.Led+s.Joined+s.Refused, t.calls.Load())
	equal("loads", s.LoadsSucceeded+s.LoadsFailed+s.LoadsTimedOut+s.LoadsPanicked+s.LoadsExited, r.source.AllLoads())
	equal("running loads", uint64(s.LoadsRunning), 0)
	equal("evictions", s.Evictions, t.evicted.Load())
	equal("invalidations", s.Invalidations, t.invalidated.Load())
	equal("storage errors", s.StorageErrors, t.storageFailed.Load())
	if st := failing(r.store); st != nil {
		// After a failed offer the cache may look what has become of it, and need not say that it
		// could not.
		f, read := &st.faults, t.readFailed.Load()
		equal("failed writes", s.StorageErrors-uint64(read), f.offers.Load()+f.others.Load())
		if most := f.reads.Load(); read > most || read < most-f.offers.Load() {
			r.findings.add(rest, "%d failed reads reported, there were %d, and %d failed offers", read, most, f.offers.Load())
		}
	}
	equal("ends of loads", uint64(t.succeeded.Load()+t.failures.Load()), t.started.Load())
	if r.timeout > 0 {
		return // a load that overran counts as that, whatever became of it
	}
	equal("loads begun", uint64(t.started.Load()), r.source.AllLoads())
	equal("loads that succeeded", s.LoadsSucceeded, t.succeed.Load())
	equal("loads that failed", s.LoadsFailed, t.fail.Load())
	equal("loads that panicked", s.LoadsPanicked, t.panicked.Load())
	equal("loads that exited", s.LoadsExited, t.exited.Load())
}

// end checks what is left, and ends the cache.
func (r *round) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.faulty > 0 {
		failing(r.store).healed.Store(true)
		if err := r.cache.Set(ctx, 0, evidence.Value{}); err != nil { // a write, which makes up for releases that failed
			r.findings.add(foreign, "Set: %v", err)
		}
		if err := r.cache.Wait(ctx); err != nil {
			r.findings.add(rest, "%v", err)
		}
		if held, limit := r.store.Len(), r.strategy.Capacity(); held > limit {
			r.findings.add(rest, "%d entries at rest after a write, the capacity is %d", held, limit)
		}
	}
	if err := r.cache.Close(ctx); err != nil {
		r.findings.add(rest, "%v", err)
	}
	if r.strategy != nil {
		r.checkBooks(keysOf(r.store), drain(r.strategy))
	}
}

// drain takes all keys out of a strategy.
func drain(s strategy) (keys []int) {
	s.Resize(0)
	for key, ok := s.NextToRelease(); ok; key, ok = s.NextToRelease() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (r *round) checkBooks(held, known []int) {
	if !slices.Equal(held, known) {
		r.findings.add(rest, "the storage holds %v, the strategy knows %v", held, known)
	}
}

// tell reports the violations of a round.
func (r *round) tell(t *testing.T) {
	t.Helper()
	if r.findings.all() > 0 {
		t.Errorf("%s, EVIDENCE_SEED=%d: %v", r.name, r.seed, &r.findings)
	}
}
