// Package parallel checks the cache under real parallelism: goroutines that call it all at once, on
// the scheduler as it is, and laws that the history of what happened has to obey.
//
// A scenario says what there is: the storage, the eviction strategy, life spans, what fails and how
// often. It is played in rounds, each with a cache of its own, and a round in windows: the workers
// make their calls, all of them end, the cache comes to rest. Then the window is checked:
//
//   - fresh: no value is older than the floor that was in force when its call began
//   - forced: a Refresh returns a load that began after the call
//   - foreign: no error but those that were put in, and no value that nobody made
//   - overlap: loads of a key run at the same time only if a call has detached one of them
//   - count: the loads of a key are no more than the reasons for one
//   - order: the calls of a key can be put into an order that explains what each has returned
//   - rest: the statistics balance, events match them, storage and strategy hold the same keys
//
// The order is found by porcupine. Its model is not a register: see model. A history that it cannot
// decide in time counts as a violation.
//
// Each law is shown to fail, on a naive cache with a fault put in or on a history made by hand.
//
// The workers draw what they do from a seed, which a violation names with its scenario. With
// EVIDENCE_SEED=n in the environment they draw it from n again. The goroutines are not replayed: it
// may take several runs, with -count, to see the same violation again.
package parallel
