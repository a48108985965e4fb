package faults_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/storage/storagetest"
)

// Each of these was found by the table or by the random calls, and is the shortest way to it.

// on runs f in a bubble for each shape.
func on(t *testing.T, shapes []shape, g rigging, f func(r *rig)) {
	t.Helper()
	for _, s := range shapes {
		t.Run(string(s), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g.shape = s
				r := newRig(g)
				f(r)
				r.free()
				r.settle("at the end")
				r.noTimer("at the end")
				r.end()
				for _, problem := range r.problems {
					t.Error(problem)
				}
			})
		})
	}
}

// A Set supersedes the load whose value is being written (22), also if both are of the same instant: when that write, given up
// on, lands after the Set has been written, it must not take its place.
func TestSetSupersedesAWriteOfTheSameInstant(t *testing.T) {
	on(t, all, rigging{capacity: 2}, func(r *rig) {
		if err := r.faulty.Next(storagetest.OnOffer, storagetest.HangForever); err != nil {
			r.problemf("%v", err)
		}
		if c := r.get(0); !r.ends(c) || c.value.Load != 1 {
			r.problemf("Get gives %+v, %v", c.value, c.err)
		}
		set := r.set(0, assignedValue)
		if !r.ends(set) || set.err != nil {
			r.problemf("Set: %v", set.err)
		}
		r.gets("after the Set, Get", 0, [4]int64{}, assigned)
		r.free()
		r.settle("after the late write")
		if c := r.get(0); !r.ends(c) || c.err != nil || c.value.Load == 1 {
			r.problemf("after the late write, Get gives %+v, %v: the value that the Set has superseded", c.value, c.err)
		}
	})
}

// What a storage holds is in the books (24, 28), even if it has reported its write as failed: a server that has answered too
// late does so every time.
func TestCapacityHoldsIfWritesAreDoneAndReportedAsFailed(t *testing.T) {
	on(t, all, rigging{capacity: 2}, func(r *rig) {
		if err := r.faulty.Always(storagetest.OnOffer, storagetest.FailApplied); err != nil {
			r.problemf("%v", err)
		}
		for key := range 4 {
			r.must(r.get(key))
		}
		r.free()
		r.must(r.set(0, assignedValue)) // the next write, if that is needed
		if keys := r.inner.keys(); len(keys) > 2 {
			booked, _ := r.books.keys()
			r.problemf("the storage holds %v, and room is for 2; the strategy knows of %v", keys, booked)
		}
	})
}

// reluctant does what it is asked, and reports an error.
type reluctant struct{ kept }

func (s reluctant) Offer(ctx context.Context, key int, e *entry) error {
	_ = s.kept.Offer(ctx, key, e)
	return context.DeadlineExceeded
}

// The same of a write that was given up on, and whose storage has noticed that.
func TestCapacityHoldsIfLateWritesAreReportedAsFailed(t *testing.T) {
	on(t, remotes, rigging{capacity: 2, behind: func(k kept) kept { return reluctant{k} }}, func(r *rig) {
		if err := r.faulty.Always(storagetest.OnOffer, storagetest.HangForever); err != nil {
			r.problemf("%v", err)
		}
		for key := range 4 {
			r.must(r.get(key))
		}
		r.free()
		r.settle("after the late writes")
		r.pass(time.Second)
		if keys := r.inner.keys(); len(keys) > 2 {
			booked, _ := r.books.keys()
			r.problemf("the storage holds %v, and room is for 2; the strategy knows of %v", keys, booked)
		}
	})
}

// A panic in Lookup is an error of the storage's (20), not a sign that a victim has gone: nothing is lost from the books (28).
func TestVictimIsNotLostToAPanicInLookup(t *testing.T) {
	on(t, locals, rigging{capacity: 1}, func(r *rig) {
		r.must(r.get(0))
		if err := r.faulty.Always(storagetest.OnLookup, storagetest.Panic); err != nil {
			r.problemf("%v", err)
		}
		r.must(r.get(1))
		r.free()
		r.must(r.get(2))
		if keys := r.inner.keys(); len(keys) > 1 {
			booked, lost := r.books.keys()
			r.problemf("the storage holds %v, and room is for 1; the strategy knows of %v, and %v got lost", keys, booked, lost)
		}
	})
}

// A write that was given up on has landed, and the read by which the cache wants to find out fails: the entry is there all the
// same, and belongs into the books.
func TestCapacityHoldsIfTheReadAfterALateWriteFails(t *testing.T) {
	on(t, remotes, rigging{capacity: 1}, func(r *rig) {
		if err := r.faulty.Next(storagetest.OnOffer, storagetest.HangForever); err != nil {
			r.problemf("%v", err)
		}
		r.must(r.get(0))
		if err := r.faulty.Next(storagetest.OnGet, storagetest.Fail); err != nil {
			r.problemf("%v", err)
		}
		r.faulty.Free()
		r.settle("after the late write")
		if n := r.faulty.Injected(storagetest.OnGet, storagetest.Fail); n != 1 {
			r.problemf("%d reads have failed after the late write, want 1", n)
		}
		r.must(r.get(1))
		r.must(r.get(2))
		if keys := r.inner.keys(); len(keys) > 1 {
			booked, _ := r.books.keys()
			r.problemf("the storage holds %v, and room is for 1; the strategy knows of %v", keys, booked)
		}
	})
}
