package faults_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// What follows shows that the checkers find something: the table with a wrong figure, with caches that are each wrong in one
// way, and the random calls with storages and caches that are.

func other(a answer) answer {
	if a == first {
		return old
	}
	return first
}

// mutants returns the cell with one of its figures changed, for each of them.
func (c cell) mutants(s shape) map[string]cell {
	all := map[string]cell{}
	change := func(name string, f func(*cell)) {
		m := c
		f(&m)
		all[name] = m
	}
	change("answer", func(m *cell) { m.answer = other(c.answer) })
	change("loads", func(m *cell) { m.loads++ })
	change("next", func(m *cell) { m.next = other(c.next) })
	change("more", func(m *cell) { m.more++ })
	change("storageErrors", func(m *cell) { m.storageErrors++ }) // each becomes 0
	change("decodeErrors", func(m *cell) { m.decodeErrors++ })
	change("rest", func(m *cell) {
		m.rest = same
		if c.rest.on(s) == same {
			m.rest = lied
		}
	})
	if c.took != anyTime && c.answer != hangs {
		change("took", func(m *cell) { m.took += step })
	}
	return all
}

func TestEveryFigureOfTheTableCounts(t *testing.T) {
	figures := 0
	for i := range table {
		col := &table[i]
		for _, want := range col.cells {
			s := col.on[0]
			sound := col.run(t, s, want, nil)
			for name, mutant := range want.mutants(s) {
				figures++
				if slices.Equal(col.run(t, s, mutant, nil), sound) {
					t.Errorf("%s, %v in %v: nobody notices that %s is wrong", col.call, want.fault, col.op, name)
				}
			}
		}
	}
	for _, want := range lateTable {
		sound := want.run(t, want.on[0], nil)
		for name, change := range map[string]func(*lateCell){
			"answer": func(m *lateCell) { m.answer = other(m.answer) },
			"loads":  func(m *lateCell) { m.loads++ },
			"next":   func(m *lateCell) { m.next = other(m.next) },
			"more":   func(m *lateCell) { m.more++ },
			"last":   func(m *lateCell) { m.last = other(m.last) },
			"most":   func(m *lateCell) { m.most++ },
			"rest": func(m *lateCell) {
				if m.rest = same; want.rest == same {
					m.rest = lied
				}
			},
		} {
			mutant := want
			change(&mutant)
			figures++
			if slices.Equal(mutant.run(t, want.on[0], nil), sound) {
				t.Errorf("%s, late: nobody notices that %s is wrong", want.call, name)
			}
		}
	}
	for _, want := range listing {
		for name, change := range map[string]func(*listCell){
			"answer": func(m *listCell) { m.answer = other(m.answer) },
			"took":   func(m *listCell) { m.took += step },
			"booked": func(m *listCell) { m.booked++ },
		} {
			mutant := want
			change(&mutant)
			figures++
			if len(mutant.run(t)) == 0 {
				t.Errorf("New, %v in All: nobody notices that %s is wrong", want.fault, name)
			}
		}
	}
	t.Logf("%d figures were changed, one by one", figures)
}

// The caches below are each wrong in one way.

// mute does not tell that a change has failed.
type mute struct{ subject }

func (c mute) Set(ctx context.Context, key int, v value) error {
	_ = c.subject.Set(ctx, key, v)
	return nil
}

func (c mute) Invalidate(ctx context.Context, key int) error {
	_ = c.subject.Invalidate(ctx, key)
	return nil
}

func (c mute) InvalidateAll(ctx context.Context) error {
	_ = c.subject.InvalidateAll(ctx)
	return nil
}

// clinging goes on handing out what it had if an invalidation or a Set has failed.
type clinging struct {
	subject
	mu     sync.Mutex
	last   map[int]value
	clings bool
}

func (c *clinging) Refresh(ctx context.Context, key int) (value, error) {
	v, err := c.subject.Refresh(ctx, key)
	c.note(func() { c.last[key] = v })
	return v, err
}

func (c *clinging) Get(ctx context.Context, key int) (value, error) {
	v, err := c.subject.Get(ctx, key)
	c.note(func() {
		if held, ok := c.last[key]; ok && c.clings {
			v = held
		}
	})
	return v, err
}

func (c *clinging) Set(ctx context.Context, key int, v value) error {
	err := c.subject.Set(ctx, key, v)
	c.note(func() { c.clings = err != nil })
	return err
}

func (c *clinging) Invalidate(ctx context.Context, key int) error {
	err := c.subject.Invalidate(ctx, key)
	c.note(func() { c.clings = err != nil })
	return err
}

func (c *clinging) InvalidateAll(ctx context.Context) error {
	err := c.subject.InvalidateAll(ctx)
	c.note(func() { c.clings = err != nil })
	return err
}

func (c *clinging) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// hasty does not wait for what is running when it is closed.
type hasty struct{ subject }

func (c hasty) Close(ctx context.Context) error {
	go func() { _ = c.subject.Close(ctx) }()
	return nil
}

// doubling loads once more than it has to. The first load has to have ended, or the second joins it.
type doubling struct{ subject }

func (c doubling) Get(ctx context.Context, key int) (value, error) {
	_, found := c.Peek(ctx, key)
	v, err := c.subject.Get(ctx, key)
	if !found {
		_ = c.Wait(ctx)
		_, _ = c.Refresh(ctx, key)
	}
	return v, err
}

// patient keeps its callers waiting until their value is written.
type patient struct{ subject }

