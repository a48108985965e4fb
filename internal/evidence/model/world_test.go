package model_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/invalidation"
	"github.com/memoize-go/memoize/storage"
)

var epoch = time.Date(2026, time.March, 14, 15, 9, 26, 0, time.UTC)

// unboundSupport stands for no invalidation.Support.
const unboundSupport = -1

// world has the system and the model of it, and everything around them.
type world struct {
	clock  *clock
	source *evidence.Source
	system system
	model  *model
	peeks  bool
	only   string // the one check that counts; "": all do

	memory   *storage.Memory[int, value] // the storage in force; nil if it is shelf
	shelf    *shelf
	strategy interface{ Len() int } // the strategy in force; nil: it cannot say
	supports []*invalidation.Support[int]

	current   int           // the call of this step, or 0
	calls     map[int]*call // that have not returned
	anonymous map[int]bool  // calls without a ctx
	lastCall  int
	made      int64 // values that were not loaded
	counting  bool  // hits are counted from the beginning

	problems []string
	reached  map[string]int

	// What the system does on its own goroutines.
	mu     sync.Mutex
	does   [keyCount]answer
	hold   [keyCount]hold
	ending bool // no load is held any more
	gates  map[gate]chan struct{}
	begun  []begun
	odd    []string
	asked  uint64 // calls of Get and Refresh
	events map[event]int
	logged int

	// What the shelf has been called, in this step.
	released []release
	offered  map[int]*storage.Entry[value]
}

type gate struct {
	key     int
	ordinal int64
}

// call is a call on a goroutine of its own.
type call struct {
	what   op
	floor  int64
	cancel context.CancelFunc
	done   chan struct{}
	got    outcome // once done is closed
}

type leader struct{}

// violation is where system and model differ.
type violation struct {
	check string // which of them has seen it
	text  string
}

func (v *violation) Error() string { return v.text }

