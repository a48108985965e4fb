package probes

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// scenario is a probe of a few calls whose order is the same every time. It runs in a process of its own, and answers questions.
type scenario struct {
	name      string
	questions []question
	run       func(lib Library, say func(question, answer string)) error
	// applies says whether the library has the ability in question. Nil: every library.
	applies func(lib Library) bool
}

// question is one row of the table.
type question struct {
	name string
	want string // the answer that this library has to give
}

const (
	qLater = "Get after an invalidation that met a running load: its value"
	qKept  = "the value kept when both have ended"

	qPanicCallers = "load panics, 10 callers get"
	qPanicKey     = "the key afterwards"
	qExitCallers  = "load calls runtime.Goexit, 10 callers get"
	qExitKey      = "the key after that"

	qRefreshPanic = "load panics in a refresh in the background"
	qRefreshExit  = "load calls runtime.Goexit in a refresh"

	qWaiterLeaves = "a waiter whose ctx ends"
	qFirstLeaves  = "the first caller, whose ctx ends during its load"
	qOthersGet    = "the 9 that wait for that load get"
)

const (
	usable   = "usable, nothing cached"
	survived = "value kept, refreshed later"
	atOnce   = "returns at once"
)

func refreshes(lib Library) bool    { return lib.OpenRefreshing != nil }
func takesContext(lib Library) bool { return !lib.NoContext }

var scenarios = []scenario{
	{"invalidation", []question{{qLater, "new"}, {qKept, "new"}}, invalidateDuringLoad, nil},
	{"panic", []question{{qPanicCallers, "10 × error"}, {qPanicKey, usable}}, failing(panics, qPanicCallers, qPanicKey), nil},
	{"exit", []question{{qExitCallers, "10 × error"}, {qExitKey, usable}}, failing(runtime.Goexit, qExitCallers, qExitKey), nil},
	{"refresh-panic", []question{{qRefreshPanic, survived}}, failingRefresh(panics, qRefreshPanic), refreshes},
	{"refresh-exit", []question{{qRefreshExit, survived}}, failingRefresh(runtime.Goexit, qRefreshExit), refreshes},
	{"waiter-leaves", []question{{qWaiterLeaves, atOnce}}, waiterLeaves, takesContext},
	{"first-leaves", []question{{qFirstLeaves, atOnce}, {qOthersGet, "9 × value"}}, firstLeaves, takesContext},
}

func panics() { panic("the load function panics") }

const (
	key     = 1
	callers = 10
)

// invalidateDuringLoad invalidates a key while its load runs, and reads it before that load has ended: with the value of a load that began
// before the invalidation, the reader would get what it was told to be gone.
func invalidateDuringLoad(lib Library, say func(question, answer string)) error {
	var version, loads atomic.Int64
	running, gate := make(chan struct{}), make(chan struct{})
	version.Store(1)
	c, err := lib.Open(func(context.Context, int) (Value, error) {
		v := Value{Key: key, Version: version.Load(), Load: loads.Add(1)}
		if v.Load == 1 {
			close(running)
			<-gate
		}
		return v, nil
	})
	if err != nil {
		return err
	}
	first := get(context.Background(), c, key)
	<-running
	version.Store(2)
	invalidated := call(func() (Value, error) { c.Invalidate(key); return Value{}, nil })
	_, atOnce := settled(invalidated)
	if !atOnce {
		close(gate) // It waits for the load.
		if _, ok := wait(invalidated); !ok {
			say(qLater, "invalidation hangs")
			return nil
		}
	}
	later := get(context.Background(), c, key)
	settle()
	if atOnce {
		close(gate)
	}
	say(qLater, age(later))
	wait(first)
	settle()
	say(qKept, age(get(context.Background(), c, key)))
	return nil
}

// age says whether a call has got a value from after the change to version 2.
func age(done <-chan answer) string {
	a, ok := wait(done)
	switch {
	case !ok:
		return "hangs"
	case a.kind() != "value":
		return a.kind()
	case a.value.Version < 2:
		return "old"
	}
	return "new"
}

// failing has callers wait for a load that fails, and looks at the key when all of them have their answer.
func failing(fail func(), qCallers, qKey string) func(lib Library, say func(question, answer string)) error {
	return func(lib Library, say func(question, answer string)) error {
		var loads atomic.Int64
		var works atomic.Bool
		running, gate := make(chan struct{}, 1), make(chan struct{})
		c, err := lib.Open(func(context.Context, int) (Value, error) {
			v := Value{Key: key, Load: loads.Add(1)}
			if !works.Load() {
				select {
				case running <- struct{}{}:
				default:
				}
				<-gate
				fail()
			}
			return v, nil
		})
		if err != nil {
			return err
		}
		calls := gets(1, c, key)
		<-running
		calls = append(calls, gets(callers-1, c, key)...)
		settle()
		close(gate)
		got := tally(calls)
		failed := loads.Load()
		if failed > 1 {
			got += fmt.Sprintf(" (%d loads)", failed)
		}
		say(qCallers, got)
		works.Store(true)
		say(qKey, afterwards(c, failed))
		return nil
	}
}

