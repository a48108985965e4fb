package cache_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// epoch is the instant at which every fake clock starts.
var epoch = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)

// errBackend and errStore are errors that the load function and the storage return when they are told to.
var (
	errBackend = errors.New("backend is down")
	errStore   = errors.New("store is down")
)

// bubble runs f in a synctest bubble with a fake clock that was made inside it.
func bubble(t *testing.T, f func(t *testing.T, clock *clockwork.FakeClock)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, clockwork.NewFakeClockAt(epoch)) })
}

// advance lets everything settle, moves the clock, and lets everything settle again.
func advance(clock *clockwork.FakeClock, d time.Duration) {
	synctest.Wait()
	clock.Advance(d)
	synctest.Wait()
}

// hasTimer reports whether a timer of the clock is running.
func hasTimer(clock *clockwork.FakeClock) bool {
	ended, end := context.WithCancel(context.Background())
	end()
	return clock.BlockUntilContext(ended, 1) == nil
}

// open returns a new cache, or ends the test.
func open[K comparable, V any](t *testing.T, load func(context.Context, K) (V, error), opts ...cache.Option) *cache.Cache[K, V] {
	t.Helper()
	c, err := cache.New(load, opts...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

// openKeyed is open for NewKeyed.
func openKeyed[A any, K comparable, V any](t *testing.T, load func(context.Context, A) (V, error), key keys.Extractor[A, K], opts ...cache.Option) *cache.Cache[A, V] {
	t.Helper()
	c, err := cache.NewKeyed(load, key, opts...)
	if err != nil {
		t.Fatalf("NewKeyed: %v", err)
	}
	return c
}

// get calls Get, which has to return want.
func get[A any, V comparable](t *testing.T, c *cache.Cache[A, V], args A, want V) {
	t.Helper()
	switch got, err := c.Get(t.Context(), args); {
	case err != nil:
		t.Errorf("Get(%v) failed: %v; want %v", args, err, want)
	case got != want:
		t.Errorf("Get(%v) = %v, want %v", args, got, want)
	}
}

// getFails calls Get, whose error has to match want.
func getFails[A any, V any](t *testing.T, c *cache.Cache[A, V], args A, want error) {
	t.Helper()
	if got, err := c.Get(t.Context(), args); !errors.Is(err, want) {
		t.Errorf("Get(%v) = %v, %v; want error %v", args, got, err, want)
	}
}

// settle waits until the cache is at rest.
func settle[A, V any](t *testing.T, c *cache.Cache[A, V]) {
	t.Helper()
	if err := c.Wait(context.Background()); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

// sort of a storage, as far as it makes a difference to the cache.
type sort string

const (
	inMemory sort = "memory" // storage.Memory
	inLocal  sort = "local"  // another storage.Local
	inRemote sort = "remote" // has to be asked through Get, and hands out a new entry each time
)

var sorts = []sort{inMemory, inLocal, inRemote}

// rig is what most tests need, in a bubble: a clock, a source, a storage, and recorders. At the end of the test it lets go whatever is held, and checks that the
// cache comes to rest with balanced books and no timer.
type rig struct {
	clock  *clockwork.FakeClock
	source *source[string, int] // answers with the ordinal of the load among those of its key, from 1
	events *recorder
	logs   *logRecorder

	sort   sort
	memory *storage.Memory[string, int]      // nil unless inMemory
	faulty *faultyStorage[string, int]       // nil if inMemory
	store  storage.Storage[string, int]      // whichever it is
	cache  *cache.Cache[string, int]         // set by open
	gates  []chan struct{}                   // opened at the end
	check  func(t *testing.T, s cache.Stats) // at the end, if set
}

// onEach runs f as a subtest, in a bubble, on each sort of storage.
func onEach(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	on(t, sorts, f)
}

// on runs f as a subtest, in a bubble, on the given sorts of storage.
func on(t *testing.T, sorts []sort, f func(t *testing.T, r *rig)) {
	t.Helper()
	for _, sort := range sorts {
		t.Run(string(sort), func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) { f(t, newRig(t, sort, clock)) })
		})
	}
}

