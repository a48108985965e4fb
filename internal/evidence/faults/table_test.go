package faults_test

import (
	"context"
	"time"

	"github.com/memoize-go/memoize/storage/storagetest"
)

// fault is a fault as the table knows it.
type fault struct {
	storagetest.Fault
	delay time.Duration // of Delay
}

const (
	slowly  = 400 * time.Millisecond // within the storage timeout
	lately  = 3 * time.Second        // beyond it
	overdue = storageTimeout
)

var (
	ok        = fault{Fault: storagetest.OK}
	fail      = fault{Fault: storagetest.Fail}
	panicking = fault{Fault: storagetest.Panic}
	exit      = fault{Fault: storagetest.Exit}
	slow      = fault{Fault: storagetest.Delay, delay: slowly}
	late      = fault{Fault: storagetest.Delay, delay: lately}
	hang      = fault{Fault: storagetest.Hang}
	forever   = fault{Fault: storagetest.HangForever}
	applied   = fault{Fault: storagetest.FailApplied}
	corrupt   = fault{Fault: storagetest.Corrupt}
	cut       = fault{Fault: storagetest.Cut}
	stale     = fault{Fault: storagetest.Stale}
	twice     = fault{Fault: storagetest.Twice}
)

func (f fault) String() string {
	if f.delay > 0 {
		return f.Fault.String() + " of " + f.delay.String()
	}
	return f.Fault.String()
}

// rest says how storage and strategy compare when everything has ended, before the next call.
type rest uint8

const (
	same rest = iota // they hold the same keys (24)

	// The strategy has more: a key that it will name as a victim one day, in vain. 24 is not kept to the letter here.
	unasked  // the storage has done what it reported as failed, or did so late; the cache asks a Local about it, but no other
	unlisted // likewise, and it would have to be asked for a list of all keys
	lied     // the storage has not done what it reported as done
)

// on returns what is to be expected of a storage of that shape.
func (r rest) on(s shape) rest {
	if r == unasked && s == inProcess {
		return same
	}
	return r
}

const (
	each    = -1 // as many storage errors as there were faults: how often a Local is looked into is not promised
	anyTime = -1 // likewise: each of the looks takes its time
)

// cell is one fault in one call, and what is promised then.
type cell struct {
	fault         fault
	answer        answer        // of the call
	took          time.Duration // until the answer
	loads         int64         // from the call until everything has ended
	next          answer        // of the next Get, when the storage is healed and freed
	more          int64         // loads that that causes
	storageErrors int           // counted and reported, from the call to the end
	decodeErrors  int
	rest          rest
}

// column is a call, and the operation of the storage that the faults sit in.
type column struct {
	call  string
	op    storagetest.Op
	on    []shape
	stage func(r *rig)
	make  func(r *rig) *call
	next  []int // the keys that are asked for afterwards; key 0 if there are none
	cells []cell

	without []storagetest.Fault // nothing is promised
}

var (
	remotes = []shape{remoteJSON, remoteGob}
	locals  = []shape{inProcess}
	all     = []shape{remoteJSON, remoteGob, inProcess}
)

var unbearable = []storagetest.Fault{storagetest.Exit, storagetest.HangForever}

// empty: nothing is stored.
func empty(*rig) {}

// fresh: keys 0 and 1 are stored, fresh. Key 0 was stored with another value before, which is fresh too.
func fresh(r *rig) { r.storedAfter(time.Minute, time.Minute) }

// aged: keys 0 and 1 are stored, stale. Key 0 was stored with another value before, which has expired.
func aged(r *rig) { r.storedAfter(16*time.Minute, 15*time.Minute) }

func (r *rig) storedAfter(first, second time.Duration) {
	r.must(r.set(0, earlierValue))
	r.clock.Advance(first)
	r.must(r.refresh(0))
	r.must(r.get(1))
	r.clock.Advance(second)
}

// full: there is room for two entries, and keys 1 and 2 are stored.
func full(r *rig) {
	r.must(r.get(1))
	r.must(r.get(2))
}

func getOne(r *rig) *call { return r.get(0) }

func refreshOne(r *rig) *call { return r.refresh(0) }

func setOne(r *rig) *call { return r.set(0, assignedValue) }

func invalidateOne(r *rig) *call { return r.invalidate(0) }

