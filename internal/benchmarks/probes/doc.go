// Package probes asks this library and others of its kind the same questions, from outside: does a reader get what was invalidated
// before, is a key loaded once, what becomes of the callers and of the key when the load function panics, exits its goroutine or
// is cancelled. The answers make a table:
//
//	EVIDENCE=long go test -count=1 -run '^TestProbes$' -v ./probes -args -table out.md
//
// Without EVIDENCE=long it is the short form. The file is written in the folder of the package unless its path is absolute.
//
// Every library has one file with its adapter, which does what its documentation recommends for reading through the cache with
// protection against stampedes. Only the answers of this library are held to something: the test fails if one is not as promised. Those
// of the others are recorded, and may change with their next version. Where a library does not have the ability in question, the
// answer is "n/a".
//
// What can kill the process or hang runs in a process of its own. "At once" and "hangs" do not depend on a clock there: the
// process looks at its goroutines, and waits until all of them are blocked.
//
// With the race detector only this library is asked, as a race in another one would fail the test.
//
// The random choices follow from a seed, which "-seed 7" after -args changes. The schedule of the goroutines is not in it, so that
// the counts of stale reads and extra loads vary from run to run.
package probes
