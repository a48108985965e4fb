package model_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/internal/evidence"
)

// sequences draws sequences. Its parts are many short lists of operations, because rapid makes lists
// of five on average and can take any of them away.
var sequences = rapid.Custom(func(t *rapid.T) sequence {
	s, keys := drawSequence(chooser(t))
	for range 8 {
		s.ops = append(s.ops, rapid.SliceOf(operations).Draw(t, "operations")...)
	}
	s.within(keys)
	return s
})

var operations = rapid.Custom(func(t *rapid.T) op { return drawOp(chooser(t)) })

func chooser(t *rapid.T) choose {
	return func(n int) int { return below[n].Draw(t, "") }
}

// below has the generators of the numbers below n.
var below = func() (g [257]*rapid.Generator[int]) {
	for n := 1; n < len(g); n++ {
		g[n] = rapid.IntRange(0, n-1)
	}
	return g
}()

func TestSequences(t *testing.T) {
	setChecks(t, evidence.Amount(500, 100_000))
	var played, steps, violations int64
	reached := map[string]int{}
	defer func() {
		evidence.Report(t, "model", played, fmt.Sprintf("sequences (%d operations)", steps), violations)
	}()
	rapid.Check(t, func(rt *rapid.T) {
		s := sequences.Draw(rt, "sequence")
		w, v := play(t, s, sound, "")
		if v != nil {
			violations = 1 // found again and again, while it is made shorter
			rt.Fatal(v)
		}
		if violations > 0 {
			return
		}
		played++
		steps += int64(len(s.ops))
		for what, n := range w.reached {
			reached[what] += n
		}
	})
	for _, what := range places {
		t.Logf("%6d times: %s", reached[what], what)
		if reached[what] == 0 && played >= 20_000 {
			t.Errorf("in %d sequences never reached: %s", played, what)
		}
	}
}

// places are what the sequences have to reach: where there is more to a promise than a hit and a
// miss.
var places = []string{
	"stale hit", "stale hit during a load", "join", "queue", "join a queued load", "backoff",
	"detached load", "result of a detached load", "timeout", "late result", "aborted load",
	"failed read", "corrupt bytes", "failed deletion", "refused entry", "failed Set", "eviction", "failed release",
	"replaced storage", "invalid options", "load reads its own key", "reentrant load",
	"panic in post-processing", "panic in the entry builder",
}

// Sequences that have found something.
func TestFoundSequences(t *testing.T) {
	const s = time.Second
	local := &storeSpec{kind: inLocal, clears: true, lists: true}
	tests := []struct {
		name string
		sequence
	}{
		{"a failed Set refuses what was loaded before the clock was set back", sequence{
			options: options{store: local, capacity: given(1), update: given(2 * s), stats: true},
			ops: []op{
				{kind: opGet}, {kind: opSetClock, d: -s}, {kind: opFail, call: onOffer, fails: failsWithError}, {kind: opSet},
				{kind: opPeek}, {kind: opGet},
			},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, v := play(t, test.sequence, sound, ""); v != nil {
				t.Errorf("%v\n%v", test.sequence, v)
			}
		})
	}
}

// setChecks sets how many sequences rapid.Check plays, unless the command line or the environment
// says so.
func setChecks(t *testing.T, n int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if _, ok := os.LookupEnv("RAPID_CHECKS"); ok || f.Value.String() != f.DefValue {
		return
	}
	before := f.Value.String()
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}
