//go:build race

package leaks_test

// Sizes of the workloads, and how much memory may be left, with the race detector: it is slow, kills
// a program with more than 8128 goroutines, and keeps memory of its own.
const (
	manyKeys    = 5_000
	manyWaiters = 2_000
	manyFences  = 10_000 // too few to be folded
	heapLeft    = 5 << 20
)
