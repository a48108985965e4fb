package model_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/storage"
)

// compare ends a step: it reports where system and model differ.
func (w *world) compare() *violation {
	w.current = 0
	w.model.atRest()
	for _, fault := range w.model.faults {
		w.problem("%s", fault)
	}
	for _, what := range w.model.reached {
		w.reached[what]++
	}
	w.compareAnswers()
	w.compareLoads()
	w.compareEntries()
	w.compareBooks()
	w.compareStats()
	w.compareEvents()
	return w.violation()
}

// problem notes a difference. The first word is the check that has seen it.
func (w *world) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if check, _, _ := strings.Cut(text, ":"); w.only == "" || check == w.only {
		w.problems = append(w.problems, text)
	}
}

func (w *world) violation() *violation {
	if len(w.problems) == 0 {
		return nil
	}
	check, _, _ := strings.Cut(w.problems[0], ":")
	return &violation{check, strings.Join(w.problems, "\n")}
}

func (w *world) compareAnswers() {
	for _, id := range slices.Sorted(maps.Keys(w.calls)) {
		c := w.calls[id]
		want, answered := w.model.answers[id]
		check := "answer"
		if c.what.kind == opPeek {
			check = "peek"
		}
		select {
		case <-c.done:
			delete(w.calls, id)
			w.checkFloor(c)
			switch got := c.got; {
			case !answered:
				w.problem("%s: call %d, %v, has returned %v, but has to wait", check, id, c.what, got)
			case want.orCanceled && got.err == canceled:
			case got.value != want.value || got.found != want.found || got.err != want.err:
				w.problem("%s: call %d, %v, has returned %v, want %v", check, id, c.what, got, want)
			}
		default:
			if answered {
				w.problem("%s: call %d, %v, is still waiting, want %v", check, id, c.what, want)
			}
		}
	}
}

// checkFloor checks a value without the model.
func (w *world) checkFloor(c *call) {
	v := c.got.value
	v.Load = int64(int32(v.Load)) // without what post-processing has added
	var err error
	switch {
	case v == value{}: // none, or the zero value of a load function
	case v.Load > 0:
		err = w.source.Check(c.what.key, c.floor, v)
	case v.Key != c.what.key || v.Version < c.floor:
		err = fmt.Errorf("key %d: got %+v, the floor is %d", c.what.key, v, c.floor)
	}
	if err != nil {
		w.problem("floor: %v has returned: %v", c.what, err)
	}
}

func (w *world) compareLoads() {
	w.mu.Lock()
	got, odd := w.begun, w.odd
	w.begun, w.odd = nil, nil
	w.mu.Unlock()
	for _, text := range odd {
		w.problem("%s", text)
	}
	want := slices.Clone(w.model.loads)
	for i := range want {
		if w.anonymous[want[i].leader] {
			want[i].leader = 0
		}
	}
	order := func(a, b begun) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.ordinal, b.ordinal)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.EqualFunc(got, want, begun.equal) {
		w.problem("loads: began %v, want %v", got, want)
	}
	for k := range keyCount {
		running := int64(0)
		for _, f := range w.model.running {
			if f.key == k {
				running++
			}
		}
		if loads, wanted := w.source.Loads(k), w.model.keys[k].loads; loads != wanted {
			w.problem("loads: key %d was loaded %d times, want %d", k, loads, wanted)
		}
		if r := w.source.Running(k); r != running {
			w.problem("loads: %d loads of key %d are running, want %d", r, k, running)
		}
	}
}

func (b begun) equal(other begun) bool {
	return b.key == other.key && b.ordinal == other.ordinal && b.leader == other.leader && b.deadline.Equal(other.deadline)
}

func (b begun) String() string {
	text := fmt.Sprintf("load %d of key %d with the ctx of call %d", b.ordinal, b.key, b.leader)
	if !b.deadline.IsZero() {
		text += " until " + since(b.deadline)
	}
	return text
}

func (w *world) compareEntries() {
	var held map[int]*storage.Entry[value]
	if w.memory != nil {
		held = maps.Collect(w.memory.All())
	} else {
		held = w.shelf.held()
	}
	for k := range keyCount {
		got, there := held[k]
		switch want := w.model.s.store.entries[k]; {
		case want == nil && there:
			w.problem("entries: of key %d the storage holds %s, want nothing", k, describe(got))
		case want != nil && !there:
			w.problem("entries: of key %d the storage holds nothing, want %s", k, describe(want.real()))
		case want == nil || want.corrupt && got == nil:
		case got == nil:
			w.problem("entries: of key %d the storage holds bytes that cannot be decoded, want %s", k, describe(want.real()))
		case want.corrupt:
			w.problem("entries: of key %d the storage holds %s, want bytes that cannot be decoded", k, describe(got))
		case !got.Equal(want.real()):
			w.problem("entries: of key %d the storage holds %s, want %s", k, describe(got), describe(want.real()))
		}
	}
}

func describe(e *storage.Entry[value]) string {
	if e == nil {
		return "bytes that cannot be decoded"
	}
	return fmt.Sprintf("%+v, created %s, stale %s, expired %s", e.Value, since(e.Created()), since(e.UpdateAfter()), since(e.ExpireAfter()))
}

// since is an instant as what has passed since the beginning.
func since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return "+" + t.Sub(epoch).String()
}

func (w *world) compareBooks() {
	if len(w.released) > 0 {
		w.problem("books: the release of %v was tried without need", w.released)
	}
	if w.strategy == nil {
		return
	}
	if n := w.strategy.Len(); n != w.model.books.len() {
		w.problem("books: the strategy holds %d keys, want %d: %v", n, w.model.books.len(), w.model.books)
	}
}

func (w *world) compareStats() {
	got, want := w.system.Stats(), w.model.stats
	want.LoadsRunning = len(w.model.running)
	if !want.HitsCounted {
		want.Hits, want.StaleHits = 0, 0
		w.model.stats = want // nor will they be later
	}
	if got != want {
		w.problem("stats: got  %+v\n       want %+v", got, want)
	}
	if calls := got.Hits + got.StaleHits + got.Led + got.Joined + got.Refused; w.counting && calls != w.asked {
		w.problem("stats: %d calls of Get and Refresh are counted, there were %d", calls, w.asked)
	}
	if loads := got.LoadsSucceeded + got.LoadsFailed + got.LoadsTimedOut + got.LoadsPanicked + got.LoadsExited +
		uint64(got.LoadsRunning); loads != uint64(w.source.AllLoads()) {
		w.problem("stats: %d loads are counted, there were %d", loads, w.source.AllLoads())
	}
}

func (w *world) compareEvents() {
	w.mu.Lock()
	got, logged := w.events, w.logged
	w.events, w.logged = map[event]int{}, 0
	w.mu.Unlock()
	want := w.model.events
	if !maps.Equal(got, want) {
		w.problem("events: got  %v\n        want %v", got, want)
	}
	warnings := 0
	for e, n := range want {
		switch e.kind {
		case cache.RefreshFailed, cache.StorageFailed, cache.DecodeFailed: // what nobody else sees (13)
			warnings += n
		}
	}
	if logged != warnings {
		w.problem("events: %d records are logged, want %d", logged, warnings)
	}
}

func (e *entry) real() *storage.Entry[value] {
	return storage.NewEntry(e.value, e.created, e.update, e.expire)
}
