package faults_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

type (
	value = evidence.Value
	entry = storage.Entry[value]
)

const (
	updateAfter    = 10 * time.Minute
	expireAfter    = 30 * time.Minute
	storageTimeout = time.Second

	step     = 100 * time.Millisecond // of the clock, while a call is waited for
	patience = 20 * time.Second       // until a call is said to hang
)

var epoch = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)

// subject is a cache under test, or something that pretends to be one.
type subject interface {
	Get(ctx context.Context, key int) (value, error)
	Peek(ctx context.Context, key int) (value, bool)
	Refresh(ctx context.Context, key int) (value, error)
	Set(ctx context.Context, key int, v value) error
	Invalidate(ctx context.Context, key int) error
	InvalidateAll(ctx context.Context) error
	Wait(ctx context.Context) error
	Stats() cache.Stats
	Close(ctx context.Context) error
}

var _ subject = (*cache.Cache[int, value])(nil)

// kept is the storage behind the faults.
type kept interface {
	storage.Storage[int, value]
	keys() []int // sorted
}

// remote is a storage that keeps bytes and has to be asked through Get.
type remote struct {
	codec serde.Codec[value]

	mu   sync.Mutex
	data map[int][]byte
}

var (
	_ kept            = (*remote)(nil)
	_ storage.Clearer = (*remote)(nil)
)

func newRemote(codec serde.Codec[value]) *remote {
	return &remote{codec: codec, data: map[int][]byte{}}
}

func (s *remote) Get(_ context.Context, key int) (*entry, error) {
	s.mu.Lock()
	data, ok := s.data[key]
	s.mu.Unlock()
	if !ok {
		return nil, nil
	}
	return s.codec.Decode(data)
}

func (s *remote) Offer(_ context.Context, key int, e *entry) error {
	data, err := s.codec.Encode(e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = data
	return nil
}

func (s *remote) Release(ctx context.Context, key int) error { return s.Invalidate(ctx, key) }

func (s *remote) Invalidate(_ context.Context, key int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, key)
	return nil
}

func (s *remote) Clear(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.data)
	return nil
}

func (s *remote) keys() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.data))
}

// local is a storage.Memory.
type local struct{ *storage.Memory[int, value] }

func newLocal() local { return local{storage.NewMemory[int, value]()} }

func (s local) keys() []int {
	var keys []int
	for key := range s.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// books is an eviction strategy that others can look into.
type books struct {
	mu     sync.Mutex
	choice eviction.Strategy[int]
	booked map[int]bool
	named  map[int]bool // as victims, and neither released nor put back

	// As if the cache did not tell.
	deafToWrites, deafToReleases bool
}

var _ eviction.Strategy[int] = (*books)(nil)

func newBooks(capacity int) *books {
	return &books{
		choice: eviction.NewLeastRecentlyUpdated[int](capacity), booked: map[int]bool{}, named: map[int]bool{},
	}
}

func (b *books) MarkRead(key int, mark *storage.Mark) { b.choice.MarkRead(key, mark) }

func (b *books) MarkWritten(key int, mark *storage.Mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deafToWrites {
		return
	}
	b.booked[key] = true
	delete(b.named, key)
	b.choice.MarkWritten(key, mark)
}

func (b *books) MarkReleased(key int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deafToReleases {
		return
	}
	delete(b.booked, key)
	delete(b.named, key)
	b.choice.MarkReleased(key)
}

func (b *books) NextToRelease() (key int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if key, ok = b.choice.NextToRelease(); ok {
		delete(b.booked, key)
		b.named[key] = true
	}
	return key, ok
}

func (b *books) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.booked)
	clear(b.named)
	b.choice.Clear()
}

// keys returns what is in the books, sorted, and the victims that got lost.
func (b *books) keys() (booked, lost []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.booked)), slices.Sorted(maps.Keys(b.named))
}

