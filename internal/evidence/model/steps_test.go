package model_test

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/invalidation"
)

// step does one operation, first with the system and then, as that knows what was chosen, with the
// model.
func (w *world) step(o op) *violation {
	if v := w.do(o); v != nil || !w.peeks {
		return v
	}
	for k := range keyCount {
		if v := w.do(op{kind: opPeek, key: k}); v != nil {
			return v
		}
	}
	return nil
}

func (w *world) do(o op) *violation {
	m, k, ended := w.model, o.key, o.ctx == endedCtx
	switch o.kind {
	case opGet:
		m.get(w.ask(o, w.system.Get), k, ended)
	case opRefresh:
		m.refresh(w.ask(o, w.system.Refresh), k, ended)
	case opPeek:
		m.peek(w.call(o, func(ctx context.Context) outcome {
			v, found := w.system.Peek(ctx, k)
			return outcome{value: v, found: found}
		}), k, ended)
	case opSet:
		v := w.makeValue(k)
		m.set(w.change(o, func(ctx context.Context) error { return w.system.Set(ctx, k, v) }, k), k, v, ended)
	case opInvalidate:
		m.invalidate(w.change(o, func(ctx context.Context) error { return w.system.Invalidate(ctx, k) }, k), k, ended)
	case opInvalidateAll:
		m.invalidateAll(w.change(o, w.system.InvalidateAll, allKeys...), ended)
	case opSupport:
		w.invalidateBySupport(o)
	case opReconfigure:
		w.reconfigure(o)
	case opWait:
		m.wait(w.change(o, w.system.Wait), ended)
	case opClose:
		m.close(w.change(o, w.system.Close), ended)
	case opCancel:
		w.cancel(o.n)
	case opAdvance:
		return w.advance(o.d)
	case opAdvanceTo:
		return w.advance(w.boundary(o.n) + o.d)
	case opLetGo:
		return w.letGo(o.n)
	case opLetAllGo:
		return w.letAllGo(k)
	default:
		w.settle()
		w.arrange(o)
	}
	return w.compare()
}

var allKeys = []int{0, 1, 2, 3}

// arrange changes what is around the system.
func (w *world) arrange(o op) {
	m, k := w.model, o.key
	switch o.kind {
	case opSetClock:
		w.setClock(o.d)
	case opChange:
		w.source.Change(k)
		m.keys[k].version++
	case opAnswer:
		w.does[k], m.keys[k].does = o.does, o.does
	case opHold:
		w.hold[k], m.keys[k].hold = o.hold, o.hold
	}
	if w.shelf == nil {
		return // storage.Memory does not fail
	}
	st := m.s.store
	switch {
	case o.kind == opFail:
		st.failing[o.call], w.shelf.failing[o.call] = o.fails, o.fails
	case o.kind == opHeal:
		st.failing, w.shelf.failing = [storeCalls]failure{}, [storeCalls]failure{}
	case !w.shelf.remote: // no other process, no bytes
	case o.kind == opCorrupt:
		if e := st.entries[k]; e != nil && !e.corrupt { // a second flip could heal the first one
			w.shelf.damage(k, o.n)
			e.corrupt = true
		}
	case o.kind == opForeignDelete:
		w.shelf.drop(k)
		delete(st.entries, k)
	case o.kind == opForeignWrite && w.mayBeForeign(k):
		e := foreignEntry(w.makeValue(k), m.now)
		st.entries[k] = e
		w.shelf.write(k, e.real())
	}
}

// setClock sets the clock, but not back to before an entry of another process was made: which of two
// processes is right about the time, a fence cannot know.
func (w *world) setClock(d time.Duration) {
	now := w.model.now.Add(d)
	for _, e := range w.model.s.store.entries {
		if e.foreign && now.Before(e.created) {
			return
		}
	}
	w.clock.offset.Add(int64(d))
	w.model.now = now
}

// advance lets time pass, and stops wherever a load times out.
func (w *world) advance(d time.Duration) *violation {
	for d > 0 {
		step := d
		if next, ok := w.model.nextTimeout(); ok {
			step = min(step, next)
		}
		w.clock.Advance(step)
		w.settle()
		w.model.advance(step)
		if v := w.compare(); v != nil {
			return v
		}
		d -= step
	}
	return nil
}

// boundary returns how far it is to the n-th of the instants at which something changes.
func (w *world) boundary(n int) time.Duration {
	m := w.model
	var all []time.Duration
	add := func(d time.Duration) {
		if d > 0 {
			all = append(all, d)
		}
	}
	for _, e := range m.s.store.entries {
		add(e.update.Sub(m.now))
		add(e.expire.Sub(m.now))
	}
	for k := range m.keys {
		add(m.keys[k].retry.Sub(m.now))
	}
	if next, ok := m.nextTimeout(); ok {
		add(next)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		return time.Second
	}
	return all[n%len(all)]
}

// letGo lets the n-th load that is held return.
func (w *world) letGo(n int) *violation {
	if len(w.model.running) == 0 {
		return nil
	}
	f := w.model.running[n%len(w.model.running)]
	g := gate{f.key, f.value.Load}
	w.mu.Lock()
	if opened := w.gates[g]; opened != nil {
		close(opened)
	} else {
		w.odd = append(w.odd, fmt.Sprintf("loads: load %d of key %d does not run", f.value.Load, f.key))
	}
	delete(w.gates, g)
	w.mu.Unlock()
	w.settle()
	w.model.finish(f)
	return w.compare()
}

