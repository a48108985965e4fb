package main

import (
	"fmt"
	"math"
	"strings"
)

// target is a promise about every configuration of a group.
type target struct {
	what, group, unit string

	// of computes what the promise is about from the figures of one configuration in one round, by library; false if it has no say there.
	// A round takes a second or two, in which the machine changes less than from one to the next.
	of func(figures map[string]float64) (float64, bool)

	bound bound
}

var targets = []target{
	{"time of a hit, 4,096 entries, memoize / otter", "Hit/entries=4096", "ns/op", ratio("memoize", "otter"), atMost(0.35)},
	{"time of a hit, 1,000,000 entries, memoize / otter", "Hit/entries=1000000", "ns/op", ratio("memoize", "otter"), atMost(0.35)},
	{"time of a hit, 4,096 entries, memoize / otter-coarse", "Hit/entries=4096", "ns/op", ratio("memoize", "otter-coarse"), atMost(0.6)},
	{"time of a hit, 1,000,000 entries, memoize / otter-coarse", "Hit/entries=1000000", "ns/op", ratio("memoize", "otter-coarse"), atMost(0.6)},
	{"allocations of a hit, memoize", "Hit", "allocs/op", figure("memoize"), exactly(0)},
	{"time of a hit, memoize-sieve / memoize", "Hit", "ns/op", ratio("memoize-sieve", "memoize"), atMost(1.1)},
	{"time of a hit, memoize-s3fifo / memoize", "Hit", "ns/op", ratio("memoize-s3fifo", "memoize"), atMost(1.1)},
	{"time of a hit, memoize-stats / memoize", "Hit", "ns/op", ratio("memoize-stats", "memoize"), atMost(1.4)},
	{"time of a hit, memoize-exact / memoize", "Hit", "ns/op", ratio("memoize-exact", "memoize"), stated},
	{"time of a hit, memoize-lru / memoize", "Hit", "ns/op", ratio("memoize-lru", "memoize"), stated},
	{"time with 10 % writes, memoize / otter-coarse", "Writes/percent=10", "ns/op", ratio("memoize", "otter-coarse"), atMost(1)},
	{"time with 25 % writes, memoize / otter-coarse", "Writes/percent=25", "ns/op", ratio("memoize", "otter-coarse"), atMost(1)},
	{"time of a miss, memoize / otter", "Miss", "ns/op", ratio("memoize", "otter"), atMost(1)},
	{"loads of a stampede, memoize", "Stampede", "loads/op", figure("memoize"), exactly(1)},
	{"bytes of a stampede, memoize / otter", "Stampede", "B/op", ratio("memoize", "otter"), atMost(1)},
	{"allocations of a stampede, memoize / otter", "Stampede", "allocs/op", ratio("memoize", "otter"), atMost(1)},
	{"p99.9 of hits during refreshes, memoize / otter", "RefreshLatency", "p99.9-ns", ratio("memoize", "otter"), atMost(0.5)},
	{"p99.9 of churn in ns, memoize, if otter is below 5,000", "Churn", "p99.9-ns", ifBelow(5000, "otter", "memoize"), below(5000)},
	{"heap of an entry, memoize / otter", "Memory", "heap-B/entry", ratio("memoize", "otter"), atMost(1)},
	{"time of a garbage collection, memoize / otter", "Memory", "gc-ms", ratio("memoize", "otter"), atMost(1)},
	{"hit ratio, best strategy of memoize - otter", "Ratio", "hit-ratio", bestMinus("otter"), atLeast(-0.01)},
}

// bound is what a target asks of its worst value.
type bound struct {
	text  string
	worse func(a, b float64) bool // a is further from being met than b, or met more narrowly
	met   func(v float64) bool    // nil: nothing is asked
}

func greater(a, b float64) bool { return a > b }

// stated bounds nothing: the greatest value is told.
var stated = bound{none, greater, nil}