// rig is a cache on a faulty storage, in a bubble, with everything that can be counted.
type rig struct {
	shape  shape
	clock  *clockwork.FakeClock
	source *evidence.Source
	inner  kept
	faulty *storagetest.Faulty[int, value]
	books  *books
	cache  subject

	mu       sync.Mutex
	events   map[cache.EventKind]uint64
	returned uint64        // calls of Get and Refresh that have returned
	held     chan struct{} // loads wait for it; nil: they do not
	problems []string
	trace    func(format string, args ...any) // nil: none
}

// rigging says what a rig is made of.
type rigging struct {
	shape    shape
	capacity int
	faults   []storagetest.FaultyOption
	wrap     func(*rig, subject) subject // nil: the cache itself
	behind   func(kept) kept             // nil: what shape says; otherwise what takes its place
	codec    serde.Codec[value]          // nil: what shape says
	trace    func(format string, args ...any)
}

// shape is a kind of storage.
type shape string

const (
	remoteJSON shape = "remote JSON"
	remoteGob  shape = "remote gob"
	inProcess  shape = "local"
)

func newRig(g rigging) *rig {
	r := &rig{
		shape:  g.shape,
		trace:  g.trace,
		clock:  clockwork.NewFakeClockAt(epoch),
		source: evidence.NewSource(4),
		books:  newBooks(g.capacity),
		events: map[cache.EventKind]uint64{},
	}
	r.source.Answer = r.answer
	codec := g.codec
	switch {
	case codec != nil:
	case g.shape == remoteGob:
		codec = serde.Framed(serde.Gob[value](), 1)
	default:
		codec = serde.Framed(serde.JSON[value](), 1)
	}
	if g.shape == inProcess {
		r.inner = newLocal()
	} else {
		r.inner = newRemote(codec)
	}
	if g.behind != nil {
		r.inner = g.behind(r.inner)
	}
	faulty, err := storagetest.NewFaulty[int, value](r.inner, append([]storagetest.FaultyOption{
		storagetest.WithCodec(codec), storagetest.WithAfter(r.clock.After),
	}, g.faults...)...)
	if err != nil {
		panic(err)
	}
	r.faulty = faulty
	c, err := r.open(r.books)
	if err != nil {
		panic(err)
	}
	r.cache = c
	if g.wrap != nil {
		r.cache = g.wrap(r, c)
	}
	return r
}

// open makes a cache on the faulty storage.
func (r *rig) open(b *books) (*cache.Cache[int, value], error) {
	return cache.New(r.source.Load,
		cache.WithClock(r.clock), cache.WithStorage(r.front(r.faulty.Storage())), cache.WithEviction(eviction.Strategy[int](b)),
		cache.WithUpdateAfter(updateAfter), cache.WithExpireAfter(expireAfter), cache.WithStorageTimeout(storageTimeout),
		cache.WithStats(), cache.WithObserver(r.observe))
}

// front lets the trace see what the cache asks of a storage.
func (r *rig) front(s storage.Storage[int, value]) storage.Storage[int, value] {
	if clearer, ok := s.(storage.Clearer); ok && r.trace != nil && r.shape != inProcess {
		return &traced{s, clearer, r}
	}
	return s
}

// traced is a storage that is no Local, with a trace of what it is asked.
type traced struct {
	storage.Storage[int, value]
	clearer storage.Clearer
	rig     *rig
}

func (s *traced) log(what string, key int, e **entry, err *error) func() {
	s.rig.tracef("    %s %d ...", what, key)
	return func() {
		if e != nil && *e != nil {
			s.rig.tracef("    %s %d: %+v created %v: %v", what, key, (*e).Value, (*e).Created().Sub(epoch), *err)
			return
		}
		s.rig.tracef("    %s %d: %v", what, key, *err)
	}
}

func (s *traced) Get(ctx context.Context, key int) (e *entry, err error) {
	defer s.log("Get", key, &e, &err)()
	err = errUnfinished
	return s.Storage.Get(ctx, key)
}

func (s *traced) Offer(ctx context.Context, key int, e *entry) (err error) {
	defer s.log("Offer", key, &e, &err)()
	err = errUnfinished
	return s.Storage.Offer(ctx, key, e)
}

