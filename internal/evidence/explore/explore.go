//go:build evidence

package explore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/memoize-go/memoize/internal/hook"
)

const (
	// maxSteps is how long a schedule may become before it counts as one that never ends.
	maxSteps = 5000

	// maxReruns is how often a schedule is tried again that did not repeat the choices that led to
	// it. What the cache does is a matter of chance in one respect: keys share a shard or not.
	maxReruns = 20

	// unbounded is the bound on preemptions of an exploration without one.
	unbounded = 1 << 30
)

// scenario is what is run under every schedule, anew each time, in a bubble. It makes what it needs,
// and starts its threads with world.thread. When all of them have ended and nothing goes on any
// more, check is called; no goroutine is held then.
type scenario func(w *world) (check func() error)

// outcome is what an exploration has found.
type outcome struct {
	schedules int // each of them another one
	bound     int // all schedules with up to so many preemptions are among them; -1: not even those without
	random    int // schedules picked at random
	violation *violation
}

func (o outcome) String() string {
	extent := fmt.Sprintf("%d schedules", o.schedules)
	switch {
	case o.bound == unbounded:
		extent += ", which are all"
	case o.bound >= 0:
		extent += fmt.Sprintf(", among them all with up to %d preemptions", o.bound)
	}
	if o.random > 0 {
		extent += fmt.Sprintf(", and %d at random", o.random)
	}
	return extent
}

// violation is a schedule that broke a promise.
type violation struct {
	schedule schedule
	trace    []string
	err      error
}

func (v *violation) Error() string {
	return fmt.Sprintf("%v\nschedule: %s\n%s", v.err, v.schedule, strings.Join(v.trace, "\n"))
}

// explore runs s under about budget schedules, and stops at the first violation: all schedules with
// 0, 1, 2 and more preemptions until there are no more, or half of the budget has not been enough
// for all with one more. The other half is then picked at random.
func explore(t *testing.T, s scenario, budget int) (out outcome) {
	t.Helper()
	out.bound = -1
	for bound := 0; out.bound != unbounded; bound++ {
		// The schedules of this round include those of the ones before.
		x := explorer{bound: bound}
		complete, v := x.search(t, s, (budget+1)/2)
		out.schedules, out.violation = x.schedules, v
		switch {
		case v != nil:
			return out
		case complete && !x.pruned:
			out.bound = unbounded
		case complete:
			out.bound = bound
		default:
			out.random, out.violation = sample(t, s, budget/2)
			return out
		}
	}
	return out
}

// search is the depth-first search. It ends when it is complete, at the first violation, or after
// budget schedules.
func (x *explorer) search(t *testing.T, s scenario, budget int) (complete bool, v *violation) {
	t.Helper()
	for reruns := 0; ; {
		r := x.run(t, s, x.byPath)
		if r.diverged != nil {
			if reruns++; reruns > maxReruns {
				t.Fatalf("the same choices do not lead to the same steps: %v", r.diverged)
			}
			x.path = x.path[:r.agreed]
			continue
		}
		reruns = 0
		x.schedules++
		if r.err != nil {
			return false, r.violation()
		}
		if !x.next() {
			return true, nil
		}
		if x.schedules >= budget {
			return false, nil
		}
	}
}

// sample runs s under n random schedules: the goroutine with the highest of random priorities goes
// on, and at some random steps its priority falls below all others (Burckhardt et al., "A Randomized
// Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). The same n picks the same
// ones.
func sample(t *testing.T, s scenario, n int) (ran int, v *violation) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 1))
	for range n {
		var x explorer
		r := x.run(t, s, byPriority(random))
		ran++
		if r.err != nil {
			return ran, r.violation()
		}
	}
	return ran, nil
}

// replay runs s under one schedule; where that ends, the goroutine that has the turn goes on.
func replay(t *testing.T, s scenario, which schedule) *run {
	x := explorer{bound: unbounded}
	for _, taken := range which {
		x.path = append(x.path, choice{taken: taken})
	}
	return x.run(t, s, x.byPath)
}

