//go:build !race

package leaks_test

// Sizes of the workloads, and how much memory may be left.
const (
	manyKeys    = 100_000
	manyWaiters = 10_000
	manyFences  = 160_000
	heapLeft    = 5 << 20
)