func atMost(limit float64) bound {
	return bound{fmt.Sprintf("≤ %v", limit), greater, func(v float64) bool { return v <= limit }}
}

func below(limit float64) bound {
	return bound{"< " + grouped(fmt.Sprint(limit)), greater, func(v float64) bool { return v < limit }}
}

func atLeast(limit float64) bound {
	return bound{fmt.Sprintf("≥ %v", limit), func(a, b float64) bool { return a < b }, func(v float64) bool { return v >= limit }}
}

func exactly(want float64) bound {
	further := func(a, b float64) bool { return math.Abs(a-want) > math.Abs(b-want) }
	return bound{fmt.Sprintf("%v", want), further, func(v float64) bool { return v == want }}
}

func figure(lib string) func(map[string]float64) (float64, bool) {
	return func(figures map[string]float64) (float64, bool) {
		v, ok := figures[lib]
		return v, ok
	}
}

// ratio divides the figure of one library by that of another. If that is nothing, or less than nothing as a difference of two times can be,
// it is 1 for a figure that is not greater, and infinite for others.
func ratio(lib, other string) func(map[string]float64) (float64, bool) {
	return func(figures map[string]float64) (float64, bool) {
		a, okA := figures[lib]
		b, okB := figures[other]
		switch {
		case b > 0:
			return a / b, okA && okB
		case a <= b:
			return 1, okA && okB
		default:
			return math.Inf(1), okA && okB
		}
	}
}

// ifBelow is the figure of a library where that of another is below the limit.
func ifBelow(limit float64, other, lib string) func(map[string]float64) (float64, bool) {
	return func(figures map[string]float64) (float64, bool) {
		v, ok := figures[lib]
		o, okOther := figures[other]
		return v, ok && okOther && o < limit
	}
}

// bestMinus is the greatest figure of memoize, with any strategy, minus that of another library.
func bestMinus(other string) func(map[string]float64) (float64, bool) {
	return func(figures map[string]float64) (float64, bool) {
		best := math.Inf(-1)
		for lib, v := range figures {
			if lib == "memoize" || strings.HasPrefix(lib, "memoize-") {
				best = max(best, v)
			}
		}
		o, ok := figures[other]
		return best - o, ok && !math.IsInf(best, -1)
	}
}

// targetTable tells of each target the worst value, where that was, and whether it is met.
func targetTable(r *results) string {
	rows := [][]string{{"what", "worst", "where", "over", "target", "met"}}
	for _, t := range targets {
		worst, where, covered := t.worst(r)
		row := []string{t.what, none, none, "0 configurations", t.bound.text, none}
		if covered > 0 {
			row[1] = format("")(worst, true)
			if abs := math.Abs(worst); abs < 10 && abs != math.Trunc(abs) {
				row[1] = fmt.Sprintf("%.3f", worst) // so that what narrowly misses its target does not look as if it met it
			}
			row[3] = counted(fmt.Sprint(covered), "configuration")
			if text := describe(where, ""); text != "" {
				row[2] = text
			}
			if t.bound.met != nil {
				row[5] = map[bool]string{true: "met", false: "not met"}[t.bound.met(worst)]
			}
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// worst returns the worst value of a target, its configuration, and how many configurations have a value.
func (t target) worst(r *results) (worst float64, where config, covered int) {
	name, param, _ := strings.Cut(t.group, "/")
	g := r.group(name)
	if g == nil {
		return 0, "", 0
	}
	configs := g.configs
	if key, value, ok := strings.Cut(param, "="); ok {
		configs = g.with(key, value)
	}
	for _, c := range configs {
		var rounds []float64
		_, most := g.rounds()
		for i := range most {
			if v, ok := t.of(g.round(c, t.unit, i)); ok {
				rounds = append(rounds, v)
			}
		}
		if len(rounds) == 0 {
			continue
		}
		v := aggregate(rounds)
		if covered++; covered == 1 || t.bound.worse(v, worst) {
			worst, where = v, c
		}
	}
	return worst, where, covered
}