func newRig(t *testing.T, sort sort, clock *clockwork.FakeClock) *rig {
	r := &rig{clock: clock, sort: sort, events: &recorder{}, logs: &logRecorder{}}
	r.source = newSource(clock, func(l *load[string, int]) (int, error) { return l.ordinal, nil })
	switch sort {
	case inMemory:
		r.memory = storage.NewMemory[string, int]()
		r.store = r.memory
	case inLocal:
		local := newLocalStorage[string, int]()
		r.faulty, r.store = local.faultyStorage, local
	case inRemote:
		r.faulty = newRemoteStorage[string, int]()
		r.store = r.faulty
	}
	t.Cleanup(func() { r.end(t) })
	return r
}

// open makes the cache. The rig gives it clock, storage, observer, logger and WithStats.
func (r *rig) open(t *testing.T, opts ...cache.Option) *cache.Cache[string, int] {
	t.Helper()
	r.cache = open(t, r.source.load, append([]cache.Option{
		cache.WithClock(r.clock), cache.WithStorage(r.store), cache.WithStats(),
		cache.WithObserver(r.events.observe), cache.WithLogger(slog.New(r.logs)),
	}, opts...)...)
	return r.cache
}

// gate returns a channel that is closed at the end of the test at the latest, by whoever closes it with openGate.
func (r *rig) gate() chan struct{} {
	g := make(chan struct{})
	r.gates = append(r.gates, g)
	return g
}

// openGate closes a channel made by gate.
func (r *rig) openGate(g chan struct{}) {
	if i := slices.Index(r.gates, g); i >= 0 {
		r.gates = slices.Delete(r.gates, i, i+1)
		close(g)
	}
}

// advance lets everything settle, moves the clock, and lets everything settle again.
func (r *rig) advance(d time.Duration) { advance(r.clock, d) }

// held returns the values in the storage.
func (r *rig) held() map[string]int {
	values := map[string]int{}
	if r.memory != nil {
		for key, entry := range r.memory.All() {
			values[key] = entry.Value
		}
		return values
	}
	for key, entry := range r.faulty.snapshot() {
		values[key] = entry.Value
	}
	return values
}

func (r *rig) end(t *testing.T) {
	for len(r.gates) > 0 {
		r.openGate(r.gates[0])
	}
	if r.faulty != nil {
		r.faulty.heal()
	}
	r.source.release()
	if r.cache == nil {
		return
	}
	settle(t, r.cache)
	synctest.Wait()
	if hasTimer(r.clock) {
		t.Error("a timer is left though the cache is at rest")
	}
	s := r.cache.Stats()
	ended := s.LoadsSucceeded + s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited
	if began := uint64(r.source.count()); ended != began || s.LoadsRunning != 0 {
		t.Errorf("at rest %d loads have begun, %d have ended and %d are running: %+v", began, ended, s.LoadsRunning, s)
	}
	if r.check != nil {
		r.check(t, s)
	}
}

// call is a call that runs on a goroutine of its own.
type call[V any] struct {
	done     chan struct{}
	value    V
	err      error
	panicked any  // what f panicked with
	returned bool // f has returned
}

// async calls f on a goroutine of its own.
func async[V any](f func() (V, error)) *call[V] {
	c := &call[V]{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer func() {
			if !c.returned {
				c.panicked = recover()
			}
		}()
		c.value, c.err = f()
		c.returned = true
	}()
	return c
}

// asyncErr calls f, which has no value, on a goroutine of its own.
func asyncErr(f func() error) *call[struct{}] {
	return async(func() (struct{}, error) { return struct{}{}, f() })
}

// goGet calls Get on a goroutine of its own.
func goGet[A, V any](ctx context.Context, c *cache.Cache[A, V], args A) *call[V] {
	return async(func() (V, error) { return c.Get(ctx, args) })
}

// goRefresh calls Refresh on a goroutine of its own.
func goRefresh[A, V any](ctx context.Context, c *cache.Cache[A, V], args A) *call[V] {
	return async(func() (V, error) { return c.Refresh(ctx, args) })
}

