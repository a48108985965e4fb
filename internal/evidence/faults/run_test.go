package faults_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage/storagetest"
)

func TestTable(t *testing.T) {
	var cells, violations int64
	found := func(name string, problems []string) {
		cells++
		if len(problems) > 0 {
			violations++
			t.Errorf("%s:\n\t%s", name, strings.Join(problems, "\n\t"))
		}
	}
	for i := range table {
		col := &table[i]
		for _, s := range col.on {
			for _, want := range col.cells {
				if want.appliesTo(s) {
					found(fmt.Sprintf("%s, %v in %v of a %s storage", col.call, want.fault, col.op, s), col.run(t, s, want, nil))
				}
			}
		}
	}
	for _, want := range lateTable {
		for _, s := range want.on {
			found(fmt.Sprintf("%s, %v of a %s storage lands late", want.call, want.op, s), want.run(t, s, nil))
		}
	}
	for _, want := range listing {
		found(fmt.Sprintf("New, %v in All", want.fault), want.run(t))
	}
	evidence.Report(t, "faults", cells, "cells of fault x call", violations)
}

// Every fault that there is has its cell in every column, on every storage to which it applies.
func TestTableIsComplete(t *testing.T) {
	for _, col := range table {
		for _, s := range col.on {
			had := map[storagetest.Fault]bool{}
			for _, c := range col.cells {
				had[c.fault.Fault] = had[c.fault.Fault] || c.appliesTo(s)
			}
			for _, f := range storagetest.Faults(col.op) {
				if s == inProcess && (f == storagetest.Corrupt || f == storagetest.Cut) {
					continue
				}
				if !had[f] && !slices.Contains(col.without, f) {
					t.Errorf("%s: there is no cell for %v in %v of a %s storage", col.call, f, col.op, s)
				}
			}
		}
	}
}

// appliesTo reports whether the cell is one of a storage of that shape: what is local has no bytes.
func (c cell) appliesTo(s shape) bool {
	return s != inProcess || c.fault.Fault != storagetest.Corrupt && c.fault.Fault != storagetest.Cut
}

// wrapper makes another cache of one.
type wrapper = func(*rig, subject) subject

// run carries out a cell and returns what is not as it says.
func (col *column) run(t *testing.T, s shape, want cell, wrap wrapper) (problems []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := rigging{shape: s, capacity: 2, wrap: wrap}
		if want.fault.delay > 0 {
			g.faults = append(g.faults, storagetest.WithDelay(want.fault.delay))
		}
		r := newRig(g)
		col.check(r, want)
		problems = r.problems
	})
	return problems
}

func (col *column) check(r *rig, want cell) {
	asked := col.next
	if asked == nil {
		asked = []int{0}
	}
	base := r.begin(col.stage, col.op, want.fault)

	c := col.make(r)
	took, ended := r.await(c, patience)
	if got := c.answer(ended, base); got != want.answer {
		r.problemf("the call: %s (%+v, %v), want %s", got, c.value, c.err, want.answer)
	}
	if want.took != anyTime && want.answer != hangs && took != want.took {
		r.problemf("the call took %v, want %v", took, want.took)
	}
	if ended {
		r.settle("after the call")
	}
	r.pass(5 * time.Second) // what is late lands, and the backoff is over
	hit := r.faulty.Injected(col.op, want.fault.Fault)
	if hit == 0 && want.fault != ok {
		r.problemf("the fault has not happened")
	}
	r.free()
	r.settle("after all faults")
	r.noTimer("after all faults")
	if !ended && !c.hasEnded() {
		r.problemf("the call that hung does not return though it is freed")
		return
	}
	r.loaded("the call", base, want.loads)
	r.agree("after all faults", want.rest.on(r.shape))

	before := r.loads()
	for _, key := range asked {
		r.gets("the next Get", key, base, want.next)
	}
	r.settle("after the next Get")
	r.loaded("the next Get", before, want.more)
	if want.next != closed {
		r.sound(asked, base, want.rest.on(r.shape))
	}

	storageErrors := want.storageErrors
	if storageErrors == each {
		storageErrors = hit
	}
	r.counted(storageErrors, want.decodeErrors)
	r.end()
}