// letAllGo lets the loads of a key return, one after the other, those included that begin when
// another one has ended.
func (w *world) letAllGo(k int) *violation {
	ofKey := func(f *flight) bool { return f.key == k }
	for {
		i := slices.IndexFunc(w.model.running, ofKey)
		if i < 0 {
			break
		}
		if v := w.letGo(i); v != nil {
			return v
		}
	}
	return w.do(op{kind: opHold, key: k, hold: unheld})
}

// cancel ends the ctx of the n-th call that is waiting.
func (w *world) cancel(n int) {
	ids := slices.Sorted(maps.Keys(w.calls))
	if len(ids) == 0 {
		w.settle()
		return
	}
	id := ids[n%len(ids)]
	if w.anonymous[id] {
		w.settle() // it has no ctx
		return
	}
	w.calls[id].cancel()
	w.settle()
	w.model.cancel(id)
}

func (w *world) invalidateBySupport(o op) {
	m := w.model
	number := len(w.supports) - 1 - o.n%len(w.supports)
	support := w.supports[number]
	var id int
	if o.key == keyCount {
		id = w.change(o, support.InvalidateAll, allKeys...)
	} else {
		id = w.change(o, func(ctx context.Context) error { return support.Invalidate(ctx, o.key) }, o.key)
	}
	switch {
	case number != m.s.support:
		m.answer(id, outcome{err: unbound})
	case o.key == keyCount:
		m.invalidateAll(id, false)
	default:
		m.invalidate(id, o.key, false)
	}
}

// reconfigure makes the new parts, and takes them back if they are refused.
func (w *world) reconfigure(o op) {
	memory, shelf, strategy := w.memory, w.shelf, w.strategy
	opts := o.options.scalar()
	var foreign map[int]*entry
	if spec := o.options.store; spec != nil {
		foreign = w.foreignEntries(spec)
		opts = append(opts, cache.WithStorage(w.openStore(spec, foreign)))
	}
	if spec := o.options.strategy; spec != nil {
		s := spec.open()
		w.strategy, _ = s.(interface{ Len() int })
		opts = append(opts, cache.WithEviction(s))
	}
	support := invalidation.New[int]()
	if o.options.support {
		opts = append(opts, cache.WithInvalidation(support))
	}
	accepted := false
	id := w.call(o, func(context.Context) outcome {
		err := w.system.Reconfigure(opts...)
		accepted = err == nil
		return outcome{err: classOfOptions(err)}
	})
	if !accepted {
		w.memory, w.shelf, w.strategy = memory, shelf, strategy
	} else if o.options.support {
		w.supports = append(w.supports, support)
	}
	w.model.answer(id, outcome{err: w.model.configure(o.options, false, foreign)})
}

// ask calls Get or Refresh.
func (w *world) ask(o op, f func(context.Context, int) (value, error)) (id int) {
	w.countAsked()
	return w.call(o, func(ctx context.Context) outcome {
		v, err := f(ctx, o.key)
		return outcome{value: v, err: classOf(err)}
	})
}

func (w *world) noteOdd(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.odd = append(w.odd, fmt.Sprintf(format, args...))
}

func (w *world) countAsked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
}

// change calls something that has no value. If it succeeds, no call that begins later may get what
// the source had of those keys before.
func (w *world) change(o op, f func(context.Context) error, keys ...int) (id int) {
	var versions [keyCount]int64
	for _, k := range keys {
		versions[k] = w.source.Version(k)
	}
	return w.call(o, func(ctx context.Context) outcome {
		err := f(ctx)
		for _, k := range keys {
			if err == nil {
				w.source.Raise(k, versions[k])
			}
		}
		return outcome{err: classOf(err)}
	})
}

// call starts a call, lets everything settle, and returns the number of the call.
func (w *world) call(o op, f func(ctx context.Context) outcome) (id int) {
	w.lastCall++
	id = w.lastCall
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), leader{}, id))
	switch o.ctx {
	case endedCtx:
		cancel()
	case nilCtx:
		ctx = nil
		w.anonymous[id] = true
	}
	c := &call{what: o, cancel: cancel, done: make(chan struct{})}
	if o.kind == opGet || o.kind == opRefresh || o.kind == opPeek {
		c.floor = w.source.Floor(o.key)
	}
	w.calls[id] = c
	w.current = id
	go func() {
		defer close(c.done)
		defer func() {
			switch p := recover(); p {
			case nil:
			case errProcess:
				c.got = outcome{err: raised}
			default:
				c.got = outcome{err: unknown}
				w.noteOdd("panic: %v: %v\n%s", o, p, debug.Stack())
			}
		}()
		c.got = f(ctx)
	}()
	w.settle()
	return id
}

// settle lets everything settle, and begins the step of the model, which is told of the calls of
// the storage: every one that failed is counted and reported, whoever has made it (25).
func (w *world) settle() {
	synctest.Wait()
	w.model.begin(w)
	w.released, w.offered = nil, nil
	if w.shelf == nil {
		return
	}
	var failed []event
	w.released, w.offered, failed = w.shelf.take()
	for _, e := range failed {
		w.model.events[e]++
		if e.kind == cache.DecodeFailed {
			w.model.stats.DecodeErrors++
		} else {
			w.model.stats.StorageErrors++
		}
	}
}