// closeDuringLoad closes the cache while a load is running, whose value is written afterwards. Whoever waits for the
// load gets its value.
func closeDuringLoad(r *rig) *call {
	release := r.hold()
	caller := r.get(0)
	r.pass(0)
	ctx, cancel := context.WithCancel(context.Background())
	timer := r.clock.AfterFunc(cancelAt, cancel)
	c := began(func(c *call) {
		c.err = r.cache.Close(ctx)
		timer.Stop()
		cancel()
		<-caller.ended
		if got := caller.classify(0, 0); got != first {
			r.problemf("the load's caller got %s %+v, want its value", got, caller.value)
		}
	})
	r.pass(0)
	r.unhold()
	close(release)
	return c
}

// table has a column for each call and operation.
//
// A failing, slow or panicking read is a miss, and a failing write costs no caller its value; each is counted, and no call
// takes longer than the storage timeout (25). What cannot be decoded is a miss and is overwritten (26). Errors replace nothing
// (3). A stale entry is handed out at once, with one load behind it (12), which may be tried again after the backoff (13): the
// next Get comes when that is over. After a Set or an invalidation that has failed the old entry is refused, and so is what
// lands late (22, 23). Close returns nil when nothing is left running (32). A release that has failed is tried again with the
// next write (28).
var table = []column{
	{
		call: "Get of a fresh entry", op: storagetest.OnGet, on: remotes, stage: fresh, make: getOne, cells: []cell{
			// fault  answer   took  loads   next  more   errors
			{ok, old, 0, 0, old, 0, 0, 0, same},
			{fail, first, 0, 1, first, 0, 1, 0, same},
			{panicking, first, 0, 1, first, 0, 1, 0, same},
			{exit, first, 0, 1, first, 0, 1, 0, same},
			{slow, old, slowly, 0, old, 0, 0, 0, same},
			{late, first, overdue, 1, first, 0, 1, 0, same},
			{hang, first, overdue, 1, first, 0, 1, 0, same},
			{forever, first, overdue, 1, first, 0, 1, 0, same},
			{applied, first, 0, 1, first, 0, 1, 0, same},
			{corrupt, first, 0, 1, first, 0, 0, 1, same},
			{cut, first, 0, 1, first, 0, 0, 1, same},
			{stale, earlier, 0, 0, old, 0, 0, 0, same}, // an unexpired entry that nobody has invalidated
			{twice, old, 0, 0, old, 0, 0, 0, same},
		},
	},
	{
		call: "Get of nothing", op: storagetest.OnGet, on: remotes, stage: empty, make: getOne, cells: []cell{
			{ok, first, 0, 1, first, 0, 0, 0, same},
			{fail, first, 0, 1, first, 0, 1, 0, same},
			{panicking, first, 0, 1, first, 0, 1, 0, same},
			{exit, first, 0, 1, first, 0, 1, 0, same},
			{slow, first, slowly, 1, first, 0, 0, 0, same},
			{late, first, overdue, 1, first, 0, 1, 0, same},
			{hang, first, overdue, 1, first, 0, 1, 0, same},
			{forever, first, overdue, 1, first, 0, 1, 0, same},
			{applied, first, 0, 1, first, 0, 1, 0, same},
			{corrupt, first, 0, 1, first, 0, 0, 0, same}, // there are no bytes
			{cut, first, 0, 1, first, 0, 0, 0, same},
			{stale, first, 0, 1, first, 0, 0, 0, same},
			{twice, first, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Get of a stale entry", op: storagetest.OnGet, on: remotes, stage: aged, make: getOne, cells: []cell{
			{ok, old, 0, 1, first, 0, 0, 0, same},
			{fail, first, 0, 1, first, 0, 1, 0, same},
			{panicking, first, 0, 1, first, 0, 1, 0, same},
			{exit, first, 0, 1, first, 0, 1, 0, same},
			{slow, old, slowly, 1, first, 0, 0, 0, same},
			{late, first, overdue, 1, first, 0, 1, 0, same},
			{hang, first, overdue, 1, first, 0, 1, 0, same},
			{forever, first, overdue, 1, first, 0, 1, 0, same},
			{applied, first, 0, 1, first, 0, 1, 0, same},
			{corrupt, first, 0, 1, first, 0, 0, 1, same},
			{cut, first, 0, 1, first, 0, 0, 1, same},
			{stale, first, 0, 1, first, 0, 0, 0, same}, // the earlier entry has expired, and expiry wins
			{twice, old, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Peek", op: storagetest.OnGet, on: remotes, stage: fresh, make: (*rig).peek, cells: []cell{
			{ok, old, 0, 0, old, 0, 0, 0, same},
			{fail, nothing, 0, 0, old, 0, 1, 0, same},
			{panicking, nothing, 0, 0, old, 0, 1, 0, same},
			{exit, nothing, 0, 0, old, 0, 1, 0, same},
			{slow, old, slowly, 0, old, 0, 0, 0, same},
			{late, nothing, overdue, 0, old, 0, 1, 0, same},
			{hang, nothing, overdue, 0, old, 0, 1, 0, same},
			{forever, nothing, overdue, 0, old, 0, 1, 0, same},
			{applied, nothing, 0, 0, old, 0, 1, 0, same},
			{corrupt, nothing, 0, 0, old, 0, 0, 1, same},
			{cut, nothing, 0, 0, old, 0, 0, 1, same},
			{stale, earlier, 0, 0, old, 0, 0, 0, same},
			{twice, old, 0, 0, old, 0, 0, 0, same},
		},
	},
	{
		call: "Get of nothing", op: storagetest.OnOffer, on: all, stage: empty, make: getOne, cells: []cell{
			{ok, first, 0, 1, first, 0, 0, 0, same},
			{fail, first, 0, 1, second, 1, 1, 0, same},
			{panicking, first, 0, 1, second, 1, 1, 0, same},
			{exit, first, 0, 1, second, 1, 1, 0, same},
			{slow, first, 0, 1, first, 0, 0, 0, same}, // callers get the value before it is written
			{late, first, 0, 1, first, 0, 1, 0, same}, // it lands, and nothing speaks against it
			{hang, first, 0, 1, second, 1, 1, 0, same},
			{forever, first, 0, 1, first, 0, 1, 0, same},
			{applied, first, 0, 1, first, 0, 1, 0, same},
			{corrupt, first, 0, 1, second, 1, 0, 1, same},
			{cut, first, 0, 1, second, 1, 0, 1, same},
			{stale, first, 0, 1, second, 1, 0, 0, lied},
			{twice, first, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Get of a stale entry", op: storagetest.OnOffer, on: all, stage: aged, make: getOne, cells: []cell{
			{ok, old, 0, 1, first, 0, 0, 0, same},
			{fail, old, 0, 1, old, 1, 1, 0, same},
			{panicking, old, 0, 1, old, 1, 1, 0, same},
			{exit, old, 0, 1, old, 1, 1, 0, same},
			{slow, old, 0, 1, first, 0, 0, 0, same},
			{late, old, 0, 1, first, 0, 1, 0, same},
			{hang, old, 0, 1, old, 1, 1, 0, same},
			{forever, old, 0, 1, first, 0, 1, 0, same},
			{applied, old, 0, 1, first, 0, 1, 0, same},
			{corrupt, old, 0, 1, second, 1, 0, 1, same},
			{cut, old, 0, 1, second, 1, 0, 1, same},
			{stale, old, 0, 1, old, 1, 0, 0, same},
			{twice, old, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Refresh", op: storagetest.OnOffer, on: all, stage: fresh, make: refreshOne, cells: []cell{
			{ok, first, 0, 1, first, 0, 0, 0, same},
			{fail, first, 0, 1, old, 0, 1, 0, same}, // the entry that could not be replaced stays
			{panicking, first, 0, 1, old, 0, 1, 0, same},
			{exit, first, 0, 1, old, 0, 1, 0, same},
			{slow, first, 0, 1, first, 0, 0, 0, same},
			{late, first, 0, 1, first, 0, 1, 0, same},
			{hang, first, 0, 1, old, 0, 1, 0, same},
			{forever, first, 0, 1, first, 0, 1, 0, same},
			{applied, first, 0, 1, first, 0, 1, 0, same},
			{corrupt, first, 0, 1, second, 1, 0, 1, same},
			{cut, first, 0, 1, second, 1, 0, 1, same},
			{stale, first, 0, 1, old, 0, 0, 0, same},
			{twice, first, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Set", op: storagetest.OnOffer, on: all, stage: fresh, make: setOne, cells: []cell{
			{ok, done, 0, 0, assigned, 0, 0, 0, same},
			{fail, injected, 0, 0, first, 1, 1, 0, same},
			{panicking, panicked, 0, 0, first, 1, 1, 0, same},
			{exit, exited, 0, 0, first, 1, 1, 0, same},
			{slow, done, slowly, 0, assigned, 0, 0, 0, same},
			{late, timedOut, overdue, 0, first, 1, 1, 0, same},
			{hang, timedOut, overdue, 0, first, 1, 1, 0, same},
			{forever, timedOut, overdue, 0, first, 1, 1, 0, same},
			{applied, injected, 0, 0, first, 1, 1, 0, same},
			{corrupt, done, 0, 0, first, 1, 0, 1, same},
			{cut, done, 0, 0, first, 1, 0, 1, same},
			{stale, done, 0, 0, old, 0, 0, 0, same}, // nothing tells the cache that it was not written
			{twice, done, 0, 0, assigned, 0, 0, 0, same},
		},
	},
	{
		call: "Invalidate", op: storagetest.OnInvalidate, on: all, stage: fresh, make: invalidateOne, cells: []cell{
			{ok, done, 0, 0, first, 1, 0, 0, same},
			{fail, injected, 0, 0, first, 1, 1, 0, same},
			{panicking, panicked, 0, 0, first, 1, 1, 0, same},
			{exit, exited, 0, 0, first, 1, 1, 0, same},
			{slow, done, slowly, 0, first, 1, 0, 0, same},
			{late, timedOut, overdue, 0, first, 1, 1, 0, same},
			{hang, timedOut, overdue, 0, first, 1, 1, 0, same},
			{forever, timedOut, overdue, 0, first, 1, 1, 0, same},
			{applied, injected, 0, 0, first, 1, 1, 0, unasked},
			{twice, done, 0, 0, first, 1, 0, 0, same},
		},
	},
	{
		call: "InvalidateAll", op: storagetest.OnClear, on: all, stage: fresh, make: (*rig).invalidateAll, next: []int{0, 1}, cells: []cell{
			{ok, done, 0, 0, first, 2, 0, 0, same},
			{fail, injected, 0, 0, first, 2, 1, 0, same},
			{panicking, panicked, 0, 0, first, 2, 1, 0, same},
			{exit, exited, 0, 0, first, 2, 1, 0, same},
			{slow, done, slowly, 0, first, 2, 0, 0, same},
			{late, timedOut, overdue, 0, first, 2, 1, 0, unasked},
			{hang, timedOut, overdue, 0, first, 2, 1, 0, same},
			{forever, timedOut, overdue, 0, first, 2, 1, 0, unasked},
			{applied, injected, 0, 0, first, 2, 1, 0, unlisted},
			{twice, done, 0, 0, first, 2, 0, 0, same},
		},
	},
	{
		call: "Close", op: storagetest.OnOffer, on: all, stage: empty, make: closeDuringLoad, cells: []cell{
			{ok, done, 0, 1, closed, 0, 0, 0, same},
			{fail, done, 0, 1, closed, 0, 1, 0, same},
			{panicking, done, 0, 1, closed, 0, 1, 0, same},
			{exit, done, 0, 1, closed, 0, 1, 0, same},
			{slow, done, slowly, 1, closed, 0, 0, 0, same},
			{late, done, lately, 1, closed, 0, 1, 0, same},
			{hang, done, overdue, 1, closed, 0, 1, 0, same},
			{forever, ctxEnded, cancelAt, 1, closed, 0, 1, 0, same},
			{applied, done, 0, 1, closed, 0, 1, 0, same},
			{corrupt, done, 0, 1, closed, 0, 0, 0, same},
			{cut, done, 0, 1, closed, 0, 0, 0, same},
			{stale, done, 0, 1, closed, 0, 0, 0, lied},
			{twice, done, 0, 1, closed, 0, 0, 0, same},
		},
	},
	{
		call: "Get that evicts", op: storagetest.OnRelease, on: all, stage: full, make: getOne, next: []int{3}, cells: []cell{
			{ok, first, 0, 1, first, 1, 0, 0, same},
			{fail, first, 0, 1, first, 1, 1, 0, same},
			{panicking, first, 0, 1, first, 1, 1, 0, same},
			{exit, first, 0, 1, first, 1, 1, 0, same},
			{slow, first, 0, 1, first, 1, 0, 0, same},
			{late, first, 0, 1, first, 1, 1, 0, same},
			{hang, first, 0, 1, first, 1, 1, 0, same},
			{forever, first, 0, 1, first, 1, 1, 0, same},
			{applied, first, 0, 1, first, 1, 1, 0, unasked},
			{twice, first, 0, 1, first, 1, 0, 0, same},
		},
	},
	{
		call: "Get of a fresh entry", op: storagetest.OnLookup, on: locals, stage: fresh, make: getOne, cells: []cell{
			{ok, old, 0, 0, old, 0, 0, 0, same},
			{panicking, first, 0, 1, first, 0, each, 0, same},
			{exit, gone, 0, 0, old, 0, 0, 0, same}, // it is the caller's goroutine
			{slow, old, anyTime, 0, old, 0, 0, 0, same},
			{late, old, anyTime, 0, old, 0, 0, 0, same}, // without time limit (27)
			{forever, hangs, 0, 0, old, 0, 0, 0, same},
		},
	},
	{
		call: "Get of nothing", op: storagetest.OnLookup, on: locals, stage: empty, make: getOne, cells: []cell{
			{ok, first, 0, 1, first, 0, 0, 0, same},
			{panicking, first, 0, 1, first, 0, each, 0, same},
			{exit, gone, 0, 0, first, 1, 0, 0, same},
			{slow, first, anyTime, 1, first, 0, 0, 0, same},
			{late, first, anyTime, 1, first, 0, 0, 0, same},
			{forever, hangs, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		call: "Get of a stale entry", op: storagetest.OnLookup, on: locals, stage: aged, make: getOne, cells: []cell{
			{ok, old, 0, 1, first, 0, 0, 0, same},
			{panicking, first, 0, 1, first, 0, each, 0, same},
			{exit, gone, 0, 0, old, 1, 0, 0, same},
			{slow, old, anyTime, 1, first, 0, 0, 0, same},
			{late, old, anyTime, 1, first, 0, 0, 0, same},
			{forever, hangs, 0, 1, first, 0, 0, 0, same},
		},
	},
	{
		// A goroutine of the cache that looks into a Local has no protection against an exit or a hang, which a Local never does.
		call: "Invalidate", op: storagetest.OnLookup, on: locals, stage: fresh, make: invalidateOne, without: unbearable, cells: []cell{
			{ok, done, 0, 0, first, 1, 0, 0, same},
			{panicking, done, 0, 0, first, 1, each, 0, same},
			{slow, done, anyTime, 0, first, 1, 0, 0, same},
			{late, done, anyTime, 0, first, 1, 0, 0, same},
		},
	},
	{
		call: "Get that evicts", op: storagetest.OnLookup, on: locals, stage: full, make: getOne, next: []int{3}, without: unbearable, cells: []cell{
			{ok, first, 0, 1, first, 1, 0, 0, same},
			{panicking, first, 0, 1, first, 1, each, 0, same},
			{slow, first, anyTime, 1, first, 1, 0, 0, same},
			{late, first, anyTime, 1, first, 1, 0, 0, same},
		},
	},
}

// lateCell is a call that is given up on and has its effect only when everybody has gone on.
type lateCell struct {
	call   string
	op     storagetest.Op
	on     []shape
	stage  func(r *rig)
	make   func(r *rig) *call
	asked  []int  // the keys that are asked for in between and afterwards
	answer answer // of the call
	loads  int64
	next   answer // of the Get in between
	more   int64
	last   answer // of the Get after the late effect
	most   int64  // loads that that causes
	rest   rest   // after the late effect
}

// lateTable has the calls that hang for ever, freed after the next Get. A write that lands on a newer one is refused, which
// costs a load that 9 does not speak of.
var lateTable = []lateCell{
	{"Get of a fresh entry", storagetest.OnGet, remotes, fresh, getOne, []int{0}, first, 1, first, 0, first, 0, same},
	{"Get of nothing", storagetest.OnOffer, all, empty, getOne, []int{0}, first, 1, second, 1, third, 1, same},
	{"Get of a stale entry", storagetest.OnOffer, all, aged, getOne, []int{0}, old, 1, old, 1, third, 1, same},
	{"Refresh", storagetest.OnOffer, all, fresh, refreshOne, []int{0}, first, 1, old, 0, first, 0, same},
	{"Set", storagetest.OnOffer, all, fresh, setOne, []int{0}, timedOut, 0, first, 1, second, 1, same},
	{"Invalidate", storagetest.OnInvalidate, all, fresh, invalidateOne, []int{0}, timedOut, 0, first, 1, second, 1, same},
	{"InvalidateAll", storagetest.OnClear, all, fresh, (*rig).invalidateAll, []int{0, 1}, timedOut, 0, first, 2, second, 2, unasked},
	{"Get that evicts", storagetest.OnRelease, all, full, getOne, []int{3}, first, 1, first, 1, first, 0, same},
}

// listCell is a fault in the listing of a Local with two entries, on which a cache is made.
type listCell struct {
	fault  fault
	answer answer // of New
	took   time.Duration
	booked int // keys that the strategy was told of
}

var listing = []listCell{
	{ok, done, 0, 2},
	{panicking, panicked, 0, 0},
	{exit, exited, 0, 0},
	{slow, done, slowly, 2},
	{late, timedOut, overdue, 0},
	{forever, timedOut, overdue, 0},
}
