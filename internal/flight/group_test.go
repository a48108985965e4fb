package flight

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// land ends a flight with a value and writes it.
func land(t *testing.T, g *group, f *Flight[int, string, string], value string, created, now time.Time) {
	t.Helper()
	entry := entryOf(value, created)
	stands, turn, next := g.Claim(f, Result[string]{Value: value, Entry: entry, Write: true}, now)
	if !stands || turn == nil || next != nil {
		t.Fatalf("Claim = %v, %v, %v, want a turn", stands, turn, next)
	}
	f.Publish()
	if !mayBegin(g, turn) || !isNewest(g, turn) {
		t.Fatal("the write may not begin")
	}
	g.EndWrite(turn, Written[string]{Entry: entry, OK: true}, now)
	g.End()
}

// There is no instant at which neither the flight nor its entry can be found.
func TestFlightIsSharedUntilItsEntryIsThere(t *testing.T) {
	g := newGroup()
	version := g.Version(g.Hash(1))
	f := lead(t, g, 1, start)
	if out := join(g, 1, start); out.Flight != f || out.Led || out.Start {
		t.Errorf("the second Join = %+v, want to share the flight", out)
	}
	entry := entryOf("v", start)
	_, turn, _ := g.Claim(f, Result[string]{Value: "v", Entry: entry, Write: true}, start)
	f.Publish()
	if out := join(g, 1, start); out.Entry != entry { // neither stored nor gone yet
		t.Errorf("Join during the write = %+v, want the entry", out)
	}
	g.EndWrite(turn, Written[string]{Entry: entry, OK: true}, start)
	g.End()
	// Whoever looked into the storage before the write has to look again.
	if out := g.Join(1, g.Hash(1), version, nil, start, named("job")); !out.Retry {
		t.Errorf("Join with an old version = %+v, want Retry", out)
	}
	if value, err := f.Result(); value != "v" || err != nil {
		t.Errorf("Result = %q, %v", value, err)
	}
	atRest(t, g)
}

// JoinLoad joins what Join would join, and leaves everything else to it.
func TestJoinLoad(t *testing.T) {
	g := newGroup()
	version := g.Version(g.Hash(1))
	if f := g.JoinLoad(1, g.Hash(1), version, nil); f != nil || registered(g) != 0 {
		t.Errorf("JoinLoad = %v, want nothing, and nothing registered", f)
	}
	f := lead(t, g, 1, start)
	if got := g.JoinLoad(1, g.Hash(1), version, nil); got != f {
		t.Errorf("JoinLoad = %v, want the load", got)
	}
	if got := g.JoinLoad(1, g.Hash(1), version, []*Flight[int, string, string]{f}); got != nil {
		t.Error("a load waits for itself")
	}
	if got := g.JoinLoad(2, g.Hash(2), g.Version(g.Hash(2)), nil); got != nil {
		t.Error("JoinLoad of another key has found the load")
	}
	land(t, g, f, "v", start, at(1))
	atRest(t, g)

	// A value is being written, and beside that a load has been asked for.
	turn, _, err := g.Set(1, entryOf("set", at(2)), at(2))
	if err != nil {
		t.Fatal(err)
	}
	forced := g.Force(1, nil, named("job")).Flight
	if got := g.JoinLoad(1, g.Hash(1), g.Version(g.Hash(1)), nil); forced == nil || got != nil {
		t.Error("there is a value that is being written, and JoinLoad waits for a load")
	}
	g.EndWrite(turn, Written[string]{Entry: entryOf("set", at(2)), OK: true}, at(2))
	g.End()
	g.Claim(forced, Result[string]{Err: errors.New("no")}, at(3))
	g.End()

	background := g.Refresh(entryOf("old", start), 3, g.Hash(3), g.Version(g.Hash(3)), at(10*time.Minute), named("job")).Flight
	if got := g.JoinLoad(3, g.Hash(3), g.Version(g.Hash(3))-1, nil); got != nil {
		t.Error("JoinLoad waits for a load though the storage has to be looked into again")
	}
	if got := g.JoinLoad(3, g.Hash(3), g.Version(g.Hash(3)), nil); got != background || got.Done() == nil {
		t.Errorf("JoinLoad = %v, want the background load, with a channel to wait on", got)
	}
	land(t, g, background, "new", at(10*time.Minute), at(10*time.Minute))
	atRest(t, g)
}