func (want listCell) run(t *testing.T) (problems []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(rigging{shape: inProcess, capacity: 2, faults: []storagetest.FaultyOption{storagetest.WithDelay(want.fault.delay)}})
		r.must(r.get(0))
		r.must(r.get(1))
		if err := r.faulty.Always(storagetest.OnAll, want.fault.Fault); err != nil {
			r.problemf("%v", err)
		}
		b := newBooks(2)
		c := began(func(c *call) { _, c.err = r.open(b) })
		took, ended := r.await(c, patience)
		if got := c.answer(ended, [4]int64{}); got != want.answer || took != want.took {
			r.problemf("New: %s (%v) after %v, want %s after %v", got, c.err, took, want.answer, want.took)
		}
		if booked, _ := b.keys(); len(booked) != want.booked {
			r.problemf("the strategy was told of %v, want %d keys", booked, want.booked)
		}
		r.pass(5 * time.Second)
		r.free()
		r.noTimer("after all faults")
		problems = r.problems
	})
	return problems
}

func (want lateCell) run(t *testing.T, s shape, wrap wrapper) (problems []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(rigging{shape: s, capacity: 2, wrap: wrap})
		want.check(r)
		problems = r.problems
	})
	return problems
}

func (want lateCell) check(r *rig) {
	base := r.begin(want.stage, want.op, forever)
	c := want.make(r)
	_, ended := r.await(c, patience)
	if got := c.answer(ended, base); got != want.answer {
		r.problemf("the call: %s (%+v, %v), want %s", got, c.value, c.err, want.answer)
	}
	r.settle("after the call")
	r.pass(2 * time.Second)
	r.loaded("the call", base, want.loads)
	if r.faulty.Hanging() != 1 {
		r.problemf("%d calls of the storage hang, want 1", r.faulty.Hanging())
	}

	r.faulty.Heal()
	before := r.loads()
	for _, key := range want.asked {
		r.gets("the next Get", key, base, want.next)
	}
	r.settle("after the next Get")
	r.loaded("the next Get", before, want.more)

	r.free()
	r.settle("after the late effect")
	r.noTimer("after the late effect")
	r.agree("after the late effect", want.rest.on(r.shape))
	before = r.loads()
	for _, key := range want.asked {
		r.gets("the Get after the late effect", key, base, want.last)
	}
	r.settle("after the Get after the late effect")
	r.loaded("the Get after the late effect", before, want.most)
	r.sound(want.asked, base, same)
	r.counted(1, 0)
	r.end()
}

// A write that is carried out again overtakes the next one. That is the storage's lie, and the cache makes the best of it: an
// entry that has neither expired nor been invalidated, and nothing wrong for good.
func TestWriteThatIsRepeatedLater(t *testing.T) {
	on(t, all, rigging{capacity: 2}, func(r *rig) {
		base := r.begin(fresh, storagetest.OnOffer, ok)
		if err := r.faulty.Next(storagetest.OnOffer, storagetest.Twice); err != nil {
			r.problemf("%v", err)
		}
		r.must(r.refresh(0))
		r.gets("after the first Refresh, Get", 0, base, first)
		r.must(r.refresh(0))
		r.gets("after the second Refresh, Get", 0, base, first)
		r.must(r.invalidate(0))
		r.gets("after Invalidate, Get", 0, base, third)
		r.settle("after Invalidate")
		r.agree("after Invalidate", same)
		r.counted(0, 0)
	})
}

// loads returns how many loads of each key have begun.
func (r *rig) loads() (n [4]int64) {
	for key := range n {
		n[key] = r.source.Loads(key)
	}
	return n
}

// begin sets the stage, gives the data of every key a new version, and makes the fault stand.
func (r *rig) begin(stage func(*rig), op storagetest.Op, f fault) (base [4]int64) {
	stage(r)
	base = r.loads()
	for key := range base {
		r.source.Change(key)
	}
	if err := r.faulty.Always(op, f.Fault); err != nil {
		r.problemf("%v", err)
	}
	return base
}

// answer is what the call that was made first has come to.
func (c *call) answer(ended bool, base [4]int64) answer {
	if !ended {
		return hangs
	}
	return c.classify(0, base[0])
}

