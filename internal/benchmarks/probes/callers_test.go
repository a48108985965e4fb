package probes

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// answer is what has become of a call.
type answer struct {
	value    Value
	err      error
	panicked bool
	exited   bool
}

// kind says in a word what has become of the call.
func (a answer) kind() string {
	switch {
	case a.panicked:
		return "panic"
	case a.exited:
		return "goroutine exits"
	case a.err != nil:
		return "error"
	case a.value.Load == 0:
		return "zero value, no error"
	default:
		return "value"
	}
}

// call calls f on a goroutine of its own. Like a server it survives a panic.
func call(f func() (Value, error)) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		a := answer{exited: true}
		defer func() {
			if a.exited && recover() != nil {
				a = answer{panicked: true}
			}
			done <- a
		}()
		v, err := f()
		a = answer{value: v, err: err}
	}()
	return done
}

func get(ctx context.Context, c Cache, key int) <-chan answer {
	return call(func() (Value, error) { return c.Get(ctx, key) })
}

// gets makes n calls at once.
func gets(n int, c Cache, key int) (calls []<-chan answer) {
	for range n {
		calls = append(calls, get(context.Background(), c, key))
	}
	return calls
}

// quiet reports whether all goroutines but this one are blocked. It is for processes that do nothing else.
func quiet(stacks []byte) bool {
	n := runtime.Stack(stacks, true)
	_, others, _ := bytes.Cut(stacks[:n], []byte("\n\n"))
	for stack := range bytes.SplitSeq(others, []byte("\n\n")) {
		head, _, _ := bytes.Cut(stack, []byte("\n"))
		for _, busy := range []string{"[running", "[runnable", "[preempted", "[copystack"} {
			if bytes.Contains(head, []byte(busy)) {
				return false
			}
		}
	}
	return true
}

// settle returns when all goroutines but this one have been blocked for some time: many looks in a row.
func settle() {
	const looks = 30
	stacks := make([]byte, 1<<20)
	for seen := 0; seen < looks; {
		runtime.Gosched()
		if quiet(stacks) {
			seen++
		} else {
			seen = 0
		}
	}
}

// patience is how long a process has to be quiet before a call counts as hanging, as there might be a timer that ends it.
const patience = time.Second

// wait returns the answer of a call, and false if it hangs.
func wait(done <-chan answer) (answer, bool) {
	deadline := time.Now().Add(patience)
	stacks := make([]byte, 1<<20)
	for {
		select {
		case a := <-done:
			return a, true
		default:
		}
		runtime.Gosched()
		if !quiet(stacks) {
			deadline = time.Now().Add(patience)
		} else if time.Now().After(deadline) {
			return answer{}, false
		}
	}
}

// settled returns the answer that a call has when nothing moves any more, and false if it has none.
func settled(done <-chan answer) (answer, bool) {
	settle()
	select {
	case a := <-done:
		return a, true
	default:
		return answer{}, false
	}
}

// tally waits for all calls and counts what has become of them, as in "1 panic, 9 hang".
func tally(calls []<-chan answer) string {
	counts := make(map[string]int)
	await := wait
	for _, done := range calls {
		if a, ok := await(done); ok {
			counts[a.kind()]++
		} else {
			counts["hang"]++
			await = settled // Patience was had.
		}
	}
	var parts []string
	for kind, n := range counts {
		parts = append(parts, fmt.Sprintf("%d × %s", n, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
