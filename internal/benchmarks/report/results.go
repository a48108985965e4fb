package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// results are what the rounds of one run have measured.
type results struct {
	goos, goarch, cpu string // cpu may be empty
	cores             string // GOMAXPROCS

	groups []*group // in the order of the output
}

// group is one benchmark function with all its configurations and libraries.
type group struct {
	name    string   // without Benchmark
	configs []config // in the order of the output
	libs    []string // in the order of the output
	samples map[cell][]float64
}

// config is what is between the name of a benchmark and its library, such as keys=uint64/entries=4096/goroutines=1.
type config string

// cell is what is measured, once in each round.
type cell struct {
	config    config
	lib, unit string
}

// read returns the results in the output of go test -bench. What is no result and no configuration is skipped.
func read(in io.Reader, name string) (*results, error) {
	r := &results{}
	lines := benchfmt.NewReader(in, name)
	for lines.Scan() {
		switch line := lines.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, line
		case *benchfmt.Result:
			if err := r.add(line); err != nil {
				file, number := line.Pos()
				return nil, fmt.Errorf("%s:%d: %w", file, number, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(r.groups) == 0 {
		return nil, fmt.Errorf("%s: no benchmark that compares libraries", name)
	}
	return r, nil
}

func (r *results) add(line *benchfmt.Result) error {
	base, parts := line.Name.Parts()
	cores := "1" // then the name does not tell
	if n := len(parts); n > 0 && parts[n-1][0] == '-' {
		cores, parts = string(parts[n-1][1:]), parts[:n-1]
	}
	if len(parts) == 0 {
		return nil
	}
	lib, ok := strings.CutPrefix(string(parts[len(parts)-1]), "/lib=")
	if !ok {
		return nil // compares no libraries
	}
	lib, _, _ = strings.Cut(lib, "#") // the testing package numbers what has a name that was there before
	var names []string
	for _, part := range parts[:len(parts)-1] {
		names = append(names, string(part[1:]))
	}
	if err := r.sameMachine(line.GetConfig("goos"), line.GetConfig("goarch"), line.GetConfig("cpu"), cores); err != nil {
		return err
	}

	g := r.group(string(base))
	if g == nil {
		g = &group{name: string(base), samples: make(map[cell][]float64)}
		r.groups = append(r.groups, g)
	}
	c := config(strings.Join(names, "/"))
	if !slices.Contains(g.configs, c) {
		g.configs = append(g.configs, c)
	}
	if !slices.Contains(g.libs, lib) {
		g.libs = append(g.libs, lib)
	}
	for _, v := range line.Values {
		if v.OrigUnit != "" { // as printed: benchfmt makes seconds of nanoseconds
			v.Value, v.Unit = v.OrigValue, v.OrigUnit
		}
		at := cell{c, lib, v.Unit}
		g.samples[at] = append(g.samples[at], v.Value)
	}
	return nil
}

// sameMachine keeps runs apart: the figures of two machines cannot be compared.
func (r *results) sameMachine(goos, goarch, cpu, cores string) error {
	if len(r.groups) == 0 {
		r.goos, r.goarch, r.cpu, r.cores = goos, goarch, cpu, cores
	}
	if r.goos != goos || r.goarch != goarch || r.cpu != cpu || r.cores != cores {
		return fmt.Errorf("on %s/%s, %q, with %s cores; earlier rounds were on %s/%s, %q, with %s",
			goos, goarch, cpu, cores, r.goos, r.goarch, r.cpu, r.cores)
	}
	return nil
}

func (r *results) group(name string) *group {
	for _, g := range r.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// need returns a group that a table or plot cannot do without.
func (r *results) need(name string) (*group, error) {
	if g := r.group(name); g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("no results of Benchmark%s", name)
}

// libs returns the libraries of all groups, in the order in which they are first measured.
func (r *results) libs() (libs []string) {
	for _, g := range r.groups {
		for _, lib := range g.libs {
			if !slices.Contains(libs, lib) {
				libs = append(libs, lib)
			}
		}
	}
	return libs
}

// rounds returns how often what is in the group was measured, at least and at most.
func (g *group) rounds() (least, most int) {
	least = math.MaxInt
	for _, rounds := range g.samples {
		least, most = min(least, len(rounds)), max(most, len(rounds))
	}
	return least, most
}

// has reports whether anything was measured in the unit.
func (g *group) has(unit string) bool {
	for c := range g.samples {
		if c.unit == unit {
			return true
		}
	}
	return false
}

// figure returns what the rounds have made of a cell, and false if it was not measured.
func (g *group) figure(c config, lib, unit string) (float64, bool) {
	rounds := g.samples[cell{c, lib, unit}]
	if len(rounds) == 0 {
		return 0, false
	}
	return aggregate(rounds), true
}

// figures returns what the rounds have made of all libraries that were measured.
func (g *group) figures(c config, unit string) map[string]float64 {
	figures := make(map[string]float64)
	for _, lib := range g.libs {
		if v, ok := g.figure(c, lib, unit); ok {
			figures[lib] = v
		}
	}
	return figures
}

// round returns the figures of all libraries in one round, as many as there are.
func (g *group) round(c config, unit string, i int) map[string]float64 {
	figures := make(map[string]float64)
	for _, lib := range g.libs {
		if rounds := g.samples[cell{c, lib, unit}]; i < len(rounds) {
			figures[lib] = rounds[i]
		}
	}
	return figures
}

// aggregate makes one figure of those of the rounds, of which there is at least one: the median. The least time would be closer to what
// the code takes by itself, but it belongs to whoever was measured in the best moment of the machine, while in the middle it is the same
// for all who take turns.
func aggregate(rounds []float64) float64 {
	sorted := slices.Sorted(slices.Values(rounds))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// get returns the value of a parameter of the configuration, empty if it has none of this name.
func (c config) get(key string) string {
	for part := range strings.SplitSeq(string(c), "/") {
		if k, v, _ := strings.Cut(part, "="); k == key {
			return v
		}
	}
	return ""
}

// values returns the values of a parameter, in the order of the configurations.
func (g *group) values(key string) (values []string) {
	for _, c := range g.configs {
		if v := c.get(key); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// with returns the configurations in which the parameters have these values, given as alternating keys and values.
func (g *group) with(params ...string) (configs []config) {
	for _, c := range g.configs {
		fits := true
		for p := range slices.Chunk(params, 2) {
			fits = fits && c.get(p[0]) == p[1]
		}
		if fits {
			configs = append(configs, c)
		}
	}
	return configs
}
