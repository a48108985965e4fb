package evictiontest_test

import (
	"testing"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/eviction/evictiontest"
)

// In the test file of a package with a strategy, with its own constructor in place of eviction.NewSIEVE.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestStrategy
		evictiontest.Run(t, func(capacity int) eviction.Strategy[int] {
			return eviction.NewSIEVE[int](capacity)
		})
	}
}
