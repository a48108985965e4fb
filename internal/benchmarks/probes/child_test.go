package probes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// obey runs one scenario of one library in this process and prints its answers, one a line.
func obey(order string) error {
	name, library, _ := strings.Cut(order, " ")
	s := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	all := append(Libraries(), broken...)
	l := slices.IndexFunc(all, func(l Library) bool { return l.Name == library })
	if s < 0 || l < 0 {
		return fmt.Errorf("no such probe: %q", order)
	}
	return scenarios[s].run(all[l], func(question, answer string) { fmt.Printf("%s\t%s\n", question, answer) })
}

// childLimit is how long a process may take before it is ended.
const childLimit = 2 * time.Minute

// ask runs a scenario in a process of its own and returns its answers. If the process dies, that is the answer to what was
// still open.
func ask(s scenario, lib Library) (map[string]string, error) {
	answers := make(map[string]string)
	if s.applies != nil && !s.applies(lib) {
		for _, q := range s.questions {
			answers[q.name] = "n/a"
		}
		return answers, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childProbe+"="+s.name+" "+lib.Name,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // The race detector sleeps for a second at the end of a process.
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	for line := range strings.Lines(string(out)) {
		if q, a, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			answers[q] = a
		}
	}
	switch {
	case err == nil:
		return answers, nil
	case ctx.Err() != nil:
		return answers, fmt.Errorf("%s of %s has not ended after %v", s.name, lib.Name, childLimit)
	case !died(stderr.Bytes()):
		return answers, errors.Join(fmt.Errorf("%s of %s: %s", s.name, lib.Name, stderr.Bytes()), err)
	}
	for _, q := range s.questions {
		if answers[q.name] == "" {
			answers[q.name] = "process dies"
		}
	}
	return answers, nil
}

// died reports whether a process has written that it dies of a panic or a fault that the runtime found.
func died(stderr []byte) bool {
	return bytes.HasPrefix(stderr, []byte("panic: ")) || bytes.Contains(stderr, []byte("\npanic: ")) ||
		bytes.HasPrefix(stderr, []byte("fatal error: ")) || bytes.Contains(stderr, []byte("\nfatal error: "))
}