func TestOnlyOneClaimStands(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	first, _, _ := g.Claim(f, Result[string]{Err: errors.New("timeout")}, start)
	second, turn, next := g.Claim(f, Result[string]{Value: "late", Entry: entryOf("late", start), Write: true}, start)
	if !first || second || turn != nil || next != nil {
		t.Errorf("Claims = %v and %v, %v, %v, want the first alone", first, second, turn, next)
	}
	if value, err := f.Result(); value != "" || err == nil {
		t.Errorf("Result = %q, %v, want the error", value, err)
	}
	g.End()
	atRest(t, g)
}

func TestDetachedFlightWritesNothingAndLeavesItsSuccessorAlone(t *testing.T) {
	g := newGroup()
	old := lead(t, g, 1, start)
	deletion, next, err := g.Invalidate(1, start)
	if err != nil || next != nil {
		t.Fatalf("Invalidate = %v, %v", next, err)
	}
	successor := lead(t, g, 1, at(1))
	stands, turn, _ := g.Claim(old, Result[string]{Value: "old", Entry: entryOf("old", start), Write: true}, at(2))
	if !stands || turn != nil {
		t.Errorf("Claim of the detached flight = %v, %v, want it to stand without a write", stands, turn)
	}
	g.End()
	if out := join(g, 1, at(3)); out.Flight != successor {
		t.Errorf("Join = %+v, want the successor", out)
	}
	g.EndInvalidate(deletion, true, at(4))
	g.End()
	land(t, g, successor, "new", at(1), at(5))
	atRest(t, g)
}

// The flight is detached between its Claim and its write.
func TestFlightThatLosesItsKeyBeforeTheWrite(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	blocker := g.Enqueue(1, 0)
	_, turn, _ := g.Claim(f, Result[string]{Value: "v", Entry: entryOf("v", start), Write: true}, start)
	deletion, _, _ := g.Invalidate(1, at(1))
	g.EndTurn(blocker, false)
	if !mayBegin(g, turn) || isNewest(g, turn) {
		t.Errorf("its turn has come: %v; it may write: %v; want true, false", mayBegin(g, turn), isNewest(g, turn))
	}
	g.EndWrite(turn, Written[string]{}, at(2))
	g.End()
	if !mayBegin(g, deletion) {
		t.Error("the deletion does not follow")
	}
	g.EndInvalidate(deletion, true, at(3))
	g.End()
	atRest(t, g)
}

func TestOneForcedFlightIsQueued(t *testing.T) {
	g := newGroup()
	running := lead(t, g, 1, start)
	first := g.Force(1, nil, named("forced"))
	if first.Flight == nil || first.Flight == running || !first.Led || first.Start {
		t.Fatalf("Force = %+v, want a queued flight", first)
	}
	if second := g.Force(1, nil, named("forced")); second.Flight != first.Flight || second.Led {
		t.Errorf("the second Force = %+v, want to share the queued flight", second)
	}
	if out := join(g, 1, start); out.Flight != running {
		t.Errorf("Join = %+v, want the running flight", out)
	}
	_, _, next := g.Claim(running, Result[string]{Err: errors.New("failed")}, at(1))
	g.End()
	if next != first.Flight {
		t.Fatalf("after the running flight comes %v, want the queued one", next)
	}
	if out := g.Force(1, nil, named("forced")); out.Flight != next || out.Led || out.Start {
		t.Errorf("Force before it has begun = %+v, want to share it", out)
	}
	g.Start(next, at(1))
	if out := g.Force(1, nil, named("forced")); out.Flight == next || !out.Led {
		t.Errorf("Force when it has begun = %+v, want another flight", out)
	} else {
		_, _, last := g.Claim(next, Result[string]{}, at(2))
		g.End()
		if last != out.Flight {
			t.Errorf("then comes %v", last)
		}
		g.Claim(last, Result[string]{}, at(3))
		g.End()
	}
	atRest(t, g)
}

