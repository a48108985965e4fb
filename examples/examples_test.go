// Package examples_test runs every example as a user would, and compares what it prints with the file output.txt beside
// it.
package examples_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/memoize-go/memoize/cache" // so that go test does not reuse a result from before a change of the library
)

func TestExamplesPrintWhatTheyPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs programs, some of which take seconds")
	}
	sources, err := filepath.Glob("*/main.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	programs := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", programs+string(filepath.Separator), "./...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	// One after another: some measure time.
	for _, source := range sources {
		name := filepath.Dir(source)
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(name, "output.txt"))
			if err != nil {
				t.Fatal(err)
			}
			got := output(t, filepath.Join(programs, name))
			if err := compare(string(want), got); err != nil {
				t.Errorf("%v\n\nall of the output:\n%s", err, got)
			}
		})
	}
}

// output runs a program that has to end well and in time, without complaints.
func output(t *testing.T, program string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("error %v, standard error:\n%s", err, &stderr)
	}
	return stdout.String()
}

// compare returns the first difference between an output and what is wanted of it. Lines have to be equal, save where
// the wanted one has markers: {{int 15..19}} stands for a whole number within these bounds, {{re \d+ms}} for what
// matches the regular expression, which must not have groups that capture. In a line with markers any number of blanks
// is like any other, because columns shift.
func compare(want, got string) error {
	wanted, lines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(lines)) {
		switch {
		case i >= len(wanted):
			return fmt.Errorf("line %d: got %q, want the end", i+1, lines[i])
		case i >= len(lines):
			return fmt.Errorf("line %d: got the end, want %q", i+1, wanted[i])
		case !matches(wanted[i], lines[i]):
			return fmt.Errorf("line %d: got %q, want %q", i+1, lines[i], wanted[i])
		}
	}
	return nil
}

var (
	marker = regexp.MustCompile(`\{\{(?:int (\d+)\.\.(\d+)|re (.+?))\}\}`)
	blanks = regexp.MustCompile(` +`)
)

func matches(want, got string) bool {
	marks := marker.FindAllStringSubmatch(want, -1)
	if marks == nil {
		return want == got
	}
	pattern := "^"
	for i, text := range marker.Split(want, -1) {
		pattern += blanks.ReplaceAllString(regexp.QuoteMeta(text), " +")
		if i < len(marks) {
			expression := marks[i][3]
			if expression == "" {
				expression = `\d+`
			}
			pattern += "(" + expression + ")"
		}
	}
	found := regexp.MustCompile(pattern + "$").FindStringSubmatch(got)
	for i, mark := range marks {
		if found == nil || mark[3] == "" && !within(found[i+1], mark[1], mark[2]) {
			return false
		}
	}
	return true
}

func within(number, low, high string) bool {
	n, err := strconv.Atoi(number)
	lowest, lowErr := strconv.Atoi(low)
	highest, highErr := strconv.Atoi(high)
	return err == nil && lowErr == nil && highErr == nil && lowest <= n && n <= highest
}

func TestCompareFindsWrongOutput(t *testing.T) {
	const want = "calls (all):  {{int 15..19}}\nwithout markers\n{{int 1..1}} of {{re [\\d.]+(?:µs|ms)}}, {{int 0..0}}\n"
	tests := []struct {
		name, want, got string
		line            int // of the difference; 0: none
	}{
		{"as promised", want, "calls (all):  17\nwithout markers\n1 of 7.5µs, 0\n", 0},
		{"other blanks beside markers", want, "calls (all): 17\nwithout markers\n1   of 7.5µs, 0\n", 0},
		{"the lower bound", want, "calls (all):  15\nwithout markers\n1 of 1ms, 0\n", 0},
		{"the upper bound", want, "calls (all):  19\nwithout markers\n1 of 1ms, 0\n", 0},
		{"below the bounds", want, "calls (all):  14\nwithout markers\n1 of 1ms, 0\n", 1},
		{"above the bounds", want, "calls (all):  20\nwithout markers\n1 of 1ms, 0\n", 1},
		{"far above the bounds", want, "calls (all):  99999999999999999999\nwithout markers\n1 of 1ms, 0\n", 1},
		{"no number", want, "calls (all):  many\nwithout markers\n1 of 1ms, 0\n", 1},
		{"a negative number", want, "calls (all):  -17\nwithout markers\n1 of 1ms, 0\n", 1},
		{"another text beside a marker", want, "calls [all]:  17\nwithout markers\n1 of 1ms, 0\n", 1},
		{"more text after a marker", want, "calls (all):  17 or so\nwithout markers\n1 of 1ms, 0\n", 1},
		{"more text before a marker", want, "about calls (all):  17\nwithout markers\n1 of 1ms, 0\n", 1},
		{"no blanks", want, "calls(all):17\nwithout markers\n1 of 1ms, 0\n", 1},
		{"another line", want, "calls (all):  17\nwith markers\n1 of 1ms, 0\n", 2},
		{"other blanks without markers", want, "calls (all):  17\nwithout  markers\n1 of 1ms, 0\n", 2},
		{"no match of the expression", want, "calls (all):  17\nwithout markers\n1 of 1s, 0\n", 3},
		{"a number after an expression", want, "calls (all):  17\nwithout markers\n1 of 1ms, 1\n", 3},
		{"a line less", want, "calls (all):  17\nwithout markers\n", 3},
		{"a line more", want, "calls (all):  17\nwithout markers\n1 of 1ms, 0\nand more\n", 4},
		{"no newline at the end", want, "calls (all):  17\nwithout markers\n1 of 1ms, 0", 4},
		{"nothing", want, "", 1},
		{"something instead of nothing", "", "text", 1},
		{"a marker that is none", "{{int many}}", "7", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := compare(tt.want, tt.got)
			if tt.line == 0 && err != nil {
				t.Errorf("compare = %v, want nil", err)
			}
			if prefix := fmt.Sprintf("line %d: ", tt.line); tt.line > 0 && (err == nil || !strings.HasPrefix(err.Error(), prefix)) {
				t.Errorf("compare = %v, want an error that begins with %q", err, prefix)
			}
		})
	}
}
