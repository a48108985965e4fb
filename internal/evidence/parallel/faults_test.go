package parallel_test

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
)

// playground is the scenario that naive caches are played with.
var playground = scenario{name: "naive", sort: remote, keys: 4, failing: 10, slow: 25, mix: writes, windows: 4, calls: 64}

// A naive cache without a fault obeys the laws, and each fault violates those that it should.
func TestFaultsAreFound(t *testing.T) {
	serial, forcing, cold, lagging := playground, playground, playground, playground
	serial.serial = true
	lagging.sort = local
	forcing.mix = forces
	cold.mix, cold.failing, cold.keys, cold.windows = reads, 0, 64, 1
	for _, test := range []struct {
		fault    fault
		scenario scenario
		found    []law // nil: nothing
	}{
		{none, playground, nil},
		{none, serial, nil},
		{none, forcing, nil},
		{none, cold, nil},
		{none, lagging, nil},
		{keepsLoads, playground, []law{fresh, order}},
		{keepsLoads, lagging, []law{fresh, order}},
		{setKeepsLoads, lagging, []law{fresh, order}},
		{setKeepsLoads, playground, []law{fresh, order}},
		{storesLate, playground, []law{fresh, order}},
		{storesLate, serial, []law{fresh, order}},
		{returnsEarly, playground, []law{fresh, order}},
		{returnsEarly, serial, []law{fresh}},
		{racyMiss, forcing, []law{overlap, order}},
		{racyMiss, cold, []law{overlap, count}},
		{forcedJoins, playground, []law{forced, order}},
		{forcedJoins, forcing, []law{forced, order}},
		{forgets, cold, []law{count}},
		{forgets, playground, []law{count}},
		{othersValue, playground, []law{fresh}},
		{otherError, playground, []law{foreign}},
		{detachesHit, forcing, []law{overlap}},
		{detachesHit, cold, []law{count}},
	} {
		name := string(test.fault)
		if test.fault == none {
			name = "no fault"
		}
		t.Run(name, func(t *testing.T) {
			found := map[law]int64{}
			missing := func() (l law, ok bool) {
				for _, l := range test.found {
					if found[l] == 0 {
						return l, true
					}
				}
				return "", false
			}
			for seed := range uint64(40) {
				if _, ok := missing(); !ok && seed >= 3 {
					break
				}
				r, err := newRound(test.scenario, seed, openNaive(test.fault))
				if err != nil {
					t.Fatal(err)
				}
				r.play()
				for l, n := range r.findings.count {
					found[l] += n
				}
				if test.found == nil {
					r.tell(t)
				}
			}
			if l, ok := missing(); ok {
				t.Errorf("the law %q is not violated; these are: %v", l, found)
			}
		})
	}
}

// A round of the cache under test does not overlook books and figures that are wrong.
func TestWrongFiguresAreFound(t *testing.T) {
	for name, spoil := range map[string]func(*round){
		"a hit too many":     func(r *round) { r.counted = statsOf{r, func(s *cache.Stats) { s.Hits++ }} },
		"a load too few":     func(r *round) { r.counted = statsOf{r, func(s *cache.Stats) { s.LoadsSucceeded-- }} },
		"a running load":     func(r *round) { r.counted = statsOf{r, func(s *cache.Stats) { s.LoadsRunning++ }} },
		"another's books":    func(r *round) { r.strategy.MarkWritten(r.keys+1, nil) },
		"a forgotten key":    func(r *round) { r.strategy.Resize(0); r.strategy.NextToRelease(); r.strategy.Resize(1) },
		"an unknown failure": func(r *round) { r.total.storageFailed.Add(1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := playground
			s.sort, s.capacity, s.windows = memory, 1, 1
			s.mix.resize = 0
			r, err := newRound(s, 1, open)
			if err != nil {
				t.Fatal(err)
			}
			r.window(0)
			if r.findings.all() > 0 {
				t.Fatalf("before anything was spoiled: %v", &r.findings)
			}
			if err := r.cache.Set(t.Context(), 0, evidence.Value{}); err != nil { // so that there is an entry
				t.Fatal(err)
			}
			spoil(r)
			r.checkRest()
			if r.findings.count[rest] == 0 {
				t.Error("not found")
			}
			r.end()
		})
	}
	r := &round{}
	r.checkBooks([]int{1, 2}, []int{1, 3})
	if r.findings.count[rest] != 1 {
		t.Error("storage and strategy hold different keys: not found")
	}
}

// statsOf changes the figures of a round's cache.
type statsOf struct {
	of    *round
	spoil func(*cache.Stats)
}

func (s statsOf) Stats() cache.Stats {
	stats := s.of.cache.(*cache.Cache[int, evidence.Value]).Stats()
	s.spoil(&stats)
	return stats
}

