//go:build evidence

package explore

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/internal/evidence"
)

var (
	replayed = flag.String("schedule", "", "the one schedule to run, with -run 'TestSchedules/NAME$', and to print step by step")
	budget   = flag.Int("budget", 0, "how many schedules of each scenario to run at most")
)

func TestMain(m *testing.M) {
	// With one processor, goroutines that become runnable in one step come to their points in the
	// order in which they did so.
	runtime.GOMAXPROCS(1)
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// TestSchedules runs every scenario under every schedule that its budget allows.
func TestSchedules(t *testing.T) {
	most := *budget
	if most == 0 {
		most = evidence.Amount(300, 25_000)
	}
	total, violations := 0, 0
	for _, s := range scenarios {
		for _, on := range []string{"memory", "remote"} {
			if s.only != "" && s.only != on {
				continue
			}
			t.Run(s.name+"_on_"+on, func(t *testing.T) {
				make := s.make
				if on == "remote" {
					make = func(w *world) func() error { w.remote = newRemote(); return s.make(w) }
				}
				if *replayed != "" {
					replayOne(t, make)
					return
				}
				out := explore(t, make, most)
				total += out.schedules + out.random
				if out.violation != nil {
					violations++
					t.Errorf("%v\nrun again: go test -tags evidence ./internal/evidence/explore -run '%s$' -v -args -schedule %s",
						out.violation, t.Name(), out.violation.schedule)
				}
				t.Log(out)
			})
		}
	}
	evidence.Report(t, "explore", int64(total), "schedules", int64(violations))
}

func replayOne(t *testing.T, s scenario) {
	which, err := parseSchedule(*replayed)
	if err != nil {
		t.Fatal(err)
	}
	r := replay(t, s, which)
	for _, line := range r.trace() {
		t.Log(line)
	}
	if r.err != nil || r.diverged != nil {
		t.Errorf("%v %v", r.err, r.diverged)
	}
}