// waiting lets everything settle and reports whether the call has not returned.
func (c *call[V]) waiting() bool {
	synctest.Wait()
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// result lets everything settle and returns what the call has returned. If it has not, the test ends.
func (c *call[V]) result(t *testing.T) (V, error) {
	t.Helper()
	if c.waiting() {
		t.Fatal("the call is still waiting")
	}
	if !c.returned {
		t.Fatalf("the call did not return: it panicked with %v or exited", c.panicked)
	}
	return c.value, c.err
}

// wants lets everything settle; the call has to have returned want.
func wants[V comparable](t *testing.T, c *call[V], want V) {
	t.Helper()
	switch got, err := c.result(t); {
	case err != nil:
		t.Errorf("the call failed: %v; want %v", err, want)
	case got != want:
		t.Errorf("the call returned %v, want %v", got, want)
	}
}

// fails lets everything settle; the call has to have failed with an error that matches want.
func fails[V any](t *testing.T, c *call[V], want error) {
	t.Helper()
	if got, err := c.result(t); !errors.Is(err, want) {
		t.Errorf("the call returned %v, %v; want error %v", got, err, want)
	}
}

// waits lets everything settle; the call must not have returned.
func waits[V any](t *testing.T, c *call[V]) {
	t.Helper()
	if !c.waiting() {
		t.Fatalf("the call has returned %v, %v; want it to wait", c.value, c.err)
	}
}

// source is a backend under the control of the test. Its method load is the load function.
type source[K comparable, V any] struct {
	clock clockwork.Clock

	mu      sync.Mutex
	answer  func(l *load[K, V]) (V, error) // of a load that is not held; it may block or panic
	held    map[K]bool
	heldAll bool
	loads   []*load[K, V] // in the order in which they began
	perKey  map[K]int
	running map[K]int
	most    map[K]int // the most that were running at once
}

// load is one call of the load function.
type load[K comparable, V any] struct {
	key     K
	ordinal int // among the loads of the key, from 1
	ctx     context.Context
	started time.Time // by the clock

	held    bool
	decided bool // guarded by the source's mu
	outcome chan func() (V, error)
	ended   chan struct{} // closed when it returns, panics or exits
}

func newSource[K comparable, V any](clock clockwork.Clock, answer func(l *load[K, V]) (V, error)) *source[K, V] {
	return &source[K, V]{
		clock: clock, answer: answer,
		held: map[K]bool{}, perKey: map[K]int{}, running: map[K]int{}, most: map[K]int{},
	}
}

func (s *source[K, V]) load(ctx context.Context, key K) (V, error) {
	l, answer := s.begin(ctx, key)
	defer s.end(l)
	if l.held {
		return (<-l.outcome)()
	}
	return answer(l)
}

func (s *source[K, V]) begin(ctx context.Context, key K) (*load[K, V], func(*load[K, V]) (V, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.perKey[key]++
	s.running[key]++
	s.most[key] = max(s.most[key], s.running[key])
	l := &load[K, V]{
		key: key, ordinal: s.perKey[key], ctx: ctx, started: s.clock.Now(), held: s.heldAll || s.held[key],
		outcome: make(chan func() (V, error), 1), ended: make(chan struct{}),
	}
	s.loads = append(s.loads, l)
	return l, s.answer
}

func (s *source[K, V]) end(l *load[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[l.key]--
	close(l.ended)
}

// answers sets what loads that are not held do from now on.
func (s *source[K, V]) answers(f func(l *load[K, V]) (V, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// hold makes loads of the keys that begin from now on wait, whatever becomes of their ctx, until the test decides about each; without keys all loads.
func (s *source[K, V]) hold(keys ...K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heldAll = s.heldAll || len(keys) == 0
	for _, key := range keys {
		s.held[key] = true
	}
}

// unhold lets loads that begin from now on answer by themselves. Those that are held stay so.
func (s *source[K, V]) unhold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heldAll = false
	clear(s.held)
}

// release lets all loads answer by themselves, those that are held too.
func (s *source[K, V]) release() {
	s.unhold()
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.answer
	for _, l := range s.loads {
		if l.held && !l.decided {
			l.decided = true
			l.outcome <- func() (V, error) { return answer(l) }
		}
	}
}

// count lets nothing settle and returns how many loads have begun, of the keys given or of all.
func (s *source[K, V]) count(keys ...K) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(keys) == 0 {
		return len(s.loads)
	}
	n := 0
	for _, key := range keys {
		n += s.perKey[key]
	}
	return n
}

// began lets everything settle; exactly want loads of the key have to have begun.
func (s *source[K, V]) began(t *testing.T, key K, want int) {
	t.Helper()
	synctest.Wait()
	if got := s.count(key); got != want {
		t.Errorf("%d loads of %v have begun, want %d", got, key, want)
	}
}

// mostAtOnce returns how many loads of the key have been running at once.
func (s *source[K, V]) mostAtOnce(key K) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most[key]
}

// nth lets everything settle and returns the load of the key with that ordinal, from 1. If it has not begun, the test ends.
func (s *source[K, V]) nth(t *testing.T, key K, ordinal int) *load[K, V] {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.loads {
		if l.key == key && l.ordinal == ordinal {
			return l
		}
	}
	t.Fatalf("load %d of %v has not begun", ordinal, key)
	return nil
}

// does lets a held load run f and end with it, and everything settle.
func (s *source[K, V]) does(l *load[K, V], f func() (V, error)) {
	s.mu.Lock()
	l.decided = true
	s.mu.Unlock()
	l.outcome <- f
	synctest.Wait()
}

// returns ends a held load with a value.
func (s *source[K, V]) returns(l *load[K, V], value V) {
	s.does(l, func() (V, error) { return value, nil })
}

// fails ends a held load with an error.
func (s *source[K, V]) fails(l *load[K, V], err error) {
	s.does(l, func() (V, error) {
		var zero V
		return zero, err
	})
}

// method of a storage.
type method string

const (
	onGet        method = "Get"
	onOffer      method = "Offer"
	onRelease    method = "Release"
	onInvalidate method = "Invalidate"
	onClear      method = "Clear"
	onLookup     method = "Lookup" // its error is ignored
)

// fault is what a method does before its work, for the key it is called with (of Clear the zero key): it may block or panic, and if it returns an error the
// method returns that without doing anything.
type fault[K comparable] func(ctx context.Context, key K) error

// faultyStorage is a storage on a map that does what the test says. It is not Local, and hands out another entry with every Get, as one does that decodes
// bytes.
type faultyStorage[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*storage.Entry[V]
	before  map[method]fault[K]
	after   map[method]fault[K]
	calls   map[method]int
}

var (
	_ storage.Storage[int, int] = (*faultyStorage[int, int])(nil)
	_ storage.Clearer           = (*faultyStorage[int, int])(nil)
)

func newRemoteStorage[K comparable, V any]() *faultyStorage[K, V] {
	return &faultyStorage[K, V]{
		entries: map[K]*storage.Entry[V]{},
		before:  map[method]fault[K]{}, after: map[method]fault[K]{}, calls: map[method]int{},
	}
}

// on sets what happens before the work of a method; nil is nothing.
func (s *faultyStorage[K, V]) on(m method, f fault[K]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[m] = f
}

// onceDone sets what happens after the work of a method, though not of Lookup; its error is that of the method. Nil is nothing.
func (s *faultyStorage[K, V]) onceDone(m method, f fault[K]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after[m] = f
}

// heal takes back all faults, for calls that begin from now on.
func (s *faultyStorage[K, V]) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.before)
	clear(s.after)
}