// Histories made by hand, and what the model says of them.
func TestModel(t *testing.T) {
	// A Get that begins a load, an invalidation while it runs, another Get.
	running := func(second op) []*op {
		return []*op{
			{kind: get, call: 1, ret: 4, version: 1, load: 1},
			{kind: invalidate, call: 2, ret: 3, version: 2, begun: 1},
			&second,
		}
	}
	for _, test := range []struct {
		name    string
		history []*op
		sort    sort
		want    porcupine.CheckResult
	}{
		{"the load from before, to a Get from before", running(op{kind: get, call: 5, ret: 6, version: 2, load: 2}), remote, porcupine.Ok},
		{"the load from before, to a Get from after", running(op{kind: get, call: 5, ret: 6, version: 1, load: 1}), remote, porcupine.Illegal},
		{"the same with the new version", running(op{kind: get, call: 5, ret: 6, version: 2, load: 1}), remote, porcupine.Illegal},
		{"a Refresh that joined", []*op{{kind: refresh, call: 1, ret: 2, begun: 1, version: 1, load: 1}}, remote, porcupine.Illegal},
		{"a Refresh that loaded", []*op{{kind: refresh, call: 1, ret: 2, begun: 1, version: 1, load: 2}}, remote, porcupine.Ok},
		{"an older load after a newer one", []*op{
			{kind: refresh, call: 1, ret: 2, begun: 1, version: 1, load: 2},
			{kind: get, call: 3, ret: 4, version: 1, load: 1},
		}, remote, porcupine.Illegal},
		{"the same where a storage may lag behind", []*op{
			{kind: refresh, call: 1, ret: 2, begun: 1, version: 1, load: 2},
			{kind: get, call: 3, ret: 4, version: 1, load: 1},
		}, local, porcupine.Ok},
		{"a load from before a Set", []*op{
			{kind: set, call: 1, ret: 2, begun: 1, version: 2, load: -1},
			{kind: get, call: 3, ret: 4, version: 2, load: 1},
		}, local, porcupine.Illegal},
		{"the value of a Set", []*op{
			{kind: set, call: 1, ret: 2, begun: 1, version: 2, load: -1},
			{kind: get, call: 3, ret: 4, version: 2, load: -1},
		}, remote, porcupine.Ok},
		{"the value of a Set that was invalidated", []*op{
			{kind: set, call: 1, ret: 2, begun: 1, version: 2, load: -1},
			{kind: invalidateAll, call: 3, ret: 4, begun: 1, version: 3},
			{kind: get, call: 5, ret: 6, version: 2, load: -1},
		}, local, porcupine.Illegal},
		{"the value of the Set before", []*op{
			{kind: set, call: 1, ret: 2, begun: 1, version: 2, load: -1},
			{kind: set, call: 3, ret: 4, begun: 1, version: 3, load: -2},
			{kind: get, call: 5, ret: 6, version: 2, load: -1},
		}, local, porcupine.Illegal},
		{"two Sets at once, seen in turns", []*op{
			{kind: set, call: 1, ret: 10, begun: 1, version: 2, load: -1},
			{kind: set, call: 2, ret: 9, begun: 1, version: 3, load: -2},
			{kind: get, call: 3, ret: 4, version: 2, load: -1},
			{kind: get, call: 5, ret: 6, version: 3, load: -2},
			{kind: get, call: 7, ret: 8, version: 2, load: -1},
		}, remote, porcupine.Illegal},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &carry{state: state{version: 1, load: 1}}
			c.prepare(test.history, &scenario{sort: test.sort})
			if got := linearize(c.state, test.history, decision); got != test.want {
				t.Errorf("%v, want %v\n%s", got, test.want, excerpt{c.state, test.history})
			}
		})
	}
}

// What a window knows of the one before holds its calls to account.
func TestModelRemembersTheWindowBefore(t *testing.T) {
	first := []*op{
		{kind: set, call: 1, ret: 2, version: 2, load: -1},
		{kind: invalidate, call: 3, ret: 6, version: 3, begun: 4},
		{kind: set, call: 4, ret: 5, version: 4, load: -2},
		{kind: get, call: 7, ret: 8, version: 4, load: 7},
	}
	c := &carry{state: state{version: 1, load: 1}}
	c.prepare(first, &scenario{sort: remote})
	c = c.next(first)
	for load, want := range map[int64]porcupine.CheckResult{
		-1: porcupine.Illegal, // it had ended before the invalidation
		-2: porcupine.Ok,      // it may have been after the invalidation
		6:  porcupine.Illegal, // load 7 had been seen
		7:  porcupine.Ok,
	} {
		second := []*op{{kind: get, call: 9, ret: 10, version: 4, load: load}}
		c.prepare(second, &scenario{sort: remote})
		if got := linearize(c.state, second, decision); got != want {
			t.Errorf("load %d: %v, want %v", load, got, want)
		}
	}
}

// A history that takes too long to decide counts as a violation.
func TestUndecidedIsAViolation(t *testing.T) {
	var history []*op // calls that all overlap, and a last one that none of their orders explains
	for i := range int64(60) {
		history = append(history, &op{kind: set, call: i, ret: 1000 + i, version: 1, load: -i - 1})
	}
	history = append(history, &op{kind: get, call: 2000, ret: 2001, load: -100})
	r := &round{}
	r.judge(0, linearize(state{}, history, 20*time.Millisecond), nil)
	if r.findings.count[order] != 1 {
		t.Errorf("not counted: %v", r.findings.count)
	}
	r.judge(0, porcupine.Ok, nil)
	if r.findings.count[order] != 1 {
		t.Error("a history in order was counted")
	}
}

func TestSurplus(t *testing.T) {
	for _, test := range []struct {
		name  string
		spans []span
		want  int
	}{
		{"none", nil, 0},
		{"one after another", []span{{1, 2}, {3, 4}, {5, 6}}, 0},
		{"two at once", []span{{1, 3}, {2, 4}}, 1},
		{"one long beside three", []span{{1, 10}, {2, 3}, {4, 5}, {6, 7}}, 1},
		{"four at once", []span{{1, 10}, {2, 11}, {3, 12}, {4, 13}}, 3},
	} {
		if got := surplus(test.spans); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
