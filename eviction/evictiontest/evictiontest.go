package evictiontest

import (
	"errors"
	"testing"

	"github.com/memoize-go/memoize/eviction"
)

// Run checks every rule of [eviction.Strategy] in a subtest of its own. New must return a new strategy that allows
// capacity keys, at least 1, and shares nothing with those returned before.
//
// The rules of Len() int, Capacity() int and [eviction.Resizer] are checked where the strategy has these methods; without Resizer
// its subtest is skipped. A strategy that never returns ends with the time limit of the test.
func Run(t *testing.T, new func(capacity int) eviction.Strategy[int]) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			switch err := r.test(new); {
			case errors.Is(err, errNotApplicable):
				t.Skip(err)
			case err != nil:
				t.Errorf("the rule is: %s\nbut %v", r.text, err)
			}
		})
	}
}