// count returns how often a method was called.
func (s *faultyStorage[K, V]) count(m method) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[m]
}

// snapshot returns what is in the storage.
func (s *faultyStorage[K, V]) snapshot() map[K]*storage.Entry[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries)
}

// put puts an entry into the storage behind the cache's back; nil removes it.
func (s *faultyStorage[K, V]) put(key K, entry *storage.Entry[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry == nil {
		delete(s.entries, key)
		return
	}
	s.entries[key] = entry
}

// run is a call of method m that does work.
func (s *faultyStorage[K, V]) run(ctx context.Context, m method, key K, work func()) error {
	s.mu.Lock()
	s.calls[m]++
	before := s.before[m]
	s.mu.Unlock()
	if before != nil {
		if err := before(ctx, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	work()
	after := s.after[m]
	s.mu.Unlock()
	if after != nil {
		return after(ctx, key)
	}
	return nil
}

func (s *faultyStorage[K, V]) Get(ctx context.Context, key K) (entry *storage.Entry[V], err error) {
	err = s.run(ctx, onGet, key, func() {
		if held := s.entries[key]; held != nil {
			entry = storage.NewEntry(held.Value, held.Created(), held.UpdateAfter(), held.ExpireAfter())
		}
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (s *faultyStorage[K, V]) Offer(ctx context.Context, key K, entry *storage.Entry[V]) error {
	return s.run(ctx, onOffer, key, func() { s.entries[key] = entry })
}

func (s *faultyStorage[K, V]) Release(ctx context.Context, key K) error {
	return s.run(ctx, onRelease, key, func() { delete(s.entries, key) })
}

func (s *faultyStorage[K, V]) Invalidate(ctx context.Context, key K) error {
	return s.run(ctx, onInvalidate, key, func() { delete(s.entries, key) })
}

func (s *faultyStorage[K, V]) Clear(ctx context.Context) error {
	var none K
	return s.run(ctx, onClear, none, func() { clear(s.entries) })
}

// localStorage is a faultyStorage that is Local and can list its entries.
type localStorage[K comparable, V any] struct{ *faultyStorage[K, V] }

var (
	_ storage.Local[int, int]  = (*localStorage[int, int])(nil)
	_ storage.Lister[int, int] = (*localStorage[int, int])(nil)
)

func newLocalStorage[K comparable, V any]() *localStorage[K, V] {
	return &localStorage[K, V]{newRemoteStorage[K, V]()}
}

func (s *localStorage[K, V]) Lookup(key K) (entry *storage.Entry[V]) {
	_ = s.run(context.Background(), onLookup, key, func() { entry = s.entries[key] })
	return entry
}

func (s *localStorage[K, V]) All() iter.Seq2[K, *storage.Entry[V]] {
	return maps.All(s.snapshot())
}

// recorder keeps the events of a cache. Its method observe is for WithObserver.
type recorder struct {
	mu     sync.Mutex
	events []cache.Event
}

func (r *recorder) observe(e cache.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// all returns the events so far, those of the given kinds only if there are any.
func (r *recorder) all(kinds ...cache.EventKind) []cache.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var events []cache.Event
	for _, e := range r.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			events = append(events, e)
		}
	}
	return events
}

// count returns the number of events of a kind.
func (r *recorder) count(kind cache.EventKind) int { return len(r.all(kind)) }

// failure returns the error of the only event of a kind.
func (r *recorder) failure(t *testing.T, kind cache.EventKind) error {
	t.Helper()
	events := r.all(kind)
	if len(events) != 1 {
		t.Fatalf("%d events %q, want 1", len(events), kind)
	}
	return events[0].Err
}

// forget drops the events so far.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}

// logRecorder is a slog.Handler that keeps the messages.
type logRecorder struct {
	mu      sync.Mutex
	records []slog.Record
}

func (*logRecorder) Enabled(context.Context, slog.Level) bool { return true }

func (l *logRecorder) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, record.Clone())
	return nil
}

func (l *logRecorder) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logRecorder) WithGroup(string) slog.Handler { return l }

// messages returns the messages so far.
func (l *logRecorder) messages() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var texts []string
	for _, record := range l.records {
		texts = append(texts, record.Message)
	}
	return texts
}

