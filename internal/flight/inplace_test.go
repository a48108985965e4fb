package flight

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

func changed(what Change) func() (Change, bool) { return func() (Change, bool) { return what, true } }

func TestInPlaceNeedsAQuietKey(t *testing.T) {
	for name, tt := range map[string]struct {
		disturb func(t *testing.T, g *group)
		want    bool
	}{
		"nothing":                 {func(*testing.T, *group) {}, true},
		"a load":                  {func(t *testing.T, g *group) { lead(t, g, 1, start) }, true},
		"a write":                 {func(t *testing.T, g *group) { g.Enqueue(1, 0) }, false},
		"a write of another key":  {func(t *testing.T, g *group) { g.Enqueue(2, 0) }, true},
		"a write that has begun":  {func(t *testing.T, g *group) { g.Await(g.Enqueue(1, 0)) }, false},
		"a removal of everything": {func(t *testing.T, g *group) { g.InvalidateAll(start, nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup()
			tt.disturb(t, g)
			before, calls := g.Version(g.Hash(1)), 0
			done := g.InPlace(1, func() (Change, bool) { calls++; return Stored, true })
			if done != tt.want || (calls == 1) != tt.want {
				t.Errorf("done: %v, calls: %d, want %v", done, calls, tt.want)
			}
			if (g.Version(g.Hash(1)) != before) != tt.want {
				t.Error("the version tells something else")
			}
		})
	}
}

func TestInPlaceLeavesWhatHasNotBeenDone(t *testing.T) {
	g := newGroup()
	before := g.Version(g.Hash(1))
	if g.InPlace(1, func() (Change, bool) { return Stored, false }) || g.Version(g.Hash(1)) != before {
		t.Error("a change that was refused counts as done")
	}
}

// A removal in place ends the backoff of the key, as one in its turn does.
func TestInPlaceRemovalEndsTheBackoff(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	g.Claim(f, Result[string]{Err: errors.New("failed"), Backoff: time.Hour}, start)
	if registered(g) != 1 {
		t.Fatal("there is no backoff")
	}
	if !g.InPlace(1, changed(Stored)) || registered(g) != 1 {
		t.Error("a write that removes nothing has ended the backoff")
	}
	if !g.InPlace(1, changed(Removed)) || registered(g) != 0 {
		t.Error("the backoff is left")
	}
}

func TestSetInPlaceNeedsAnUnknownKey(t *testing.T) {
	for name, tt := range map[string]struct {
		disturb func(t *testing.T, g *group)
		want    bool
	}{
		"nothing":           {func(*testing.T, *group) {}, true},
		"a load":            {func(t *testing.T, g *group) { lead(t, g, 1, start) }, false},
		"a write":           {func(t *testing.T, g *group) { g.Enqueue(1, 0) }, false},
		"a removal of all":  {func(t *testing.T, g *group) { g.InvalidateAll(start, nil) }, false},
		"a fence of all":    {func(t *testing.T, g *group) { g.InvalidateAll(start, nil).Run(func() bool { return false }) }, false},
		"a failed deletion": {failDeletion, false},
		"load of its shard": {func(t *testing.T, g *group) { lead(t, g, 2, start.Add(-time.Second)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup()
			tt.disturb(t, g)
			calls := 0
			done, err := g.SetInPlace(1, g.hash.Of(1), start, func() (done, more bool) { calls++; return true, false })
			if err != nil || done != tt.want || (calls == 1) != tt.want {
				t.Errorf("done: %v, %v, calls: %d, want %v", done, err, calls, tt.want)
			}
		})
	}
}

func failDeletion(t *testing.T, g *group) {
	turn, _, err := g.Invalidate(1, start)
	if err != nil {
		t.Fatal(err)
	}
	g.Await(turn)
	g.EndInvalidate(turn, false, start)
}

func TestSetInPlaceAfterClose(t *testing.T) {
	g := newGroup()
	g.Shut()
	done, err := g.SetInPlace(1, g.hash.Of(1), start, func() (done, more bool) { t.Error("called"); return true, false })
	if done || err != ErrClosed {
		t.Errorf("done: %v, %v, want %v", done, err, ErrClosed)
	}
}

func TestSetInPlaceThatWasNotDoneCountsNothing(t *testing.T) {
	g := newGroup()
	before := g.Version(g.Hash(1))
	if done, err := g.SetInPlace(1, g.hash.Of(1), start, func() (done, more bool) { return false, false }); done || err != nil {
		t.Errorf("done: %v, %v", done, err)
	}
	if g.Version(g.Hash(1)) != before {
		t.Error("the version has changed")
	}
	if err := g.Idle(t.Context(), true); err != nil {
		t.Error(err)
	}
}

// What comes after the write counts as running, until End.
func TestSetInPlaceWithMoreToDo(t *testing.T) {
	g := newGroup()
	if done, err := g.SetInPlace(1, g.hash.Of(1), start, func() (done, more bool) { return true, true }); !done || err != nil {
		t.Errorf("done: %v, %v", done, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Idle(ended, true); err == nil {
		t.Error("nothing is running")
	}
	g.End()
	atRest(t, g)
}

// Whoever has waited must not find half a write.
func TestIdleWaitsForSetInPlace(t *testing.T) {
	g := newGroup()
	waiting, idle := make(chan struct{}), make(chan error, 1)
	_, err := g.SetInPlace(1, g.hash.Of(1), start, func() (done, more bool) {
		go func() {
			close(waiting)
			idle <- g.Idle(context.Background(), true)
		}()
		<-waiting
		for range 1000 {
			runtime.Gosched()
			if len(idle) > 0 {
				t.Error("Idle has returned before the write")
				break
			}
		}
		return true, false
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-idle; err != nil {
		t.Error(err)
	}
}

// A flight whose value was put on the spot has no turn, and its key is free.
func TestClaimInPlace(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	queued := g.Force(1, nil, named("job")).Flight
	before := g.Version(g.Hash(1))
	done, next := g.ClaimInPlace(f, g.hash.Of(f.Key), "v", func() bool { return true })
	if !done || next != queued || g.Version(g.Hash(1)) == before {
		t.Errorf("done %v, next %v, version %d", done, next, g.Version(g.Hash(1)))
	}
	f.Publish()
	if value, err := f.Result(); value != "v" || err != nil {
		t.Errorf("Result = %q, %v", value, err)
	}
	if stands, _, _ := g.Claim(f, Result[string]{}, start); stands {
		t.Error("it has been claimed twice")
	}
}

// What is put in place ends the backoff of its key.
func TestClaimInPlaceEndsTheBackoff(t *testing.T) {
	g := newGroup()
	f := lead(t, g, 1, start)
	g.Claim(f, Result[string]{Err: errors.New("failed"), Backoff: time.Hour}, start)
	f = lead(t, g, 1, start)
	if done, _ := g.ClaimInPlace(f, g.hash.Of(f.Key), "v", func() bool { return true }); !done || registered(g) != 0 {
		t.Errorf("done: %v, %d slots", done, registered(g))
	}
}

// Put is not called for a flight that was superseded, nor beside another write or a fence; what it
// refuses has not been done.
func TestClaimInPlaceNeedsAQuietKey(t *testing.T) {
	for name, tt := range map[string]struct {
		disturb func(t *testing.T, g *group)
		calls   int
	}{
		"refused":          {func(*testing.T, *group) {}, 1},
		"beside a write":   {func(t *testing.T, g *group) { g.Enqueue(1, 0) }, 0},
		"beside a lookup":  {func(t *testing.T, g *group) { g.JoinLookup(1, nil, start, named("job"), no, no) }, 0},
		"invalidated":      {func(t *testing.T, g *group) { g.Invalidate(1, start) }, 0},
		"removal of all":   {func(t *testing.T, g *group) { g.InvalidateAll(start, nil) }, 0},
		"a fence":          {failDeletion, 0},
		"settled by Close": {func(t *testing.T, g *group) { g.AbortAll(ErrClosed) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup()
			f := lead(t, g, 1, start)
			tt.disturb(t, g)
			calls := 0
			done, _ := g.ClaimInPlace(f, g.hash.Of(f.Key), "v", func() bool { calls++; return false })
			if done || calls != tt.calls {
				t.Errorf("done %v, calls %d, want %d", done, calls, tt.calls)
			}
		})
	}
}