// explorer is a depth-first search through the choices.
type explorer struct {
	bound     int
	path      []choice // of the run that comes next: replayed, then continued
	schedules int
	pruned    bool // a preemption was not tried because of the bound
}

// chooser decides which of the goroutines that are held goes on at step n; the first one had the
// turn before, if going is true. An error says that the choice that was to be repeated is not there.
type chooser func(r *run, n int, options []*held, going bool) (int, error)

// byPath repeats the choices of the path and then takes the first one.
func (x *explorer) byPath(r *run, n int, options []*held, going bool) (int, error) {
	open := len(options)
	if going && r.preemptions >= x.bound {
		x.pruned = x.pruned || open > 1
		open = 1
	}
	if n == len(x.path) {
		x.path = append(x.path, choice{options: open})
	}
	c := &x.path[n]
	if c.options != 0 && c.options != open || c.taken >= open {
		return 0, fmt.Errorf("step %d has %d choices, had %d", n, open, c.options)
	}
	c.options = open
	return c.taken, nil
}

// byPriority picks at random, as sample says.
func byPriority(random *rand.Rand) chooser {
	const (
		changes = 3  // how often a priority falls
		within  = 60 // steps
	)
	priorities := map[uint64]int{}
	falls := map[int]bool{}
	for range changes {
		falls[random.IntN(within)] = true
	}
	return func(_ *run, n int, options []*held, _ bool) (int, error) {
		best := 0
		for i, h := range options {
			if _, ok := priorities[h.goroutine]; !ok {
				priorities[h.goroutine] = random.IntN(1 << 20)
			}
			if priorities[h.goroutine] > priorities[options[best].goroutine] {
				best = i
			}
		}
		if falls[n] {
			priorities[options[best].goroutine] = -n
		}
		return best, nil
	}
}

// choice is one step of a schedule.
type choice struct {
	options int // 0: not known
	taken   int
}

// next changes the path to that of the next schedule.
func (x *explorer) next() bool {
	for len(x.path) > 0 {
		last := &x.path[len(x.path)-1]
		if last.taken+1 < last.options {
			last.taken++
			return true
		}
		x.path = x.path[:len(x.path)-1]
	}
	return false
}

// schedule is which of the goroutines that could go on did, at each step: 0 is the one that had the
// turn before, if it could.
type schedule []int

const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

func (s schedule) String() string {
	var b strings.Builder
	for _, n := range s {
		b.WriteByte(digits[n])
	}
	return b.String()
}

func parseSchedule(text string) (s schedule, err error) {
	for _, c := range text {
		n := strings.IndexRune(digits, c)
		if n < 0 {
			return nil, fmt.Errorf("schedule %q: %q is no choice", text, c)
		}
		s = append(s, n)
	}
	return s, nil
}

// run is one run of a scenario.
type run struct {
	choices  schedule
	steps    []step
	err      error
	diverged error // what should have been repeated was not
	agreed   int   // choices that were

	preemptions int

	mu      sync.Mutex
	off     bool
	arrived []*held // since the last step
	waiting []*held
	names   map[uint64]string // of goroutines
	ids     map[uint64]int    // in the order of their first point
	threads int               // not ended
}

// step is one step of a run.
type step struct {
	who, point string
}

// held is a goroutine at a point.
type held struct {
	goroutine uint64
	point     string
	release   chan struct{}
}

func (r *run) violation() *violation { return &violation{r.choices, r.trace(), r.err} }

func (x *explorer) run(t *testing.T, s scenario, choose chooser) *run {
	r := &run{names: map[uint64]string{}, ids: map[uint64]int{}}
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, run: r}
		check := s(w)
		synctest.Wait() // what was prepared may still be being written
		hook.Set(r.at)
		for _, start := range w.starts {
			start()
		}
		r.drive(choose, w.idle)
		if n := len(r.choices); r.diverged == nil && n < len(x.path) {
			r.agreed, r.diverged = n, fmt.Errorf("nothing is left to choose after %d of %d steps", n, len(x.path))
		}
		hook.Set(nil)
		if r.err == nil && r.diverged == nil {
			r.err = w.err()
		}
		r.letGo()
		w.end()
		synctest.Wait()
		if r.running() > 0 { // the bubble cannot end
			r.err = fmt.Errorf("%d threads are blocked for good", r.running())
			panic(r.violation())
		}
		if r.err == nil && r.diverged == nil {
			r.err = check()
		}
		w.close()
	})
	return r
}

