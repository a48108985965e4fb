package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// limit is how long a checker may take; one that takes longer has noticed.
const limit = 2 * time.Minute

// checker is a test binary that is run on each mutant.
type checker struct {
	name string
	pkg  string
	args []string
}

var checkers = []checker{
	{explore, "internal/evidence/explore", []string{"-test.run=TestSchedules"}},
	{model, "internal/evidence/model", []string{"-rapid.nofailfile", "-rapid.shrinktime=1s"}},
	{parallel, "internal/evidence/parallel", nil},
	{faults, "internal/evidence/faults", nil},
	{leaks, "internal/evidence/leaks", nil},
	{codecs, "serde", nil},
}

func main() {
	which := flag.String("run", "", "run only the mutants whose name matches this regular expression")
	names := flag.String("checkers", "", "run only these checkers, separated by commas")
	flag.Parse()
	if *names != "" {
		checkers = slices.DeleteFunc(checkers, func(c checker) bool {
			return !slices.Contains(strings.Split(*names, ","), c.name)
		})
	}
	if err := run(*which); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(which string) error {
	pattern, err := regexp.Compile(which)
	if err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Printf("%-44s", "")
	for _, c := range checkers {
		fmt.Printf(" %-8s", c.name)
	}
	fmt.Println()
	switch failed, err := row(dir, root, mutant{name: "none"}); {
	case err != nil:
		return err
	case len(failed) > 0:
		return fmt.Errorf("the library as it is does not pass: %v", failed)
	}
	ran, survivors := 0, 0
	for _, m := range mutants {
		if !pattern.MatchString(m.name) {
			continue
		}
		missed, err := row(dir, root, m)
		if err != nil {
			return err
		}
		ran++
		if len(missed) > 0 {
			survivors++
		}
	}
	fmt.Printf("%d mutants, %d not found by all that have to find them\n", ran, survivors)
	if survivors > 0 {
		return errors.New("checkers have missed what they are for")
	}
	return nil
}

// findRoot returns the folder of the module.
func findRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
}

// row runs all checkers on a mutant and prints what they have noticed. It returns those that have
// missed it though they have to find it, or, if nothing is mutated, those that find something.
func row(dir, root string, m mutant) (missed []string, err error) {
	bin := filepath.Join(dir, "bin")
	if err := os.RemoveAll(bin); err != nil {
		return nil, err
	}
	if err := build(dir, bin, root, m); err != nil {
		return nil, fmt.Errorf("mutant %q: %w", m.name, err)
	}
	results := checkAll(bin, root)
	fmt.Printf("%-44s", m.name)
	for i, c := range checkers {
		if results[i].err != nil {
			return nil, results[i].err
		}
		found, wanted := results[i].found, slices.Contains(m.finds, c.name)
		cell := "-"
		switch {
		case found:
			cell = "found"
		case wanted:
			cell = "MISSED"
		}
		if wanted != found && (wanted || m.file == "") {
			missed = append(missed, c.name)
		}
		fmt.Printf(" %-8s", cell)
	}
	fmt.Println()
	return missed, nil
}

// build compiles the tests of all checkers with the mutant's text in place of the library's.
func build(dir, bin, root string, m mutant) error {
	args := []string{"test", "-c", "-tags", "evidence", "-o", bin + "/"}
	if m.file != "" {
		overlay, err := m.overlay(dir, root)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	for _, c := range checkers {
		args = append(args, "./"+c.pkg)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// overlay writes the mutant's text and the file that tells the compiler of it.
func (m *mutant) overlay(dir, root string) (path string, err error) {
	original := filepath.Join(root, m.file)
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	if text, err = m.apply(text); err != nil {
		return "", err
	}
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, text, 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, data, 0o600)
}

// apply puts the fault into the text of its file.
func (m *mutant) apply(text []byte) ([]byte, error) {
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s: the text to be replaced stands there %d times", m.file, n)
	}
	return bytes.Replace(text, []byte(m.old), []byte(m.new), 1), nil
}

// result is what a checker has come to.
type result struct {
	found bool
	err   error // it could not be run
}

// checkAll runs all checkers, as many at once as there are processors.
func checkAll(bin, root string) []result {
	results := make([]result, len(checkers))
	busy := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, c := range checkers {
		wg.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			results[i].found, results[i].err = check(filepath.Join(bin, filepath.Base(c.pkg)+".test"), filepath.Join(root, c.pkg), c.args)
		})
	}
	wg.Wait()
	return results
}

// check runs the tests of a checker and reports whether they have noticed something.
func check(binary, dir string, args []string) (found bool, err error) {
	args = append([]string{"-test.timeout=" + limit.String(), "-test.failfast"}, args...)
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	err = cmd.Run()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) {
		return err != nil, nil
	}
	return false, err
}