// play runs a sequence in a bubble, and returns the first violation, or nil. A call that blocks for
// ever is a deadlock of the bubble, which is one too.
//
// The sequence is played by one goroutine, which starts one for each call and then lets everything
// settle: synctest.Wait returns when all others are blocked, so that the state after each step is
// the same every time, loads that are held and calls that wait included. Nothing in the bubble fails
// the test: that would end the goroutine of rapid, which is outside, and which has to go on to
// shorten the sequence.
func play(t *testing.T, s sequence, open func(parts) (system, error), only string) (w *world, v *violation) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			v = &violation{"rest", fmt.Sprintf("rest: %v", p)}
		}
	}()
	synctest.Test(t, func(*testing.T) {
		defer func() {
			if p := recover(); p != nil {
				v = &violation{"panic", fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		start := epoch.Add(s.start)
		w = &world{
			clock: &clock{FakeClock: clockwork.NewFakeClockAt(start)}, source: evidence.NewSource(keyCount), model: newModel(start),
			peeks: s.peeks, only: only, calls: map[int]*call{}, gates: map[gate]chan struct{}{}, events: map[event]int{},
			reached: map[string]int{}, anonymous: map[int]bool{}, counting: s.options.stats,
		}
		w.source.Answer = w.load
		defer w.end()
		v = w.play(s, open)
	})
	return w, v
}

// sound is the system without a fault.
func sound(p parts) (system, error) { return newCache(p) }

func (w *world) play(s sequence, open func(parts) (system, error)) *violation {
	if refused := w.open(s, open); refused || len(w.problems) > 0 {
		return w.violation()
	}
	if v := w.compare(); v != nil {
		return v
	}
	for i, o := range s.ops {
		if v := w.step(o); v != nil {
			v.text = fmt.Sprintf("after %d operations, the last of which is %v:\n%s", i+1, o, v.text)
			return v
		}
	}
	if v := w.finish(); v != nil {
		v.text = "at the end:\n" + v.text
		return v
	}
	return nil
}

// finish lets go what is held. The system has to come to rest then.
func (w *world) finish() *violation {
	steps := []op{{kind: opHeal}}
	for k := range keyCount {
		steps = append(steps, op{kind: opLetAllGo, key: k})
	}
	steps = append(steps, op{kind: opWait}, op{kind: opGet}, op{kind: opClose}, op{kind: opClose, ctx: endedCtx}, op{kind: opGet})
	for _, o := range steps {
		if v := w.step(o); v != nil {
			v.text = fmt.Sprintf("%v:\n%s", o, v.text)
			return v
		}
	}
	if len(w.calls) > 0 {
		w.problem("rest: %d calls have not returned", len(w.calls))
	}
	if w.clock.hasTimer() {
		w.problem("rest: a timer is left")
	}
	return w.violation()
}

// end ends everything, so that nothing is left in the bubble.
func (w *world) end() {
	w.mu.Lock()
	w.ending = true
	for _, gate := range w.gates {
		close(gate)
	}
	clear(w.gates)
	w.mu.Unlock()
	for _, c := range w.calls {
		c.cancel()
	}
	synctest.Wait()
}

// open makes the system, unless it is refused, and has to be.
func (w *world) open(s sequence, open func(parts) (system, error)) (refused bool) {
	o := s.options
	foreign := w.foreignEntries(o.store)
	support := invalidation.New[int]()
	w.supports = []*invalidation.Support[int]{support}
	p := parts{load: w.source.Load, clock: w.clock, observe: w.observe, log: w, support: support, options: o}
	p.store = w.openStore(o.store, foreign)
	p.shelf = w.shelf
	if o.strategy != nil {
		p.strategy = o.strategy.open()
		w.strategy, _ = p.strategy.(interface{ Len() int })
	}
	system, err := open(p)
	w.system = system
	w.settle()
	got, want := classOfOptions(err), w.model.configure(o, true, foreign)
	if got != want {
		w.problem("answer: New has returned %v (%v), want %v", got, err, want)
	}
	return err != nil
}

// foreignEntries returns the entries that a storage comes with.
func (w *world) foreignEntries(spec *storeSpec) map[int]*entry {
	foreign := map[int]*entry{}
	for k := range keyCount {
		if spec.foreign>>k&1 == 1 && w.mayBeForeign(k) {
			foreign[k] = foreignEntry(w.makeValue(k), w.model.now)
		}
	}
	return foreign
}

// openStore makes the storage in force.
func (w *world) openStore(spec *storeSpec, foreign map[int]*entry) storage.Storage[int, value] {
	w.memory, w.shelf = nil, nil
	if spec.kind == inMemory {
		w.memory = storage.NewMemory[int, value]()
		for k, e := range foreign {
			_ = w.memory.Offer(context.Background(), k, e.real()) // never fails
		}
		return w.memory
	}
	w.shelf = newShelf(*spec)
	for k, e := range foreign {
		w.shelf.write(k, e.real())
	}
	return w.shelf.storage(*spec)
}

// mayBeForeign reports whether an entry that another process makes now is certainly newer than all
// invalidations of the key.
func (w *world) mayBeForeign(k int) bool { return w.model.now.After(w.model.keys[k].after) }

// makeValue returns a value of the key that was not loaded.
func (w *world) makeValue(k int) value {
	w.made++
	return value{Key: k, Version: w.source.Version(k), Load: -w.made}
}

func (w *world) load(ctx context.Context, v value) (value, error) {
	w.mu.Lock()
	does, hold := w.does[v.Key], w.hold[v.Key]
	b := begun{key: v.Key, ordinal: v.Load}
	b.leader, _ = ctx.Value(leader{}).(int)
	b.deadline, _ = ctx.Deadline()
	w.begun = append(w.begun, b)
	if ctx.Err() != nil {
		w.odd = append(w.odd, fmt.Sprintf("loads: load %d of key %d begins with a ctx that has ended", v.Load, v.Key))
	}
	var opened chan struct{}
	if hold != unheld && !w.ending {
		opened = make(chan struct{})
		w.gates[gate{v.Key, v.Load}] = opened
	}
	w.mu.Unlock()

	var err error
	var raised any // by a call of its own: the load panics with it, but is held before
	ask := func(f func(context.Context, int) (value, error)) {
		defer func() { raised = recover() }()
		w.countAsked()
		_, err = f(ctx, v.Key)
	}
	switch {
	case !w.asks(b.leader):
	case does == asksItself:
		ask(w.system.Get)
	case does == refreshesItself:
		ask(w.system.Refresh)
	}
	if opened != nil {
		var ended <-chan struct{}
		if hold == heeding {
			ended = ctx.Done()
		}
		select {
		case <-opened:
		case <-ended:
			w.mu.Lock()
			delete(w.gates, gate{v.Key, v.Load})
			w.mu.Unlock()
			return value{}, ctx.Err()
		}
	}
	if raised != nil {
		panic(raised)
	}
	if err != nil {
		return value{}, err
	}
	return does.act(v)
}

func (a answer) act(v value) (value, error) {
	switch a {
	case returnsZero:
		return value{}, nil
	case returnsError:
		return value{}, errBackend
	case returnsValueAndError:
		return v, errBackend
	case returnsDeadlineExceeded:
		return value{}, context.DeadlineExceeded
	case panics:
		panic("boom")
	case panicsWithError:
		panic(errBackend)
	case exits:
		runtime.Goexit()
	}
	return v, nil
}

func (w *world) observe(e cache.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events[event{e.Kind, e.Key}]++
}

// The world is the handler of the log.
func (w *world) Enabled(context.Context, slog.Level) bool { return true }
func (w *world) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *world) WithGroup(string) slog.Handler            { return w }

func (w *world) Handle(context.Context, slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged++
	return nil
}

func (w *world) created(key int, v value) (time.Time, bool) {
	var entry *storage.Entry[value]
	if w.memory != nil {
		entry = w.memory.Lookup(key)
	} else {
		entry = w.offered[key]
	}
	if entry == nil || entry.Value != v {
		return time.Time{}, false
	}
	return entry.Created(), true
}

func (w *world) victim(oldest []int) (key int, released, tried bool) {
	if w.memory != nil {
		for _, k := range oldest {
			if w.memory.Lookup(k) == nil {
				return k, true, true
			}
		}
		return 0, false, false
	}
	if len(w.released) == 0 {
		return 0, false, false
	}
	r := w.released[0]
	w.released = w.released[1:]
	return r.key, r.ok, true
}

func (w *world) asks(leader int) bool {
	return leader != 0 && leader == w.current && !w.anonymous[leader]
}