func TestFlightThatWouldWaitForItself(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	own := []*Flight[int, string, string]{f}
	if out := g.Join(1, g.Hash(1), g.Version(g.Hash(1)), own, start, named("job")); !errors.Is(out.Err, ErrReentrant) {
		t.Errorf("Join = %+v, want ErrReentrant", out)
	}
	if out := g.Force(1, own, named("job")); !errors.Is(out.Err, ErrReentrant) {
		t.Errorf("Force = %+v, want ErrReentrant", out)
	}
	if out := g.Join(2, g.Hash(2), g.Version(g.Hash(2)), own, start, named("job")); out.Flight == nil {
		t.Errorf("Join of another key = %+v", out)
	} else {
		g.Claim(out.Flight, Result[string]{}, start)
		g.End()
	}
	turn, _, _ := g.Invalidate(1, start)
	if out := g.Join(1, g.Hash(1), g.Version(g.Hash(1)), own, start, named("job")); out.Flight == nil || out.Flight == f || !out.Led {
		t.Errorf("Join of a detached flight = %+v, want a new flight", out)
	} else {
		g.Claim(out.Flight, Result[string]{}, start)
		g.End()
	}
	g.EndInvalidate(turn, true, start)
	g.End()
	g.Claim(f, Result[string]{}, start)
	g.End()
	atRest(t, g)
}

func no(*string) bool { return false }

func TestLookupIsSharedAndEndsInAnEntryOrAFlight(t *testing.T) {
	for _, found := range []*storage.Entry[string]{nil, entryOf("stored", start)} {
		g := newGroup()
		out := g.JoinLookup(1, nil, start, named("job"), no, no)
		if out.Lookup == nil || !out.Led || !out.Start {
			t.Fatalf("JoinLookup = %+v, want a new lookup", out)
		}
		if again := g.JoinLookup(1, nil, start, named("job"), no, no); again.Lookup != out.Lookup || again.Led {
			t.Errorf("the second JoinLookup = %+v, want to share it", again)
		}
		f := g.EndLookup(out.Lookup, found, at(1), true, "foreground", "background")
		if !isDone(out.Lookup) {
			t.Fatal("the lookup has not ended")
		}
		entry, flight, err, led := out.Lookup.Result()
		switch {
		case err != nil || entry != found || flight != f:
			t.Errorf("Result = %v, %v, %v", entry, flight, err)
		case found == nil && (f == nil || !led || f.Job != "foreground"):
			t.Errorf("nothing was found: flight %+v, led %v", f, led)
		case found != nil && (f != nil || led):
			t.Errorf("an entry was found: flight %+v, led %v", f, led)
		}
		if f != nil {
			g.Claim(f, Result[string]{}, at(2))
			g.End()
		}
		g.End()
		atRest(t, g)
	}
}

// JoinShared joins what JoinLookup would join, and leaves everything else to it.
func TestJoinShared(t *testing.T) {
	yes := func(*string) bool { return true }
	g := newGroup()
	joins := func(what string, l *Lookup[int, string, string], f *Flight[int, string, string], ancestors []*Flight[int, string, string], absent, outdated func(*string) bool) {
		t.Helper()
		if gotL, gotF := g.JoinShared(1, ancestors, absent, outdated); gotL != l || gotF != f {
			t.Errorf("%s: JoinShared = %p, %p, want %p, %p", what, gotL, gotF, l, f)
		}
	}
	joins("nothing in progress", nil, nil, nil, yes, no)
	if registered(g) != 0 {
		t.Error("JoinShared has registered something")
	}
	l := g.JoinLookup(1, nil, start, named("job"), no, no).Lookup
	joins("a lookup", l, nil, nil, yes, no)
	joins("a lookup of a storage that was replaced", nil, nil, nil, yes, yes)
	f := g.EndLookup(l, nil, at(1), true, "foreground", "background")
	g.End()
	joins("a load after a lookup", nil, f, nil, yes, no)
	joins("the load that makes the call", nil, nil, []*Flight[int, string, string]{f}, yes, no)
	joins("a load of which the storage may hold something", nil, nil, nil, no, no)
	second := g.JoinLookup(1, nil, at(1), named("job"), no, no).Lookup
	joins("a lookup beside such a load", second, nil, nil, no, no)
	joins("a lookup beside the load that makes the call", nil, nil, []*Flight[int, string, string]{f}, yes, no)
	g.AbortLookup(second, errors.New("no"))
	g.End()
	land(t, g, f, "v", at(1), at(2))

	turn, _, err := g.Set(1, entryOf("set", at(3)), at(3))
	if err != nil {
		t.Fatal(err)
	}
	forced := g.Force(1, nil, named("job")).Flight
	joins("a load beside a value that is being written", nil, nil, nil, yes, no)
	g.EndWrite(turn, Written[string]{Entry: entryOf("set", at(3)), OK: true}, at(3))
	g.End()
	joins("that load when it is written", nil, forced, nil, yes, no)
	g.Claim(forced, Result[string]{Err: errors.New("no")}, at(4))
	g.End()
	atRest(t, g)
}

