package parallel_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// kind is what a call does.
type kind string

const (
	get           kind = "get"
	peek          kind = "peek"
	refresh       kind = "refresh"
	set           kind = "set"
	invalidate    kind = "invalidate"
	invalidateAll kind = "invalidateAll"
)

// op is one call that has returned something, as far as it concerns one key. Its instants are those
// of the key's own counter.
type op struct {
	kind      kind
	key       int
	worker    int
	call, ret int64

	begun   int64 // loads of the key that had begun before the call
	version int64 // of the value returned; of the data when it was set or invalidated
	load    int64 // ordinal of the load returned; negative: it was given to the set with that number

	late  bool // the value may be older than what others have got, so it says nothing about later calls
	early bool // the value is of a set that had not yet returned, and may have come before others see it
	alive bool // the set was made in an earlier window, and nothing has surely ended its value there
}

func (o *op) String() string {
	from := fmt.Sprintf("load %d", o.load)
	if o.load < 0 {
		from = fmt.Sprintf("set %d", -o.load)
	}
	switch o.kind {
	case set:
		return fmt.Sprintf("[%4d %4d] %d: %s of version %d, %d loads begun", o.call, o.ret, o.worker, from, o.version, o.begun)
	case invalidate, invalidateAll:
		return fmt.Sprintf("[%4d %4d] %d: %s up to version %d, %d loads begun", o.call, o.ret, o.worker, o.kind, o.version, o.begun)
	default:
		return fmt.Sprintf("[%4d %4d] %d: %s, %d loads begun: version %d of %s, late %v", o.call, o.ret, o.worker, o.kind, o.begun, o.version, from, o.late)
	}
}

// writes reports whether the call ends what was there before.
func (o *op) writes() bool { return o.kind == set || o.kind == invalidate || o.kind == invalidateAll }

// state is what the model knows of a key: what a call may return that comes next.
//
// A register that holds a value would be no model of a cache. It would be blind to the worst fault,
// an invalidation that lets the running load store its value: the Get that caused the load overlaps
// with the invalidation, so it may be put after it, and then it has loaded the value anew. What it
// takes to see the fault are the facts of the source: a value tells how old it is. So the state is
// a bound on the age of loads, and the one value from outside that may still be there.
type state struct {
	version int64 // the lowest that a load may have
	load    int64 // the lowest ordinal that a load may have
	set     int64 // number of the set whose value may be returned; 0: none, unknown: see op.alive
}

const unknown = -1

// step is the model: whether o can come next, and what may come after it.
func (s state) step(o *op) (bool, state) {
	switch {
	case o.writes():
		s.version = max(s.version, o.version)
		s.load = max(s.load, o.begun+1)
		s.set = 0
		if o.kind == set {
			s.set = -o.load
		}
		return true, s
	case o.kind == refresh && o.load <= o.begun:
		return false, s
	case o.early:
	case o.load < 0:
		legal := s.set == -o.load || s.set == unknown && o.alive
		s.set = -o.load
		return legal, s
	case o.version < s.version || o.load < s.load:
		return false, s
	case !o.late:
		s.load, s.set = o.load, 0
	}
	return true, s
}

// linearize looks for an order of the operations of one key that the model allows from start on.
func linearize(start state, ops []*op, limit time.Duration) porcupine.CheckResult {
	history := make([]porcupine.Operation, len(ops))
	for i, o := range ops {
		history[i] = porcupine.Operation{ClientId: o.worker, Input: o, Call: o.call, Return: o.ret}
	}
	return porcupine.CheckOperationsTimeout(porcupine.Model{
		Init: func() any { return start },
		Step: func(s, input, _ any) (bool, any) { return s.(state).step(input.(*op)) },
	}, history, limit)
}

// carry is what is known of a key when a window begins.
type carry struct {
	state
	alive []int64 // sets whose value may be there, if state.set is unknown
}

// prepare notes in the operations of one key what the model needs to know.
func (c *carry) prepare(ops []*op, s *scenario) {
	var writes []*op
	for _, o := range ops {
		if o.writes() {
			writes = append(writes, o)
		}
	}
	for _, o := range ops {
		overlaps := func(w *op) bool { return w.call <= o.ret && o.call <= w.ret }
		switch {
		case o.writes():
		case o.load < 0:
			o.alive = slices.Contains(c.alive, -o.load)
			o.early = !s.exact() && slices.ContainsFunc(writes, func(w *op) bool { return w.load == o.load && overlaps(w) })
		default:
			o.late = !s.settled(o.kind) || slices.ContainsFunc(writes, overlaps)
		}
	}
}

// next returns what is known when all operations have ended.
func (c *carry) next(ops []*op) *carry {
	n := &carry{state: c.state}
	n.set = unknown
	last := int64(-1) // the latest call of a write: it has ended whatever had been set before
	for _, o := range ops {
		switch {
		case o.writes():
			last = max(last, o.call)
			n.version = max(n.version, o.version)
			n.load = max(n.load, o.begun+1)
		case o.load > 0 && !o.late:
			n.load = max(n.load, o.load)
		}
	}
	if last < 0 {
		n.alive = c.alive
	}
	for _, o := range ops {
		if o.kind == set && o.ret > last {
			n.alive = append(n.alive, -o.load)
		}
	}
	return n
}

// excerpt prints as much of a history as it takes for it to have no order.
type excerpt struct {
	start state
	ops   []*op
}

func (e excerpt) String() string {
	ops := slices.Clone(e.ops)
	slices.SortFunc(ops, func(a, b *op) int { return int(a.call - b.call) })
	var b strings.Builder
	fmt.Fprintf(&b, "from %+v", e.start)
	for _, o := range shrink(e.start, ops, time.Now().Add(decision)) {
		fmt.Fprintf(&b, "\n\t%v", o)
	}
	return b.String()
}

// shrink leaves out what is not needed for a history to have no order: not the set whose value
// somebody has returned, for without it that would be what is wrong.
func shrink(start state, ops []*op, until time.Time) []*op {
	for i := len(ops) - 1; i >= 0 && time.Now().Before(until); i-- {
		o, rest := ops[i], slices.Delete(slices.Clone(ops), i, i+1)
		if o.kind == set && slices.ContainsFunc(rest, func(r *op) bool { return r.load == o.load }) {
			continue
		}
		if linearize(start, rest, time.Second) == porcupine.Illegal {
			ops = rest
		}
	}
	return ops
}

// span is one run of the load function, by the counter of its key.
type span struct{ begin, end int64 }

// surplus returns how many spans have to be left out so that no two of the others overlap. Loads
// that kept their registration to their end never overlap, so it is the least number of loads that
// lost it.
func surplus(spans []span) (n int) {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return int(a.end - b.end) })
	last := int64(-1)
	for _, s := range spans {
		if s.begin <= last {
			n++
		} else {
			last = s.end
		}
	}
	return n
}