// drive lets one goroutine after the other go on, by the choices, until none is held. If threads are
// blocked then, it tries once whether idle helps.
func (r *run) drive(choose chooser, idle func()) {
	var last uint64 // whose turn it was
	for n := 0; ; n++ {
		synctest.Wait()
		options, going := r.options(last)
		if len(options) == 0 && r.running() > 0 && idle != nil {
			idle()
			idle = nil
			synctest.Wait()
			options, going = r.options(last)
		}
		if len(options) == 0 {
			return
		}
		if n == maxSteps {
			r.err = fmt.Errorf("no end after %d steps", n)
			return
		}
		i, err := choose(r, n, options, going)
		if err != nil {
			r.agreed, r.diverged = n, err
			return
		}
		if going && i > 0 {
			r.preemptions++
		}
		next := options[i]
		last = next.goroutine
		r.choices = append(r.choices, i)
		r.steps = append(r.steps, step{r.name(next.goroutine), next.point})
		r.release(next)
	}
}

// running returns how many threads have not ended.
func (r *run) running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.threads
}

// at holds a goroutine at a point.
func (r *run) at(point string) {
	h := &held{goroutine: goroutineID(), point: point, release: make(chan struct{})}
	r.mu.Lock()
	if r.off {
		r.mu.Unlock()
		return
	}
	r.arrived = append(r.arrived, h)
	r.mu.Unlock()
	<-h.release
}

// options lists the goroutines that are held, the one that had the turn first, the others in the
// order in which they came to their first point; going says that the first one had the turn.
func (r *run) options(last uint64) (options []*held, going bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Goroutines that one goroutine starts get rising numbers, so that what has begun in one step is
	// always told apart in the same way.
	slices.SortFunc(r.arrived, func(a, b *held) int { return int(a.goroutine) - int(b.goroutine) })
	for _, h := range r.arrived {
		if _, ok := r.ids[h.goroutine]; !ok {
			r.ids[h.goroutine] = len(r.ids)
		}
	}
	r.waiting = append(r.waiting, r.arrived...)
	r.arrived = r.arrived[:0]
	rank := func(h *held) int {
		if h.goroutine == last {
			return -1
		}
		return r.ids[h.goroutine]
	}
	slices.SortFunc(r.waiting, func(a, b *held) int { return rank(a) - rank(b) })
	return r.waiting, len(r.waiting) > 0 && r.waiting[0].goroutine == last
}

func (r *run) release(h *held) {
	r.waiting = slices.DeleteFunc(r.waiting, func(other *held) bool { return other == h })
	close(h.release)
}

// letGo ends the holding, also of those that are held.
func (r *run) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	for _, h := range append(r.waiting, r.arrived...) {
		close(h.release)
	}
	r.waiting, r.arrived = nil, nil
}

func (r *run) name(goroutine uint64) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := r.names[goroutine]; name != "" {
		return name
	}
	return fmt.Sprintf("goroutine %d", r.ids[goroutine]+1)
}

func (r *run) trace() (lines []string) {
	for i, s := range r.steps {
		lines = append(lines, fmt.Sprintf("%4d  %c  %-14s from %s", i+1, digits[r.choices[i]], s.who, s.point))
	}
	return lines
}

// goroutineID returns the number of the calling goroutine, which the runtime tells only in the first
// line of its stack: "goroutine 42 [running]:".
func goroutineID() uint64 {
	var buf [32]byte
	line := buf[:runtime.Stack(buf[:], false)]
	number, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("goroutine ")), []byte(" "))
	id, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}