func TestLookupIsHandedWhatIsCommittedMeanwhile(t *testing.T) {
	g := newGroup()
	l := g.JoinLookup(1, nil, start, named("job"), no, no).Lookup
	entry := entryOf("set", at(1))
	turn, _, err := g.Set(1, entry, at(1))
	if err != nil {
		t.Fatal(err)
	}
	g.EndWrite(turn, Written[string]{Entry: entry, OK: true, Refuse: true}, at(1))
	g.End()
	if !isDone(l) {
		t.Fatal("the lookup goes on")
	}
	if got, _, _, _ := l.Result(); got != entry {
		t.Errorf("Result = %v, want what was set", got)
	}
	if start := g.EndLookup(l, nil, at(2), true, "foreground", "background"); start != nil {
		t.Error("a load starts, though there is an entry")
	}
	g.End()
	atRest(t, g)
}

// What a lookup has read before an invalidation is refused, though the deletion has ended long ago.
func TestLookupRefusesWhatWasInvalidatedMeanwhile(t *testing.T) {
	g := newGroup()
	l := g.JoinLookup(1, nil, start, named("job"), no, no).Lookup
	turn, _, _ := g.Invalidate(1, at(10))
	g.EndInvalidate(turn, true, at(11))
	g.End()
	if out := g.JoinLookup(1, nil, at(12), named("job"), no, no); out.Lookup == l || !out.Led {
		t.Errorf("JoinLookup after the invalidation = %+v, want a new one", out)
	} else {
		g.AbortLookup(out.Lookup, errors.New("test"))
		g.End()
	}
	f := g.EndLookup(l, entryOf("old", at(10)), at(20), true, "foreground", "background")
	if entry, _, _, _ := l.Result(); entry != nil || f == nil {
		t.Errorf("the lookup ended in %v and %v, want a load", entry, f)
	}
	g.Claim(f, Result[string]{}, at(21))
	g.End()
	g.End()
	atRest(t, g)
}

func TestBackgroundFlightsWaitForTheBackoff(t *testing.T) {
	g := newGroup()
	old := entryOf("old", start)
	refresh := func(entry *storage.Entry[string], now time.Time) bool {
		out := g.Refresh(entry, 1, g.Hash(1), g.Version(g.Hash(1)), now, named("job"))
		if out.Flight != nil {
			g.Claim(out.Flight, Result[string]{Err: errors.New("failed"), Backoff: time.Second}, now)
			g.End()
		}
		return out.Start
	}
	if !refresh(old, at(0)) {
		t.Error("the first refresh did not start")
	}
	if refresh(old, at(time.Second-1)) {
		t.Error("a refresh during the backoff")
	}
	if !refresh(old, at(time.Second)) {
		t.Error("no refresh after the backoff")
	}
	if !refresh(entryOf("newer", at(time.Second+1)), at(time.Second+2)) {
		t.Error("no refresh of a newer entry")
	}
	if n := registered(g); n != 1 {
		t.Errorf("%d keys are registered, want the one with the backoff", n)
	}
}

// A stale entry has the token of its key for just as long as a load is registered.
func TestStaleEntryTellsOfItsLoad(t *testing.T) {
	type flight = Flight[int, string, string]
	newer := entryOf("newer", at(10))
	ends := map[string]func(g *group, f *flight){
		"loaded": func(g *group, f *flight) {
			g.Claim(f, Result[string]{Value: "newer", Entry: newer, Write: true}, at(10))
		},
		"stored in place": func(g *group, f *flight) {
			if done, _ := g.ClaimInPlace(f, g.hash.Of(1), "newer", func() bool { return true }); !done {
				t.Error("ClaimInPlace does nothing")
			}
		},
		"failed": func(g *group, f *flight) {
			g.Claim(f, Result[string]{Err: errors.New("failed"), Backoff: time.Second}, at(10))
		},
		"Set":           func(g *group, f *flight) { g.Set(1, newer, at(10)) },
		"Invalidate":    func(g *group, f *flight) { g.Invalidate(1, at(10)) },
		"InvalidateAll": func(g *group, f *flight) { g.InvalidateAll(at(10), func(*flight) {}) },
		"aborted":       func(g *group, f *flight) { g.AbortAll(ErrClosed) },
	}
	for _, forced := range []bool{false, true} {
		for name, end := range ends {
			t.Run(fmt.Sprintf("forced %v, %s", forced, name), func(t *testing.T) {
				g := newGroup()
				old := entryOf("old", start)
				refresh := func(now time.Time) *flight {
					return g.Refresh(old, 1, g.Hash(1), g.Version(g.Hash(1)), now, named("job")).Flight
				}
				var f *flight
				if forced {
					f = g.Force(1, nil, named("job")).Flight
					g.Start(f, at(5))
					if refresh(at(5)) != nil {
						t.Error("a second load begins")
					}
				} else {
					f = refresh(at(5))
				}
				if !old.Refreshing(g.Token(g.Hash(1))) {
					t.Error("the entry does not tell of the load")
				}
				if old.Refreshing(g.Token(g.Hash(2))) || old.Refreshing(newGroup().Token(g.Hash(1))) {
					t.Error("the entry tells of the load of another key or group")
				}
				end(g, f)
				if old.Refreshing(g.Token(g.Hash(1))) {
					t.Error("the entry tells of a load that has ended")
				}
				refresh(at(11))
				if load := g.shard(1).slots.find(1); old.Refreshing(g.Token(g.Hash(1))) != (load != nil && load.load != nil) {
					t.Error("the entry does not tell what is registered now")
				}
			})
		}
	}
}

