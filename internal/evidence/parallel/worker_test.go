package parallel_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
)

// worker makes the calls of one goroutine in one window, and keeps their history.
type worker struct {
	*round
	id      int
	ctx     context.Context
	random  *rand.Rand
	history []op
}

func (w *worker) run() {
	w.history = make([]op, 0, w.calls)
	for range w.calls {
		if w.random.IntN(8) == 0 {
			runtime.Gosched()
		}
		w.act(min(w.random.IntN(w.keys), w.random.IntN(w.keys))) // low keys are more popular
	}
}

// act makes one call for key.
func (w *worker) act(key int) {
	n := w.random.IntN(1000)
	is := func(share int) bool { n -= share; return n < 0 }
	switch m := &w.mix; {
	case is(m.peek):
		w.read(peek, key, w.ctx)
	case is(m.refresh):
		w.read(refresh, key, w.ctx)
	case is(m.invalidate):
		w.write(invalidate, key)
	case is(m.invalidateAll):
		w.invalidateAll()
	case is(m.set):
		w.write(set, key)
	case is(m.change):
		w.source.Change(key)
	case is(m.cancelled):
		w.cancelled(key)
	case is(m.resize) && w.sized != nil:
		if err := w.sized.Reconfigure(cache.WithCapacity(1 + w.random.IntN(w.capacity))); err != nil {
			w.findings.add(foreign, "Reconfigure: %v", err)
		}
	case is(m.advance) && w.round.fake != nil:
		w.round.fake.Advance(time.Duration(w.random.IntN(2000)) * time.Microsecond)
	default:
		w.read(get, key, w.ctx)
	}
}

// cancelled makes a call whose ctx ends while it waits, if it has to wait.
func (w *worker) cancelled(key int) {
	ctx, cancel := context.WithTimeout(w.ctx, time.Duration(w.random.IntN(300))*time.Microsecond)
	defer cancel()
	kind := get
	if w.mix.refresh > 0 && w.random.IntN(4) == 0 {
		kind = refresh
	}
	w.read(kind, key, ctx)
}

// read makes a call that returns a value, and checks what can be checked at once.
func (w *worker) read(kind kind, key int, ctx context.Context) {
	k := &w.perKey[key]
	o := op{kind: kind, key: key, worker: w.id}
	floor := w.source.Floor(key)
	o.begun = w.source.Loads(key)
	o.call = k.ticks.Add(1)
	var v evidence.Value
	var err error
	ok := true
	switch kind {
	case peek:
		v, ok = w.cache.Peek(ctx, key)
	case refresh:
		k.forced.Add(1)
		w.total.calls.Add(1)
		v, err = w.cache.Refresh(ctx, key)
	default:
		w.total.calls.Add(1)
		v, err = w.cache.Get(ctx, key)
	}
	o.ret = k.ticks.Add(1)
	if err != nil {
		w.checkError(kind, key, err, ctx)
		return
	}
	if !ok {
		return
	}
	o.version, o.load = v.Version, v.Load
	w.checkValue(&o, floor, v)
	w.history = append(w.history, o)
}

func (w *worker) checkValue(o *op, floor int64, v evidence.Value) {
	if o.kind == refresh && v.Load <= o.begun {
		w.findings.add(forced, "key %d: a Refresh returned %+v, but %d loads had begun before it was called", o.key, v, o.begun)
	}
	if v.Load > 0 {
		if err := w.source.Check(o.key, floor, v); err != nil {
			w.findings.add(fresh, "%v", err)
		}
		return
	}
	switch {
	case v.Key != o.key || -v.Load > w.perKey[o.key].sets.Load() || v.Load == 0:
		w.findings.add(foreign, "key %d: got %+v, which nobody has set", o.key, v)
	case w.serial && v.Version < floor:
		// If writers do not take turns, a value may be older than an invalidation that its Set
		// came after.
		w.findings.add(fresh, "key %d: got %+v, but the floor was %d", o.key, v, floor)
	}
}

// checkError lets pass what was put in.
func (w *worker) checkError(kind kind, key int, err error, ctx context.Context) {
	var failed *cache.LoadError
	var panicked *cache.PanicError
	switch {
	case ctx != w.ctx && ctx.Err() != nil && err == ctx.Err():
	case !errors.As(err, &failed):
		w.findings.add(foreign, "%s of key %d: %v", kind, key, err)
	case failed.Key != key:
		w.findings.add(foreign, "%s of key %d: an error of another key: %v", kind, key, err)
	case errors.As(err, &panicked) && w.panicking > 0 && panicked.Value == errLoad:
	case failed.Err == errLoad && w.failing > 0:
	case failed.Err == cache.ErrLoaderExited && w.panicking > 0:
	case failed.Err == cache.ErrLoadTimeout && w.timeout > 0:
	default:
		w.findings.add(foreign, "%s of key %d: %v", kind, key, err)
	}
}

// write changes the data of a key and tells the cache: by a Set of the new value, or by an
// invalidation. Once that has returned, nobody may get what is older, not even if the storage has
// failed: the cache refuses it.
func (w *worker) write(kind kind, key int) {
	if w.serial {
		w.writing[key].Lock()
		defer w.writing[key].Unlock()
	}
	k := &w.perKey[key]
	o := op{kind: kind, key: key, worker: w.id}
	o.version = w.source.Change(key)
	if kind == set {
		o.load = -k.sets.Add(1)
	}
	o.begun = w.source.Loads(key)
	o.call = k.ticks.Add(1)
	var err error
	if kind == set {
		err = w.cache.Set(w.ctx, key, evidence.Value{Key: key, Version: o.version, Load: o.load})
	} else {
		k.invalidations.Add(1)
		err = w.cache.Invalidate(w.ctx, key)
	}
	o.ret = k.ticks.Add(1)
	if w.told(kind, err) {
		w.source.Raise(key, o.version)
		w.history = append(w.history, o)
	}
}

// told reports whether the cache has been told, and complains about errors that were not put in.
func (w *worker) told(kind kind, err error) bool {
	if err == nil || errors.Is(err, errStore) && w.faulty > 0 {
		return true
	}
	w.findings.add(foreign, "%s: %v", kind, err)
	return false
}

// invalidateAll changes the data of all keys and throws away all entries.
func (w *worker) invalidateAll() {
	ops := make([]op, w.keys)
	for key := range ops {
		if w.serial {
			w.writing[key].Lock()
			defer w.writing[key].Unlock()
		}
		k := &w.perKey[key]
		k.invalidations.Add(1)
		ops[key] = op{kind: invalidateAll, key: key, worker: w.id, version: w.source.Change(key), begun: w.source.Loads(key), call: k.ticks.Add(1)}
	}
	err := w.cache.InvalidateAll(w.ctx)
	for key := range ops {
		ops[key].ret = w.perKey[key].ticks.Add(1)
	}
	if !w.told(invalidateAll, err) {
		return
	}
	for key := range ops {
		w.source.Raise(key, ops[key].version)
	}
	w.history = append(w.history, ops...)
}