// bubbleGoroutines returns the number of goroutines in a bubble. It does not count those of the runtime, which come and go with the garbage collector.
func bubbleGoroutines() int {
	dump := make([]byte, 1<<20)
	for {
		n := runtime.Stack(dump, true)
		if n < len(dump) {
			return bytes.Count(dump[:n], []byte(", synctest bubble "))
		}
		dump = make([]byte, 2*len(dump))
	}
}

// processorFunc is a function as a postprocess.Processor.
type processorFunc[V any] func(V) V

func (f processorFunc[V]) Apply(value V) V { return f(value) }

// watchedClock is a fake clock that counts timers and tells of readings.
type watchedClock struct {
	*clockwork.FakeClock
	timers  atomic.Int32           // made so far
	onNow   atomic.Pointer[func()] // called after each reading, if set
	onSince atomic.Pointer[func()] // called before each Since, if set
}

func (c *watchedClock) Now() time.Time {
	now := c.FakeClock.Now()
	if f := c.onNow.Load(); f != nil {
		(*f)()
	}
	return now
}

func (c *watchedClock) Since(t time.Time) time.Duration {
	if f := c.onSince.Load(); f != nil {
		(*f)()
	}
	return c.FakeClock.Since(t)
}

func (c *watchedClock) NewTimer(d time.Duration) clockwork.Timer {
	c.timers.Add(1)
	return c.FakeClock.NewTimer(d)
}

