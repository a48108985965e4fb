package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAggregate(t *testing.T) {
	for _, test := range []struct {
		rounds []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{30, 1, 2}, 2},
		{[]float64{4, 1, 2, 30}, 3},
	} {
		before := slices.Clone(test.rounds)
		if got := aggregate(test.rounds); got != test.want {
			t.Errorf("%v: %v, want %v", test.rounds, got, test.want)
		}
		if !slices.Equal(test.rounds, before) {
			t.Error("the rounds were put in another order")
		}
	}
}

func TestRead(t *testing.T) {
	r := readInput(t)
	if r.group("Now") != nil {
		t.Error("a benchmark without libraries is a group")
	}
	hit := r.group("Hit")
	if want := []string{"memoize", "memoize-sieve", "otter"}; !slices.Equal(hit.libs, want) {
		t.Errorf("libraries %v, want %v", hit.libs, want)
	}
	least, most := hit.rounds()
	if least != 1 || most != 2 {
		t.Errorf("%d to %d rounds, want 1 to 2", least, most)
	}
	if got, ok := r.group("Churn").figure("", "memoize", "p99-ns"); !ok || got != 120 {
		t.Errorf("p99-ns %v, %v; want the figure as printed, 120", got, ok)
	}
}

// The testing package numbers the runs of one name.
func TestReadTurns(t *testing.T) {
	const out = "BenchmarkHit/k=1/lib=a-2 1 1 ns/op\nBenchmarkHit/k=1/lib=b-2 1 2 ns/op\nBenchmarkHit/k=1/lib=b#01-2 1 4 ns/op\nBenchmarkHit/k=1/lib=a#01-2 1 5 ns/op\n"
	r, err := read(strings.NewReader(out), "f")
	if err != nil {
		t.Fatal(err)
	}
	hit := r.group("Hit")
	if got := fmt.Sprint(hit.libs, len(hit.samples[cell{"k=1", "a", "ns/op"}]), hit.figures("k=1", "ns/op")); got != "[a b] 2 map[a:3 b:3]" {
		t.Errorf("%s, want two rounds of a and b", got)
	}
}

func TestReadErrors(t *testing.T) {
	const (
		machine = "goos: linux\ngoarch: amd64\ncpu: A\n"
		hit     = "BenchmarkHit/lib=a-2 1 1 ns/op\n"
	)
	for name, test := range map[string]struct{ in, want string }{
		"empty":           {"PASS\n", "f: no benchmark that compares libraries"},
		"no libraries":    {machine + "BenchmarkNow-2 1 1 ns/op\n", "f: no benchmark that compares libraries"},
		"syntax":          {machine + "BenchmarkHit/lib=a-2 1 x ns/op\n", "f:4: parsing measurement: invalid syntax"},
		"other machine":   {machine + hit + "cpu: B\n" + hit, `f:6: on linux/amd64, "B", with 2 cores; earlier rounds were on linux/amd64, "A", with 2`},
		"other processes": {machine + hit + strings.Replace(hit, "-2", "-4", 1), `f:5: on linux/amd64, "A", with 4 cores; earlier rounds were on linux/amd64, "A", with 2`},
	} {
		if _, err := read(strings.NewReader(test.in), "f"); err == nil || err.Error() != test.want {
			t.Errorf("%s: error %v, want %s", name, err, test.want)
		}
	}
}

func TestGroupsMustNotBeMissing(t *testing.T) {
	r, err := read(strings.NewReader("BenchmarkHit/keys=uint64/entries=1/goroutines=1/lib=a 1 1 ns/op\n"), "f")
	if err != nil {
		t.Fatal(err)
	}
	if r.cores != "1" {
		t.Errorf("%s cores, want 1 where the name tells none", r.cores)
	}
	if _, err := allTables(r, "", nil); err == nil || err.Error() != "no results of BenchmarkWrites" {
		t.Errorf("tables: error %v", err)
	}
	if _, err := hitPlot(r, nil); err == nil || err.Error() != "no results of BenchmarkHit with keys=string16" {
		t.Errorf("plot of hits: error %v", err)
	}
	if _, err := ratioPlot(r, nil); err == nil || err.Error() != "no results of BenchmarkRatio" {
		t.Errorf("plot of ratios: error %v", err)
	}
}
