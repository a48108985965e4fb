// Package leaks checks that nothing is left when everything has ended: no goroutine, no timer, no
// memory, and nothing in the registry of what is in progress. The workloads are those that could
// leave something: keys that are evicted, waiters that are cancelled, invalidations, loads that
// fail or time out, deletions and writes that fail, and the end of a cache.
//
// The registry is visible with the build tag evidence only; without it the tests check the rest:
//
//	go test -tags evidence ./internal/evidence/leaks
//
// TestSoak lets a mixed load run on several caches with everything in it, and checks the laws of
// conservation while it runs and when it has ended. SOAK in the environment says for how long, one
// second if it says nothing. EVIDENCE_SEED sets what its workers draw; the goroutines are not
// replayed.
//
//	SOAK=5m go test -run TestSoak -v -timeout 0 ./internal/evidence/leaks
//
// With the race detector there are fewer keys, because it is slow, and fewer goroutines, because it
// bounds their number. The bound on the memory that may be left is the same; with fewer keys it
// says less.
package leaks