// The second load takes the place of the first, and a hit tells the entry of it. An entry that takes the
// place of another one meanwhile is told, and the other one no longer.
func TestStaleEntryTellsOfTheLatestLoad(t *testing.T) {
	g := newGroup()
	old, other := entryOf("old", start), entryOf("other", start)
	refresh := func(entry *storage.Entry[string]) *Flight[int, string, string] {
		return g.Refresh(entry, 1, g.Hash(1), g.Version(g.Hash(1)), at(5), named("job")).Flight
	}
	tells := func(when string, wantOld, wantOther bool) {
		t.Helper()
		if gotOld, gotOther := old.Refreshing(g.Token(g.Hash(1))), other.Refreshing(g.Token(g.Hash(1))); gotOld != wantOld || gotOther != wantOther {
			t.Errorf("%s: the entries tell %v and %v, want %v and %v", when, gotOld, gotOther, wantOld, wantOther)
		}
	}
	f := refresh(old)
	queued := g.Force(1, nil, named("job")).Flight
	tells("in the first load", true, false)
	if _, _, next := g.Claim(f, Result[string]{Err: errors.New("failed")}, at(6)); next != queued {
		t.Fatal("the second load does not begin")
	}
	tells("after it", false, false)
	refresh(old)
	tells("in the second load", true, false)
	refresh(other)
	tells("with another entry", false, true)
	g.Claim(queued, Result[string]{Err: errors.New("failed")}, at(7))
	tells("after all", false, false)
}

// An entry that is stored under two keys has room for one token. Both loads end well for it.
func TestStaleEntryOfTwoKeys(t *testing.T) {
	g := newGroup()
	shared := entryOf("shared", start)
	refresh := func(key int) *Flight[int, string, string] {
		return g.Refresh(shared, key, g.Hash(key), g.Version(g.Hash(key)), at(5), named("job")).Flight
	}
	first, second := refresh(1), refresh(2)
	if first == nil || second == nil {
		t.Fatal("one load keeps the other from beginning")
	}
	if shared.Refreshing(g.Token(g.Hash(1))) || !shared.Refreshing(g.Token(g.Hash(2))) {
		t.Error("the entry does not tell of the second key")
	}
	g.Claim(first, Result[string]{Err: errors.New("failed")}, at(6))
	if !shared.Refreshing(g.Token(g.Hash(2))) {
		t.Error("the end of the first load has taken the token of the second")
	}
	g.Claim(second, Result[string]{Err: errors.New("failed")}, at(6))
	if shared.Refreshing(g.Token(g.Hash(1))) || shared.Refreshing(g.Token(g.Hash(2))) {
		t.Error("the entry tells of a load that has ended")
	}
}