func (c patient) Get(ctx context.Context, key int) (value, error) {
	v, err := c.subject.Get(ctx, key)
	_ = c.Wait(ctx)
	return v, err
}

// frank gives its callers the errors of the storage.
type frank struct {
	subject
	storage storage.Storage[int, value]
}

func (c frank) Get(ctx context.Context, key int) (value, error) {
	if _, err := c.storage.Get(ctx, key); err != nil {
		return value{}, err
	}
	return c.subject.Get(ctx, key)
}

// careless counts too many errors.
type careless struct{ subject }

func (c careless) Stats() cache.Stats {
	s := c.subject.Stats()
	s.StorageErrors++
	return s
}

// lingering leaves a timer behind.
type lingering struct {
	subject
	rig *rig
}

func (c lingering) Get(ctx context.Context, key int) (value, error) {
	c.rig.clock.AfterFunc(time.Hour, func() {})
	return c.subject.Get(ctx, key)
}

func TestTableFindsBrokenCaches(t *testing.T) {
	for _, broken := range []struct {
		name  string
		wrap  wrapper
		found []string // the calls at which it has to be found
		as    string   // part of what is said
	}{
		{
			"mute", func(_ *rig, c subject) subject { return mute{c} },
			[]string{"Set", "Invalidate", "InvalidateAll"}, "the call: nil",
		},
		{
			"clinging", func(_ *rig, c subject) subject { return &clinging{subject: c, last: map[int]value{}} },
			[]string{"Set", "Invalidate", "InvalidateAll"}, "the next Get: old",
		},
		{"hasty", func(_ *rig, c subject) subject { return hasty{c} }, []string{"Close"}, "the call took"},
		{"doubling", func(_ *rig, c subject) subject { return doubling{c} }, []string{"Get of nothing"}, "the call: 2 loads"},
		{"patient", func(_ *rig, c subject) subject { return patient{c} }, []string{"Get of nothing", "Get of a stale entry"}, "the call took"},
		{
			"frank", func(r *rig, c subject) subject { return frank{c, r.faulty} },
			[]string{"Get of nothing", "Get of a fresh entry", "Get of a stale entry"}, "the call: injected",
		},
		{
			"careless", func(_ *rig, c subject) subject { return careless{c} },
			[]string{"Get of nothing", "Get of a fresh entry", "Refresh", "Set", "Close"}, "storage errors",
		},
		{
			"lingering", func(r *rig, c subject) subject { return lingering{c, r} },
			[]string{"Get of nothing", "Get of a fresh entry", "Get that evicts", "Close"}, "a timer is left",
		},
		{
			"secretive", func(r *rig, c subject) subject { r.books.deafToReleases = true; return c },
			[]string{"Invalidate", "Get that evicts"}, "the strategy",
		},
	} {
		t.Run(broken.name, func(t *testing.T) {
			found := map[string]bool{}
			for i := range table {
				col := &table[i]
				for _, want := range col.cells {
					for _, problem := range col.run(t, col.on[0], want, broken.wrap) {
						found[col.call] = found[col.call] || strings.Contains(problem, broken.as)
					}
				}
			}
			for _, call := range broken.found {
				if !found[call] {
					t.Errorf("nobody notices at %s", call)
				}
			}
		})
	}
}

// undying does not remove what it says it has removed.
type undying struct{ kept }

func (s undying) Invalidate(context.Context, int) error { return nil }

func (s undying) Clear(context.Context) error { return nil }

// stubborn hands out the first value of a key for ever.
type stubborn struct {
	subject
	mu   sync.Mutex
	held map[int]value
}

func (c *stubborn) Get(ctx context.Context, key int) (value, error) {
	c.mu.Lock()
	v, ok := c.held[key]
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := c.subject.Get(ctx, key)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.held[key] = v
	}
	return v, err
}

// lazy answers a Refresh with what there is.
type lazy struct{ subject }

func (c lazy) Refresh(ctx context.Context, key int) (value, error) { return c.Get(ctx, key) }

func TestRandomFindsFaults(t *testing.T) {
	wrapped := func(wrap wrapper) func(*rigging) { return func(g *rigging) { g.wrap = wrap } }
	for _, tt := range []struct {
		name  string
		alter func(*rigging)
		as    string
	}{
		{"bytes without a checksum", func(g *rigging) { g.codec = serde.JSON[value]() }, "which nobody has loaded or set"},
		{"removals that are none", func(g *rigging) { g.behind = func(k kept) kept { return undying{k} } }, "which was invalidated before"},
		{"old values", wrapped(func(_ *rig, c subject) subject { return &stubborn{subject: c, held: map[int]value{}} }), " old"},
		{"Refresh that loads nothing", wrapped(func(_ *rig, c subject) subject { return lazy{c} }), "before the call"},
		{"errors that callers see", wrapped(func(r *rig, c subject) subject { return frank{c, r.faulty} }), "though only the storage has"},
		{"wrong counts", wrapped(func(_ *rig, c subject) subject { return careless{c} }), "are counted"},
		{"books that miss writes", wrapped(func(r *rig, c subject) subject { r.books.deafToWrites = true; return c }), "entries, and room for"},
		{"callers who wait for writes", wrapped(func(_ *rig, c subject) subject { return patient{c} }), " took "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var problems []string
			for seed := uint64(1); seed <= 60; seed++ {
				problems = play(t, seed, tt.alter)
				if slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, tt.as) }) {
					return
				}
			}
			t.Errorf("60 rounds found nothing with %q; the last one: %v", tt.as, problems)
		})
	}
}
