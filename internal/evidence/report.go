package evidence

import (
	"os"
	"testing"
)

// Amount returns how much a checker does: short in a normal run of the tests, long if the
// environment variable EVIDENCE is "long", as "make prove" sets it.
func Amount(short, long int) int {
	if os.Getenv("EVIDENCE") == "long" {
		return long
	}
	return short
}

// Report logs what a checker has done, in the one line that "make prove" prints of it: how many of
// what it has checked, and how many violations it has found. Violations fail the test.
func Report(t testing.TB, checker string, checked int64, what string, violations int64) {
	t.Helper()
	t.Logf("evidence: %s: %d %s, %d violations", checker, checked, what, violations)
	if violations > 0 {
		t.Fail()
	}
}
