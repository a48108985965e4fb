package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestTargetsCanBeMissed gives each target one figure that just meets it and one that does not.
func TestTargetsCanBeMissed(t *testing.T) {
	for _, target := range targets {
		if target.bound.met == nil {
			continue
		}
		name, param, _ := strings.Cut(target.group, "/")
		var seen []bool
		for _, factor := range []float64{0.01, 1, 100} {
			in := new(strings.Builder)
			for lib, v := range map[string]float64{"memoize": factor, "memoize-stats": factor, "memoize-sieve": factor, "memoize-s3fifo": factor,
				"otter": 1, "otter-coarse": 1} {
				switch {
				case strings.Contains(target.what, "/ memoize") && lib == "memoize":
					v = 1
				case target.unit == "allocs/op" && name == "Hit":
					v = max(0, v-1)
				case target.unit == "p99.9-ns" && name == "Churn":
					v *= 1000
				}
				fmt.Fprintf(in, "Benchmark%s/%s/lib=%s 1 %v %s\n", name, param, lib, v, target.unit)
			}
			r, err := read(strings.NewReader(in.String()), "f")
			if err != nil {
				t.Fatal(err)
			}
			worst, _, covered := target.worst(r)
			if covered != 1 {
				t.Errorf("%s: %d configurations", target.what, covered)
			}
			seen = append(seen, target.bound.met(worst))
		}
		if met := fmt.Sprint(seen); !strings.Contains(met, "true") || !strings.Contains(met, "false") {
			t.Errorf("%s: met? %s", target.what, met)
		}
	}
}

// A moment in which everything takes longer changes no ratio.
func TestTargetsCompareWithinRounds(t *testing.T) {
	out := ""
	for _, round := range []struct{ memoize, otter int }{{30, 100}, {300, 1000}, {29, 50}} {
		out += fmt.Sprintf("BenchmarkHit/entries=4096/lib=memoize 1 %d ns/op\nBenchmarkHit/entries=4096/lib=otter 1 %d ns/op\n", round.memoize, round.otter)
	}
	r, err := read(strings.NewReader(out), "f")
	if err != nil {
		t.Fatal(err)
	}
	if worst, _, covered := targets[0].worst(r); worst != 0.3 || covered != 1 {
		t.Errorf("%s: %v in %d configurations, want 0.3 in 1", targets[0].what, worst, covered)
	}
}

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		bound    bound
		met, not float64
	}{
		{atMost(0.35), 0.35, 0.3501},
		{atLeast(-0.01), -0.01, -0.0101},
		{below(5000), 4999, 5000},
		{exactly(1), 1, 1.01},
		{exactly(1), 1, 0.99},
	} {
		if !test.bound.met(test.met) || test.bound.met(test.not) {
			t.Errorf("%s: met at %v %v, at %v %v", test.bound.text, test.met, test.bound.met(test.met), test.not, test.bound.met(test.not))
		}
		if !test.bound.worse(test.not, test.met) || test.bound.worse(test.met, test.not) {
			t.Errorf("%s: %v is not worse than %v", test.bound.text, test.not, test.met)
		}
	}
}

func TestRatioOfNothing(t *testing.T) {
	of := ratio("a", "b")
	for _, test := range []struct {
		figures map[string]float64
		want    float64
		ok      bool
	}{
		{map[string]float64{"a": 1, "b": 4}, 0.25, true},
		{map[string]float64{"a": 0, "b": 0}, 1, true},
		{map[string]float64{"a": 1, "b": 0}, math.Inf(1), true},
		{map[string]float64{"a": 1, "b": -1}, math.Inf(1), true},
		{map[string]float64{"a": -2, "b": -1}, 1, true},
		{map[string]float64{"a": 1}, 0, false},
		{map[string]float64{}, 0, false},
	} {
		if got, ok := of(test.figures); ok != test.ok || ok && got != test.want {
			t.Errorf("%v: %v, %v", test.figures, got, ok)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		unit string
		v    float64
		want string
	}{
		{"ns/op", 1234567.8, "1,234,568"},
		{"ns/op", 34, "34.0"},
		{"ns/op", 0.25, "0.250"},
		{"allocs/op", 34, "34"},
		{"loads/op", 1.5, "1.50"},
		{"hit-ratio", 0.5, "0.500"},
		{"miss/op", 0.0000005, "< 0.001"},
		{"", math.Inf(1), "∞"},
	} {
		if got := format(test.unit)(test.v, true); got != test.want {
			t.Errorf("%v %s is written %s, want %s", test.v, test.unit, got, test.want)
		}
	}
	for digits, want := range map[string]string{"1": "1", "123": "123", "1234": "1,234", "-123": "-123", "-1234567": "-1,234,567"} {
		if got := grouped(digits); got != want {
			t.Errorf("%s is grouped as %s", digits, got)
		}
	}
}
