//go:build evidence

package explore

import (
	"errors"
	"strings"
	"testing"

	"github.com/memoize-go/memoize/internal/hook"
)

// steps is a scenario of threads that pass so many points each, the one at their start included.
func steps(points ...int) scenario {
	return func(w *world) func() error {
		for i, n := range points {
			w.thread(string(rune('a'+i)), func() {
				for range n - 1 {
					hook.At("step")
				}
			})
		}
		return func() error { return nil }
	}
}

// All schedules are run, and none twice: of threads with a, b and c points there are
// (a+b+c)! / (a! b! c!).
func TestSearchIsExhaustive(t *testing.T) {
	for _, tt := range []struct {
		points []int
		want   int
	}{
		{[]int{1}, 1},
		{[]int{1, 1}, 2},
		{[]int{3, 3}, 20},
		{[]int{4, 5}, 126},
		{[]int{2, 2, 2}, 90},
		{[]int{1, 1, 1, 1}, 24},
	} {
		out := explore(t, steps(tt.points...), 1000)
		if out.schedules != tt.want || out.bound != unbounded || out.violation != nil {
			t.Errorf("points %v: %v; want %d", tt.points, out, tt.want)
		}
	}
}

// With a bound there are fewer: two threads of three points have 2 schedules without a preemption,
// and 4 more with one, since the turn can be taken away after the first or the second point of
// either thread.
func TestBoundOnPreemptions(t *testing.T) {
	for bound, want := range []int{2, 6, 14} {
		x := explorer{bound: bound}
		if complete, v := x.search(t, steps(3, 3), 1000); !complete || v != nil || x.schedules != want || !x.pruned {
			t.Errorf("bound %d: %d schedules, pruned %v; want %d", bound, x.schedules, x.pruned, want)
		}
	}
}

var errLost = errors.New("an addition was lost")

// lost is the textbook race: two threads read a number, and then write back one more.
func lost(w *world) func() error {
	n := 0
	for _, name := range []string{"one", "two"} {
		w.thread(name, func() {
			seen := n
			hook.At("between reading and writing")
			n = seen + 1
		})
	}
	return func() error {
		if n != 2 {
			return errLost
		}
		return nil
	}
}

func TestRaceIsFoundAndReplayed(t *testing.T) {
	v := explore(t, lost, 1000).violation
	if v == nil || !errors.Is(v.err, errLost) {
		t.Fatalf("found %v", v)
	}
	which, err := parseSchedule(v.schedule.String())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		r := replay(t, lost, which)
		if !errors.Is(r.err, errLost) || strings.Join(r.trace(), "\n") != strings.Join(v.trace, "\n") {
			t.Fatalf("the replay found %v\n%s\nfirst:\n%v", r.err, strings.Join(r.trace(), "\n"), v)
		}
	}
	if _, found := sample(t, lost, 1000); found == nil {
		t.Error("no random schedule finds it")
	}
}

func TestScheduleThatDoesNotFit(t *testing.T) {
	if r := replay(t, steps(1, 1), schedule{0, 1}); r.diverged == nil {
		t.Error("a second choice where there is one goroutine")
	}
	if r := replay(t, steps(1), schedule{0, 0, 0}); r.diverged == nil {
		t.Error("more choices than steps")
	}
	if _, err := parseSchedule("01!"); err == nil {
		t.Error("what is no schedule was read as one")
	}
}

func TestEndlessScenarioIsReported(t *testing.T) {
	r := replay(t, steps(maxSteps+1), nil)
	if r.err == nil || !strings.Contains(r.err.Error(), "no end") {
		t.Errorf("got %v", r.err)
	}
}