func TestAbortAllSettlesEverything(t *testing.T) {
	g := newGroup()
	boom := errors.New("closed")
	running := join(g, 1, start).Flight
	ctx := running.Context(context.Background(), math.MaxInt64, false)
	queued := g.Force(1, nil, named("job")).Flight
	detached := lead(t, g, 2, start)
	deletion, _, _ := g.Invalidate(2, start)
	lookup := g.JoinLookup(3, nil, start, named("job"), no, no).Lookup
	g.Shut()
	g.AbortAll(boom)
	for name, f := range map[string]*Flight[int, string, string]{"running": running, "queued": queued, "detached": detached} {
		if !isDone(f) {
			t.Errorf("the %s flight has no result", name)
			continue
		}
		if _, err := f.Result(); err != boom {
			t.Errorf("the %s flight has come to %v", name, err)
		}
	}
	if !isDone(lookup) {
		t.Error("the lookup has not ended")
	} else if _, _, err, _ := lookup.Result(); err != boom {
		t.Errorf("the lookup has come to %v", err)
	}
	if cause := context.Cause(ctx); cause != boom {
		t.Errorf("the load was cancelled because of %v", cause)
	}
	if late := queued.Context(context.Background(), math.MaxInt64, false); late.Err() == nil {
		t.Error("the ctx of a flight that was over before it began does not tell")
	}
	for _, f := range []*Flight[int, string, string]{running, detached} {
		if stands, _, _ := g.Claim(f, Result[string]{Value: "late"}, at(1)); stands {
			t.Error("a late result stands")
		}
		g.End()
	}
	g.EndLookup(lookup, nil, at(1), true, "job", "job")
	g.End()
	g.EndInvalidate(deletion, true, at(1))
	g.End()
	if out := join(g, 5, at(1)); !errors.Is(out.Err, ErrClosed) {
		t.Errorf("Join = %+v, want ErrClosed", out)
	}
	atRest(t, g)
}

// While old entries are refused hits are slower, so that has to end, and what is remembered with it.
func TestRecordsOfALateWriteEndWithItsEntry(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	old := entryOf("old", start)
	_, turn, _ := g.Claim(f, Result[string]{Value: "old", Entry: old, Write: true}, start)
	g.EndWrite(turn, Written[string]{Entry: old, GivenUp: true}, at(time.Second))
	g.End()
	deletion, _, _ := g.Invalidate(1, at(2*time.Second))
	g.EndInvalidate(deletion, true, at(2*time.Second))
	g.End()
	if !refuses(g, 1, old, old.ExpireAfter().Add(-1)) {
		t.Error("the late entry is not refused")
	}
	if refuses(g, 1, entryOf("new", at(2*time.Second+1)), at(time.Minute)) {
		t.Error("a newer entry is refused")
	}
	if !g.Fenced() {
		t.Error("nobody would ask whether entries are refused")
	}
	if refuses(g, 1, old, old.ExpireAfter()) {
		t.Error("the record outlives the entry")
	}
	if g.Fenced() {
		t.Error("hits would ask for ever")
	}
}

// However many keys have failed, what is remembered of those whose time is over is bounded.
func TestBackoffsThatAreOverAreForgotten(t *testing.T) {
	g := newGroup()
	const loads = 40_000
	now := start
	for key := range loads {
		now = now.Add(time.Millisecond) // so that 1000 backoffs are in force
		f := lead(t, g, key, now)
		g.Claim(f, Result[string]{Err: errors.New("failed"), Backoff: time.Second}, now)
		g.End()
	}
	if n, most := registered(g), shards*2*keep+2*1000; n > most {
		t.Errorf("%d keys are registered after %d failures, want at most %d", n, loads, most)
	}
}

// Fences of deletions that failed never end by themselves. Too many become one that refuses at least as much, and newer entries are handed out.
func TestManyFencesBecomeOne(t *testing.T) {
	g := newGroup()
	const keys = 140_000
	for key := range keys {
		turn, _, _ := g.Invalidate(key, at(time.Duration(key)))
		g.EndInvalidate(turn, false, at(time.Duration(key)))
		g.End()
	}
	if n, most := registered(g), shards*2*(fold+1); n > most {
		t.Errorf("%d keys are registered after %d failures, want at most %d", n, keys, most)
	}
	for key := range keys {
		if !refuses(g, key, entryOf("old", at(time.Duration(key))), at(keys)) {
			t.Fatalf("the entry of key %d is not refused any more", key)
		}
	}
	f := lead(t, g, 7, at(8)) // by a clock that was set back
	if created := f.Created(); refuses(g, 7, entryOf("new", created), at(keys)) {
		t.Errorf("an entry that is loaded now, created %v, is refused", created.Sub(start))
	}
	g.Claim(f, Result[string]{}, at(keys))
	g.End()

	// Clearing the storage mends them all.
	g.InvalidateAll(at(2*keys), func(*Flight[int, string, string]) { t.Error("a flight starts") }).Run(func() bool { return true })
	atRest(t, g)
}

