// Package model plays random sequences of calls on a cache and on a model of it, and compares the
// two after every step.
//
// The model is a plain sequential program that says what the promises of docs/design.md say, with
// their numbers: entries with their instants, one load and one queued load per key, the backoff, the
// order of eviction, what is refused after a failed deletion. It knows nothing of how the cache does
// it. Where the promises leave the cache a choice (which of two victims, at which of two nanoseconds
// an entry counts as created), the model says what may be chosen and takes over what was.
//
// A sequence is a configuration and some operations: every method of the cache, and what happens
// around it. The clock goes on, to the nanosecond before or after a boundary, or is set, also back.
// The source changes, fails, panics, exits, asks for its own key, is slow. Storage calls fail, panic
// and exit, bytes are flipped and cut, another process writes and deletes. Callers come with a ctx
// that has ended or leave while they wait. After every operation, when everything has settled, these
// are compared:
//
//   - answer: what every call has returned, value and class of error, and which are still waiting
//   - floor: no value is older than the last invalidation (see evidence.Source)
//   - loads: how many loads of each key there were, which run, and what ctx each was given
//   - entries: what the storage holds, with all instants; that is also the capacity
//   - peek: what Peek says of each key
//   - books: how many keys the eviction strategy holds, and in which order it lets them go
//   - stats: every figure of Stats, and their balance
//   - events: what the observer and the logger were told
//   - rest: at the end, that nothing is left running, and no timer
//
// Each of these is shown to fail, on a cache with a fault put in.
//
// A sequence is data, made before it is played: so rapid can shorten one that fails, and go test
// -fuzz can look for others (FuzzOperations; FuzzNew is for the figures of options). A failure prints
// the shortest sequence found, the step at which the two differ, and how to play it again:
//
//	go test ./internal/evidence/model -run TestSequences -rapid.failfile=...
//	go test ./internal/evidence/model -run TestSequences -rapid.seed=...
//
// One thing is drawn anew in every run, and so not replayed: which keys the cache keeps in one part
// of its registry. It makes a difference only after the clock was set back.
//
// With EVIDENCE=long there are more sequences; -rapid.checks=n sets their number. A panic on a
// goroutine of the cache ends the process; -rapid.log prints each sequence before it is played.
//
// Storage calls that are slow are not played here, nor calls that run at the same time: a sequence
// waits after every step until nothing moves any more. A load that is held is the exception.
package model
