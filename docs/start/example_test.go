// Package main is the first program of the README, run as a test.
package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// asking for Oslo
	// sunny <nil>
	// sunny <nil>
	// sunny <nil>
}