// afterwards says what a call gets after so many failed loads.
func afterwards(c Cache, failed int64) string {
	a, ok := wait(get(context.Background(), c, key))
	switch {
	case !ok:
		return "dead: callers hang"
	case a.kind() == "value" && a.value.Load > failed:
		return usable
	case a.err == nil && !a.panicked && !a.exited:
		return "holds a value that no load returned"
	}
	return a.kind()
}

// failingRefresh has a refresh in the background fail, and looks whether the value stays, and whether there is another refresh.
func failingRefresh(fail func(), q string) func(lib Library, say func(question, answer string)) error {
	return func(lib Library, say func(question, answer string)) error {
		var loads atomic.Int64
		var fails atomic.Bool
		c, err := lib.OpenRefreshing(func(context.Context, int) (Value, error) {
			v := Value{Key: key, Load: loads.Add(1)}
			if fails.Load() {
				fail()
			}
			return v, nil
		})
		if err != nil {
			return err
		}
		if a, ok := wait(get(context.Background(), c, key)); !ok || a.value.Load != 1 {
			return fmt.Errorf("the first call got %+v", a)
		}
		settle()
		fails.Store(true)
		hit := get(context.Background(), c, key)
		if a, ok := settled(hit); !ok || a.value.Load == 0 {
			return fmt.Errorf("the hit got %+v", a)
		}
		failed := loads.Load()
		if failed < 2 {
			return errors.New("the hit did not refresh")
		}
		fails.Store(false)
		say(q, refreshedLater(c, failed))
		return nil
	}
}

// refreshedLater says what calls get after the last of failed loads. A library may let some time pass until its next refresh.
func refreshedLater(c Cache, failed int64) string {
	ctx := context.Background()
	a, ok := wait(get(ctx, c, key))
	if !ok {
		return "callers hang"
	}
	if a.kind() != "value" {
		return "then " + a.kind()
	}
	const tries = 10
	for range tries {
		settle()
		if a, ok = wait(get(ctx, c, key)); ok && a.value.Load > failed {
			return survived
		}
		// A call that never ends takes as long as wait has patience.
		wait(make(chan answer))
	}
	return "value kept, no refresh any more"
}

// slow is a load that runs until its gate is open or its ctx ends, as a query of a database does.
type slow struct {
	loads         atomic.Int64
	running, gate chan struct{}
}

func newSlow() *slow { return &slow{running: make(chan struct{}, 1), gate: make(chan struct{})} }

func (s *slow) load(ctx context.Context, key int) (Value, error) {
	v := Value{Key: key, Load: s.loads.Add(1)}
	select {
	case s.running <- struct{}{}:
	default:
	}
	select {
	case <-s.gate:
		return v, nil
	case <-ctx.Done():
		return Value{}, ctx.Err()
	}
}

// waiterLeaves ends the ctx of a caller who waits for the load of another one.
func waiterLeaves(lib Library, say func(question, answer string)) error {
	s := newSlow()
	c, err := lib.Open(s.load)
	if err != nil {
		return err
	}
	first := get(context.Background(), c, key)
	<-s.running
	ctx, cancel := context.WithCancel(context.Background())
	waiter := get(ctx, c, key)
	settle()
	cancel()
	say(qWaiterLeaves, leaves(waiter))
	close(s.gate)
	wait(first)
	return nil
}

// firstLeaves ends the ctx of the caller who came first, while others wait for the load.
func firstLeaves(lib Library, say func(question, answer string)) error {
	s := newSlow()
	c, err := lib.Open(s.load)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	first := get(ctx, c, key)
	<-s.running
	others := gets(callers-1, c, key)
	settle()
	cancel()
	say(qFirstLeaves, leaves(first))
	close(s.gate)
	got := tally(others)
	if n := s.loads.Load(); n > 1 {
		got += fmt.Sprintf(" (%d loads)", n)
	}
	say(qOthersGet, got)
	return nil
}

// leaves says whether a call whose ctx has ended returns before anything else happens.
func leaves(done <-chan answer) string {
	a, ok := settled(done)
	switch {
	case !ok:
		return "waits for the load"
	case errors.Is(a.err, context.Canceled):
		return atOnce
	}
	return a.kind()
}