func (c *watchedClock) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	c.timers.Add(1)
	return c.FakeClock.AfterFunc(d, f)
}

func (c *watchedClock) NewTicker(d time.Duration) clockwork.Ticker {
	c.timers.Add(1)
	return c.FakeClock.NewTicker(d)
}

func (c *watchedClock) After(d time.Duration) <-chan time.Time {
	c.timers.Add(1)
	return c.FakeClock.After(d)
}

// builderFunc is a function as an entrybuilder.Builder.
type builderFunc func(began time.Time, key string, value int) *storage.Entry[int]

func (f builderFunc) Build(began time.Time, key string, value int) *storage.Entry[int] {
	return f(began, key, value)
}

// entryAt returns an entry with the default life span.
func entryAt[V any](created time.Time, value V) *storage.Entry[V] {
	return storage.NewEntry(value, created, created.Add(10*time.Minute), created.Add(30*time.Minute))
}

// handlerFunc is a function as a slog.Handler.
type handlerFunc func(slog.Record)

func (handlerFunc) Enabled(context.Context, slog.Level) bool { return true }

func (f handlerFunc) Handle(_ context.Context, record slog.Record) error {
	f(record)
	return nil
}

func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler { return f }

func (f handlerFunc) WithGroup(string) slog.Handler { return f }

// hookedStrategy is an eviction strategy that calls a function, if there is one, before it does its work.
type hookedStrategy struct {
	eviction.Strategy[string]
	markRead, markWritten, markReleased func(key string)
	next, clear                         func()
}

func (s *hookedStrategy) MarkRead(key string, mark *storage.Mark) {
	if s.markRead != nil {
		s.markRead(key)
	}
	s.Strategy.MarkRead(key, mark)
}

func (s *hookedStrategy) MarkWritten(key string, mark *storage.Mark) {
	if s.markWritten != nil {
		s.markWritten(key)
	}
	s.Strategy.MarkWritten(key, mark)
}

func (s *hookedStrategy) MarkReleased(key string) {
	if s.markReleased != nil {
		s.markReleased(key)
	}
	s.Strategy.MarkReleased(key)
}

func (s *hookedStrategy) NextToRelease() (string, bool) {
	if s.next != nil {
		s.next()
	}
	return s.Strategy.NextToRelease()
}

func (s *hookedStrategy) Clear() {
	if s.clear != nil {
		s.clear()
	}
	s.Strategy.Clear()
}

// byteStorage is a storage that keeps entries as bytes.
type byteStorage struct {
	codec serde.Codec[int]

	mu      sync.Mutex
	entries map[string][]byte
}

func newByteStorage(codec serde.Codec[int]) *byteStorage {
	return &byteStorage{codec: codec, entries: map[string][]byte{}}
}

func (s *byteStorage) Get(_ context.Context, key string) (*storage.Entry[int], error) {
	s.mu.Lock()
	data, ok := s.entries[key]
	s.mu.Unlock()
	if !ok {
		return nil, nil
	}
	return s.codec.Decode(data)
}

func (s *byteStorage) Offer(_ context.Context, key string, entry *storage.Entry[int]) error {
	data, err := s.codec.Encode(entry)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key] = data
	return nil
}

func (s *byteStorage) Release(ctx context.Context, key string) error { return s.Invalidate(ctx, key) }

func (s *byteStorage) Invalidate(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
	return nil
}

// attrs returns the attributes of the latest message.
func (l *logRecorder) attrs() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	attrs := map[string]string{}
	if len(l.records) > 0 {
		l.records[len(l.records)-1].Attrs(func(a slog.Attr) bool {
			attrs[a.Key] = a.Value.String()
			return true
		})
	}
	return attrs
}