// loaded checks how many loads there have been since before.
func (r *rig) loaded(what string, before [4]int64, want int64) {
	var got int64
	for key, n := range r.loads() {
		got += n - before[key]
	}
	if got != want {
		r.problemf("%s: %d loads, want %d", what, got, want)
	}
}

// gets checks the answer of a Get.
func (r *rig) gets(what string, key int, base [4]int64, want answer) {
	c := r.get(key)
	if took, ended := r.await(c, patience); !ended || took != 0 {
		r.problemf("%s: it took %v", what, took)
		return
	}
	if got := c.classify(key, base[key]); got != want {
		r.problemf("%s: %s (%+v, %v), want %s", what, got, c.value, c.err, want)
	}
}

// agree checks that storage and strategy hold the same keys.
func (r *rig) agree(when string, how rest) {
	stored := r.inner.keys()
	booked, lost := r.books.keys()
	if len(lost) > 0 {
		r.problemf("%s: victims that were neither released nor put back: %v", when, lost)
	}
	if how != same {
		r.covered(when)
	}
	if slices.Equal(stored, booked) == (how == same) {
		return
	}
	r.problemf("%s: the storage holds %v, the strategy %v, and that is not what is expected", when, stored, booked)
}

// covered checks that the strategy knows of all keys that the storage holds.
func (r *rig) covered(when string) {
	booked, _ := r.books.keys()
	for _, key := range r.inner.keys() {
		if !slices.Contains(booked, key) {
			r.problemf("%s: the storage holds %d, of which the strategy has no book", when, key)
		}
	}
}

// sound checks that the cache is as good as new: another Get of the keys gets the latest value without a load, there are no more
// entries than allowed, and storage and strategy agree.
func (r *rig) sound(asked []int, base [4]int64, how rest) {
	before := r.loads()
	for _, key := range asked {
		c := r.get(key)
		if took, ended := r.await(c, patience); !ended || took != 0 || c.err != nil {
			r.problemf("at the end: Get took %v and returned %v", took, c.err)
			return
		}
		latest := before[key] > base[key] && c.value == value{Key: key, Version: 2, Load: before[key]}
		if got := c.classify(key, base[key]); !latest && got != first && got != old && got != assigned {
			r.problemf("at the end: Get gives %+v", c.value)
		}
	}
	r.settle("at the end")
	r.loaded("at the end", before, 0)
	if how == same {
		r.agree("at the end", same)
	} else {
		r.covered("at the end")
	}
	if n := len(r.inner.keys()); n > 2 {
		r.problemf("at the end: %d entries, and room for 2", n)
	}
}

// counted checks the counts of errors, and that each was reported.
func (r *rig) counted(storageErrors, decodeErrors int) {
	r.mu.Lock()
	reported := [2]uint64{r.events[cache.StorageFailed], r.events[cache.DecodeFailed]}
	r.mu.Unlock()
	s := r.cache.Stats()
	if got := [2]uint64{s.StorageErrors, s.DecodeErrors}; got != [2]uint64{uint64(storageErrors), uint64(decodeErrors)} {
		r.problemf("%d storage errors and %d decode errors counted, want %d and %d", got[0], got[1], storageErrors, decodeErrors)
	} else if got != reported {
		r.problemf("%d storage errors and %d decode errors counted, %d and %d reported", got[0], got[1], reported[0], reported[1])
	}
}

// end closes the cache, which finds nothing running, and checks that the statistics balance.
func (r *rig) end() {
	c := r.close(context.Background())
	if took, ended := r.await(c, patience); !ended || took != 0 || c.err != nil {
		r.problemf("at the end: Close took %v and returned %v", took, c.err)
	}
	r.noTimer("at the end")
	s := r.cache.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	if sum := s.Hits + s.StaleHits + s.Led + s.Joined + s.Refused; sum != r.returned {
		r.problemf("%d calls are counted, %d have returned: %+v", sum, r.returned, s)
	}
	ended := s.LoadsSucceeded + s.LoadsFailed + s.LoadsTimedOut + s.LoadsPanicked + s.LoadsExited
	if began := uint64(r.source.AllLoads()); ended != began || s.LoadsRunning != 0 {
		r.problemf("%d loads have begun, %d have ended and %d are running: %+v", began, ended, s.LoadsRunning, s)
	}
}
