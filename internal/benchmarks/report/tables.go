package main

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// tables are those with one row for each library, named by the marker of their place in the document.
var tables = []struct {
	name, group string
	split       string   // the parameter that has a table for each of its values, if any
	columns     []string // units; each has a column for each configuration
	worst       []string // units that have only one column, with the greatest figure of all configurations, or none if nothing has them
}{
	{name: "hit", group: "Hit", split: "entries", columns: []string{"ns/op"}, worst: []string{"allocs/op", "miss/op"}},
	{name: "writes", group: "Writes", columns: []string{"ns/op"}, worst: []string{"miss/op"}},
	{name: "miss", group: "Miss", columns: []string{"ns/op", "B/op", "allocs/op"}, worst: []string{"hit/op"}},
	{name: "stampede", group: "Stampede", split: "kind", columns: []string{"ns/op", "loads/op", "B/op", "allocs/op"}},
	{name: "refresh", group: "RefreshLatency", columns: []string{"p50-ns", "p99-ns", "p99.9-ns", "max-ns", "refreshes/s"}},
	{name: "churn", group: "Churn", columns: []string{"p50-ns", "p99-ns", "p99.9-ns", "max-ns", "writes/s"}, worst: []string{"miss/op"}},
	{name: "memory", group: "Memory", columns: []string{"heap-B/entry", "gc-ms"}},
	{name: "ratio", group: "Ratio", split: "workload", columns: []string{"hit-ratio"}},
}

const none = "–" // where there is no figure

// allTables makes all that goes into the document.
func allTables(r *results, goVersion string, info *debug.BuildInfo) ([]block, error) {
	blocks := []block{{"run", runTable(r, goVersion, info)}, {"targets", targetTable(r)}}
	for _, t := range tables {
		g, err := r.need(t.group)
		if err != nil {
			return nil, err
		}
		var text string
		if t.split == "" {
			text = libraryTable(g, g.configs, "", t.columns, t.worst)
		} else {
			var parts []string
			for _, v := range g.values(t.split) {
				title := fmt.Sprintf("**%s**\n\n", describe(config(t.split+"="+v), ""))
				parts = append(parts, title+libraryTable(g, g.with(t.split, v), t.split, t.columns, t.worst))
			}
			text = strings.Join(parts, "\n")
		}
		blocks = append(blocks, block{t.name, text})
	}
	for i := range blocks {
		blocks[i].text = "\n" + strings.TrimLeft(blocks[i].text, "\n") + "\n" // a Markdown table needs blank lines around it
	}
	return blocks, nil
}

// libraryTable has a row for each library and a column for each unit and configuration.
func libraryTable(g *group, configs []config, split string, columns, worst []string) string {
	worst = slices.DeleteFunc(slices.Clone(worst), func(unit string) bool { return !g.has(unit) })
	head := []string{"library"}
	if len(columns) == 1 {
		head[0] = columns[0] // said once, not in every column
	}
	for _, unit := range columns {
		for _, c := range configs {
			name := describe(c, split)
			switch {
			case name == "":
				name = unit
			case len(columns) > 1:
				name += ", " + unit
			}
			head = append(head, name)
		}
	}
	head = append(head, worst...)
	rows := [][]string{head}
	for _, lib := range g.libs {
		row := []string{lib}
		for _, unit := range columns {
			for _, c := range configs {
				row = append(row, format(unit)(g.figure(c, lib, unit)))
			}
		}
		for _, unit := range worst {
			most, found := math.Inf(-1), false
			for _, c := range configs {
				if v, ok := g.figure(c, lib, unit); ok {
					most, found = max(most, v), true
				}
			}
			row = append(row, format(unit)(most, found))
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// runTable tells on what the figures were measured.
func runTable(r *results, goVersion string, info *debug.BuildInfo) string {
	machine := r.goos + "/" + r.goarch
	if r.cpu != "" {
		machine += ", " + r.cpu
	}
	machine += ", " + counted(r.cores, "core")

	var measured []string
	for _, g := range r.groups {
		least, most := g.rounds()
		n := strconv.Itoa(most)
		if least < most {
			n = fmt.Sprintf("%d to %d", least, most)
		}
		measured = append(measured, g.name+" "+n)
	}
	rows := [][]string{{"run", ""}, {"Go", goVersion}, {"machine", machine}, {"measurements of a figure", strings.Join(measured, ", ")}}
	for _, module := range modules(r) {
		rows = append(rows, []string{"`" + module + "`", version(module, info)})
	}
	return markdown(rows)
}

// modules returns the modules of the libraries that were measured.
func modules(r *results) (paths []string) {
	measured := r.libs()
	for _, l := range libraries.All[string]() { // some take no other keys
		if l.Module != "" && slices.Contains(measured, l.Name) && !slices.Contains(paths, l.Module) {
			paths = append(paths, l.Module)
		}
	}
	return paths
}

func version(module string, info *debug.BuildInfo) string {
	if info != nil {
		for _, dep := range info.Deps {
			switch {
			case dep.Path != module:
			case dep.Replace != nil: // by a folder of this repository
				return "as in this repository"
			default:
				return dep.Version
			}
		}
	}
	return none
}

// describe tells a configuration in words, without the parameter that the table is split by.
func describe(c config, without string) string {
	var words []string
	for part := range strings.SplitSeq(string(c), "/") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case without:
		case "goroutines":
			words = append(words, counted(value, "goroutine"))
		case "entries":
			words = append(words, grouped(value)+" entries")
		case "capacity":
			words = append(words, "capacity "+grouped(value))
		case "percent":
			words = append(words, value+" % writes")
		default: // keys, kind and workload, whose values speak for themselves
			words = append(words, value)
		}
	}
	return strings.Join(words, ", ")
}

func counted(n, what string) string {
	if n == "1" {
		return n + " " + what
	}
	return n + " " + what + "s"
}

// format returns how figures of a unit are written.
func format(unit string) func(v float64, ok bool) string {
	return func(v float64, ok bool) string {
		switch {
		case !ok:
			return none
		case unit == "hit-ratio":
			return strconv.FormatFloat(v, 'f', 3, 64)
		case math.IsInf(v, 1):
			return "∞"
		case math.Abs(v) >= 100 || v == math.Trunc(v) && unit != "ns/op": // times of operations only happen to be whole
			return grouped(strconv.FormatFloat(v, 'f', 0, 64))
		case math.Abs(v) >= 10:
			return strconv.FormatFloat(v, 'f', 1, 64)
		case math.Abs(v) >= 1:
			return strconv.FormatFloat(v, 'f', 2, 64)
		case v > 0 && v < 0.001:
			return "< 0.001"
		default:
			return strconv.FormatFloat(v, 'f', 3, 64)
		}
	}
}

// grouped sets a comma before every three digits from the end of a whole number.
func grouped(digits string) string {
	digits, negative := strings.CutPrefix(digits, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

// markdown writes rows as a table, the first one as its head. All columns but the first are aligned to the right if they hold numbers.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			for column := range row {
				b.WriteString("|" + rule(rows, column))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

func rule(rows [][]string, column int) string {
	for _, row := range rows[1:] {
		if column == 0 || strings.Trim(row[column], "0123456789.,-∞–< ") != "" {
			return "---"
		}
	}
	return "---:"
}