func (s *traced) Release(ctx context.Context, key int) (err error) {
	defer s.log("Release", key, nil, &err)()
	err = errUnfinished
	return s.Storage.Release(ctx, key)
}

func (s *traced) Invalidate(ctx context.Context, key int) (err error) {
	defer s.log("Invalidate", key, nil, &err)()
	err = errUnfinished
	return s.Storage.Invalidate(ctx, key)
}

func (s *traced) Clear(ctx context.Context) (err error) {
	defer s.log("Clear", -1, nil, &err)()
	err = errUnfinished
	return s.clearer.Clear(ctx)
}

func (r *rig) observe(e cache.Event) {
	if r.trace != nil && e.Err != nil {
		text, _, _ := strings.Cut(e.Err.Error(), "\n")
		r.tracef("      %v, key %v: %s", e.Kind, e.Key, text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[e.Kind]++
}

// answer is what a load does once it has found v.
func (r *rig) answer(_ context.Context, v value) (value, error) {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()
	if held != nil {
		<-held
	}
	return v, nil
}

// hold makes loads wait that begin from now on, until the channel that it returns is closed.
func (r *rig) hold() chan<- struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = make(chan struct{})
	return r.held
}

func (r *rig) unhold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = nil
}

func (r *rig) problemf(format string, args ...any) {
	r.tracef("PROBLEM: "+format, args...)
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *rig) tracef(format string, args ...any) {
	if r.trace != nil {
		r.trace("%12v  "+format, append([]any{r.clock.Since(epoch)}, args...)...)
	}
}

// call is one call on its way.
type call struct {
	ended    chan struct{}
	value    value
	valued   bool // it is of the kind that returns a value
	err      error
	panicked any
	returned bool // false once it has ended: it panicked or exited its goroutine
}

// began makes a call on a goroutine of its own.
func began(f func(c *call)) *call {
	c := &call{ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		defer func() {
			if !c.returned {
				c.panicked = recover()
			}
		}()
		f(c)
		c.returned = true
	}()
	return c
}

func (r *rig) get(key int) *call {
	return r.asked(func(ctx context.Context) (value, error) { return r.cache.Get(ctx, key) })
}

func (r *rig) refresh(key int) *call {
	return r.asked(func(ctx context.Context) (value, error) { return r.cache.Refresh(ctx, key) })
}

func (r *rig) asked(f func(context.Context) (value, error)) *call {
	return began(func(c *call) {
		c.valued = true
		c.value, c.err = f(context.Background())
		r.mu.Lock()
		defer r.mu.Unlock()
		r.returned++
	})
}

// peek asks for key 0 without a load, peekAt for any key.
func (r *rig) peek() *call { return r.peekAt(0) }

func (r *rig) peekAt(key int) *call {
	return began(func(c *call) {
		c.valued = true
		var found bool
		if c.value, found = r.cache.Peek(context.Background(), key); !found {
			c.err = errNothing
		}
	})
}

func (r *rig) set(key int, v value) *call {
	return began(func(c *call) { c.err = r.cache.Set(context.Background(), key, v) })
}

func (r *rig) invalidate(key int) *call {
	return began(func(c *call) { c.err = r.cache.Invalidate(context.Background(), key) })
}

func (r *rig) invalidateAll() *call {
	return began(func(c *call) { c.err = r.cache.InvalidateAll(context.Background()) })
}

func (r *rig) close(ctx context.Context) *call {
	return began(func(c *call) { c.err = r.cache.Close(ctx) })
}

func (c *call) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// await moves the clock until the call has ended, or limit has passed, and returns how long that took.
func (r *rig) await(c *call, limit time.Duration) (took time.Duration, ended bool) {
	for {
		synctest.Wait()
		switch {
		case c.hasEnded():
			return took, true
		case took >= limit:
			return took, false
		}
		r.clock.Advance(step)
		took += step
	}
}

// ends moves the clock until the call has ended, and reports whether it has.
func (r *rig) ends(c *call) bool {
	_, ended := r.await(c, patience)
	return ended
}

