package probes

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// row is one question, with the answers of all libraries in their order.
type row struct {
	question string
	answers  []string
}

// TestProbes asks every library every question. See the package comment.
func TestProbes(t *testing.T) {
	libs := Libraries()
	if raceDetector {
		libs = libs[:1]
	}
	var rows []row
	for _, counted := range []func(*testing.T, []Library) []row{freshnessRows, stampedeRows, scenarioRows} {
		rows = append(rows, counted(t, libs)...)
	}
	text := table(t, libs, rows)
	t.Log("\n" + text)
	if *tableFile != "" {
		if err := os.WriteFile(*tableFile, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

func freshnessRows(t *testing.T, libs []Library) []row {
	operations := amount(48_000, 1_000_000)
	r := row{question: fmt.Sprintf("stale reads, %d operations", operations)}
	for i, lib := range libs {
		f, err := probeFreshness(lib, operations)
		if err != nil {
			t.Fatal(lib.Name, err)
		}
		r.answers = append(r.answers, f.String())
		if i == 0 {
			report(t, "freshness", f.reads, "reads", f.stale+f.errors)
		}
	}
	return []row{r}
}

func stampedeRows(t *testing.T, libs []Library) (rows []row) {
	for _, p := range []struct{ callers, keys, rounds int }{
		{goroutines, 1000, amount(20, 500)},
		{1000, 1, amount(20, 1000)},
	} {
		r := row{question: fmt.Sprintf("extra loads, %d callers × %d keys × %d rounds, cold", p.callers, p.keys, p.rounds)}
		for i, lib := range libs {
			s, err := probeStampede(lib, p.callers, p.keys, p.rounds)
			if err != nil {
				t.Fatal(lib.Name, err)
			}
			r.answers = append(r.answers, s.String())
			if i == 0 {
				report(t, fmt.Sprintf("one load, %d callers", p.callers), s.keys, "keys", s.extra+s.errors)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func scenarioRows(t *testing.T, libs []Library) (rows []row) {
	for _, s := range scenarios {
		answers := make([]map[string]string, len(libs))
		for i, lib := range libs {
			var err error
			if answers[i], err = ask(s, lib); err != nil {
				t.Error(err)
			}
		}
		for _, q := range s.questions {
			r := row{question: q.name}
			for i := range libs {
				r.answers = append(r.answers, answers[i][q.name])
			}
			if r.answers[0] != q.want {
				t.Errorf("%s: %s answers %q, want %q", q.name, libs[0].Name, r.answers[0], q.want)
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// report logs what was asked of this library, in the form of the checkers of the root module.
func report(t *testing.T, checker string, checked int64, what string, violations int64) {
	t.Helper()
	t.Logf("evidence: probes, %s: %d %s, %d violations", checker, checked, what, violations)
	if violations > 0 {
		t.Fail()
	}
}

// table writes rows as Markdown.
func table(t *testing.T, libs []Library, rows []row) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| |")
	for _, lib := range libs {
		fmt.Fprintf(&b, " %s |", strings.TrimSpace(lib.Name+" "+version(t, lib.Module)))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(libs)) + "\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", r.question, strings.Join(r.answers, " | "))
	}
	fmt.Fprintf(&b, "\n%s, %s/%s, GOMAXPROCS %d, seed %d\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), *seed)
	return b.String()
}

// version returns the version of a module, and nothing of this tree's own. It asks the go command, as a test binary does not know what it was
// built with.
func version(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not .Replace}}{{.Version}}{{end}}", module).Output()
	if err != nil {
		t.Error("go list -m", module, err)
	}
	return strings.TrimSpace(string(out))
}