// A write of one key that was given up on is nothing to the other keys, after a removal of everything either.
func TestDoubtStaysWithItsKey(t *testing.T) {
	g := newGroup()
	set := func(key int, now time.Time, w Written[string]) {
		turn, _, err := g.Set(key, w.Entry, now)
		if turn == nil || err != nil {
			t.Fatalf("Set: turn %v, error %v", turn, err)
		}
		g.Await(turn)
		g.EndWrite(turn, w, now)
		g.End()
	}
	endless := storage.NewEntry("given up on", start, time.Time{}, time.Time{})
	set(0, start, Written[string]{Entry: endless, GivenUp: true})
	g.InvalidateAll(at(1), func(*Flight[int, string, string]) {}).Run(func() bool { return true })
	for key := range 10_000 {
		now := at(time.Second)
		set(key+1, now, Written[string]{Entry: entryOf("set", now), OK: true})
		if refuses(g, key+1, entryOf("older", at(1)), now) {
			t.Fatalf("key %d has a fence", key+1)
		}
	}
	if n := registered(g); n != 1 {
		t.Errorf("%d keys are registered, want the one in doubt", n)
	}
	if !refuses(g, 0, endless, at(time.Hour)) {
		t.Error("the entry that may land late is not refused")
	}
}

func TestInvalidateAllReachesEveryKey(t *testing.T) {
	g := newGroup()
	var flights, queued []*Flight[int, string, string]
	for key := range 100 {
		flights = append(flights, lead(t, g, key, start))
		queued = append(queued, g.Force(key, nil, named("job")).Flight)
	}
	var started []*Flight[int, string, string]
	removed := false
	deletion := g.InvalidateAll(at(1), func(f *Flight[int, string, string]) { started = append(started, f) })
	if !refuses(g, 1, entryOf("old", at(1)), at(1)) || refuses(g, 1, entryOf("new", at(2)), at(1)) {
		t.Error("before the deletion old entries are handed out, or new ones refused")
	}
	deletion.Run(func() bool {
		removed = true
		if !refuses(g, 1, entryOf("old", at(1)), at(1)) {
			t.Error("old entries are handed out during the deletion")
		}
		return true
	})
	if !removed || len(started) != len(queued) {
		t.Errorf("removed: %v; %d flights started, want %d", removed, len(started), len(queued))
	}
	for _, f := range queued {
		if !slices.Contains(started, f) {
			t.Errorf("the queued flight of key %d was not started", f.Key)
		}
	}
	for _, f := range append(flights, queued...) {
		entry := entryOf("v", at(2))
		_, turn, _ := g.Claim(f, Result[string]{Value: "v", Entry: entry, Write: true}, at(2))
		if first := slices.Contains(flights, f); (turn == nil) != first {
			t.Errorf("the flight of key %d may write: %v", f.Key, turn != nil)
		}
		if turn != nil {
			g.EndWrite(turn, Written[string]{Entry: entry, OK: true}, at(2))
		}
		g.End()
	}
	atRest(t, g)
}

// Who waits for a turn learns what has happened to the key since.
func TestTurnsTellWhatOvertookThem(t *testing.T) {
	g := newGroup()
	entry := entryOf("v", start)
	early := g.Enqueue(1, 0)
	set, _, _ := g.Set(1, entry, at(1))
	behindSet := g.Enqueue(1, 7)
	namedLater := g.Enqueue(1, 8)
	deletion, _, _ := g.Invalidate(1, at(1))
	behindDeletion := g.Enqueue(1, 9)
	failed, _, _ := g.Set(1, entry, at(2))
	last := g.Enqueue(1, 10)

	pass := func(turn *Turn[int], want Change) {
		t.Helper()
		g.Await(turn)
		if got := turn.Overtaken(); got != want {
			t.Errorf("overtaken by %v, want %v", got, want)
		}
	}
	pass(early, Unchanged)
	g.EndTurn(early, false)
	pass(set, Unchanged)
	g.EndWrite(set, Written[string]{Entry: entry, OK: true, Booked: 7}, at(1))
	g.End()
	pass(behindSet, Stored)
	g.EndTurn(behindSet, false)
	pass(namedLater, Unchanged) // the strategy has named it with the new entry in its books
	g.EndTurn(namedLater, false)
	g.Await(deletion)
	g.EndInvalidate(deletion, true, at(2))
	g.End()
	pass(behindDeletion, Removed)
	g.EndTurn(behindDeletion, false)
	pass(failed, Removed)
	g.EndWrite(failed, Written[string]{Entry: entry}, at(3))
	g.End()
	pass(last, Removed) // a write that failed changes nothing
	g.EndTurn(last, false)
	atRest(t, g)
}