// must waits for a call that is only there to set the stage.
func (r *rig) must(c *call) {
	if _, ended := r.await(c, patience); !ended || !c.returned || c.err != nil {
		r.problemf("setting the stage failed: %v %v", c.err, c.panicked)
	}
	r.settle("setting the stage")
}

// settle moves the clock until the cache is at rest, also from what was set going by the end of a call that it had given up on.
func (r *rig) settle(when string) {
	for {
		synctest.Wait()
		c := began(func(c *call) { c.err = r.cache.Wait(context.Background()) })
		took, ended := r.await(c, patience)
		if !ended || c.err != nil {
			r.problemf("%s: Wait has not returned nil: %v", when, c.err)
			return
		}
		if took == 0 {
			return
		}
	}
}

// pass moves the clock in small steps, so that what is due happens in its order.
func (r *rig) pass(d time.Duration) {
	for range d / step {
		synctest.Wait()
		r.clock.Advance(step)
	}
	synctest.Wait()
}

// free ends all faults and lets go what hangs.
func (r *rig) free() {
	r.faulty.Heal()
	r.faulty.Free()
	synctest.Wait()
}

// noTimer checks that no timer of the clock is running.
func (r *rig) noTimer(when string) {
	synctest.Wait()
	ended, end := context.WithCancel(context.Background())
	end()
	if r.clock.BlockUntilContext(ended, 1) == nil {
		r.problemf("%s: a timer is left", when)
	}
}

// answer is what a call came to, in the words of the table.
type answer string

const (
	old      answer = "old"      // the value that the storage held before the call
	earlier  answer = "earlier"  // the one that it held before that
	first    answer = "first"    // the value of the first load of the key since the stage was set
	second   answer = "second"   // of the second one
	third    answer = "third"    // of the third one
	assigned answer = "assigned" // the value given to Set
	foreign  answer = "foreign"  // another value
	nothing  answer = "nothing"  // Peek has found none
	done     answer = "nil"      // no error
	injected answer = "injected" // the storage's error
	panicked answer = "panicked" // a *cache.PanicError with what the storage has panicked with
	exited   answer = "exited"   // another error
	timedOut answer = "timed out"
	closed   answer = "closed"
	ctxEnded answer = "ctx ended"
	gone     answer = "gone"          // the caller's goroutine was exited
	panics   answer = "panics"        // the caller's goroutine panicked
	hangs    answer = "hangs"         // until it is freed
	cancelAt        = 5 * time.Second // when the ctx of Close ends
)

var (
	errNothing    = errors.New("nothing found")
	errUnfinished = errors.New("panicked or exited")
)

var (
	earlierValue  = value{Key: 0, Version: -1}
	assignedValue = value{Key: 0, Version: -2}
)

// classify says what a call for key came to that has ended. Loads of the key up to base set the stage.
func (c *call) classify(key int, base int64) answer {
	var p *cache.PanicError
	switch err := c.err; {
	case !c.returned && c.panicked != nil:
		return panics
	case !c.returned:
		return gone
	case err == nil && !c.valued:
		return done
	case err == errNothing:
		return nothing
	case errors.Is(err, cache.ErrClosed):
		return closed
	case errors.As(err, &p):
		if errors.Is(p, storagetest.ErrInjected) && len(p.Stack) > 0 {
			return panicked
		}
		return exited
	case errors.Is(err, storagetest.ErrInjected):
		return injected
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case errors.Is(err, context.Canceled):
		return ctxEnded
	case err != nil:
		return exited
	}
	switch v := c.value; {
	case v == earlierValue:
		return earlier
	case v == assignedValue:
		return assigned
	case v.Key != key:
		return foreign
	case v.Version == 1 && v.Load <= base:
		return old
	case v.Version == 2 && v.Load == base+1:
		return first
	case v.Version == 2 && v.Load == base+2:
		return second
	case v.Version == 2 && v.Load == base+3:
		return third
	}
	return foreign
}
