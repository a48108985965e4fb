// Package evidence is what the checkers of the cache's promises share: a source whose values tell
// how old they are, and how a checker says what it has done. The checkers are the tests of the
// packages below, each of which looks for violations in its own way:
//
//   - explore: every schedule of small scenarios, goroutine by goroutine
//   - model: random sequences of calls, beside a sequential model
//   - parallel: real parallelism, with the histories checked afterwards
//   - faults: every fault of a storage in every call
//   - leaks: what is left when everything has ended
//   - mutants: the library with a fault put in, to see that the checkers find it
//
// docs/reliability.md tells what each has found.
package evidence