// Writes that had not begun when everything was deleted have nothing to write any more; those that come later do.
func TestInvalidateAllSupersedesTheWritesThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		running := g.Enqueue(1, 0)
		g.Await(running)
		set := func(key int, now time.Time) *Turn[int] {
			turn, _, err := g.Set(key, entryOf("set", now), now)
			if turn == nil || err != nil {
				t.Fatalf("Set: turn %v, error %v", turn, err)
			}
			return turn
		}
		waiting, first := set(1, at(0)), set(2, at(0))
		deletion := g.InvalidateAll(at(1), func(*Flight[int, string, string]) {})
		late := set(1, at(2))
		var ran atomic.Bool
		go deletion.Run(func() bool {
			ran.Store(true)
			return true
		})
		synctest.Wait()
		if ran.Load() || mayBegin(g, first) {
			t.Errorf("during a write: deleted: %v; another may begin: %v; want false, false", ran.Load(), mayBegin(g, first))
		}
		g.EndTurn(running, false)
		synctest.Wait()
		if !ran.Load() {
			t.Error("nothing was deleted though no write is in progress")
		}
		for _, turn := range []*Turn[int]{first, waiting, late} {
			g.Await(turn)
			newest, own, ok := g.Newest(turn)
			if want := turn != first; ok != want || own != (turn == late) || ok && !newest.Created().Equal(at(2)) {
				t.Errorf("key %d: newest %v, its own: %v, there is one: %v", turn.key, newest, own, ok)
			}
			g.EndWrite(turn, Written[string]{}, at(3))
			g.End()
		}
		atRest(t, g)
	})
}

// From many goroutines: nobody waits for ever, and nothing stays.
func TestGroupConcurrently(t *testing.T) {
	g := newGroup()
	const keys = 4
	var mu sync.Mutex
	stored := map[int]*storage.Entry[string]{}
	look := func(key int) *storage.Entry[string] {
		mu.Lock()
		defer mu.Unlock()
		return stored[key]
	}
	var flights sync.WaitGroup
	fly := func(f *Flight[int, string, string]) {
		for f != nil {
			if !f.HasBegun() {
				g.Start(f, start)
			}
			entry := entryOf("v", start)
			_, turn, next := g.Claim(f, Result[string]{Value: "v", Entry: entry, Write: true}, start)
			f.Publish()
			if turn != nil {
				g.Await(turn)
				current := isNewest(g, turn)
				if current {
					mu.Lock()
					stored[f.Key] = entry
					mu.Unlock()
				}
				g.EndWrite(turn, Written[string]{Entry: entry, OK: current}, start)
			}
			g.End()
			f = next
		}
	}
	launch := func(f *Flight[int, string, string]) {
		if f != nil {
			flights.Go(func() { fly(f) })
		}
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				key := (w + n) % keys
				switch n % 5 {
				case 0:
					turn, next, _ := g.Invalidate(key, start)
					launch(next)
					g.Await(turn)
					mu.Lock()
					delete(stored, key)
					mu.Unlock()
					g.EndInvalidate(turn, true, start)
					g.End()
				case 1:
					out := g.Force(key, nil, named("job"))
					if out.Start {
						launch(out.Flight)
					}
					<-out.Flight.Done()
				default:
					for {
						version := g.Version(g.Hash(key))
						if look(key) != nil {
							break
						}
						out := g.Join(key, g.Hash(key), version, nil, start, named("job"))
						if out.Retry {
							continue
						}
						if out.Start {
							launch(out.Flight)
						}
						if out.Flight != nil {
							<-out.Flight.Done()
						}
						break
					}
				}
			}
		})
	}
	wg.Wait()
	flights.Wait()
	atRest(t, g)
}

// Backoffs that never end are forgotten when there are too many: they must not add up for as long as
// the cache lives.
func TestEndlessBackoffsAreBounded(t *testing.T) {
	const many = 4 * shards * fold
	g := newGroup()
	for key := range many {
		f := g.Force(key, nil, named("job")).Flight
		g.Start(f, start)
		g.Claim(f, Result[string]{Err: errors.New("down"), Backoff: math.MaxInt64}, start)
		g.End()
	}
	if n := registered(g); n > many*3/4 {
		t.Errorf("%d of %d keys are remembered", n, many)
	}
}
