// Package faults checks what becomes of a cache's promises when its storage is at fault. It has
// tests only.
//
// The table goes through every fault of storagetest.Faulty in every call of a cache: what the call
// returns and when, how many loads there are, what the next call gets once the storage is healed,
// what is counted, and that nothing is left behind. Its figures are derived from the promises in
// docs/design.md, not from what the code does. Where a promise says nothing because the storage
// says what is not so, the table says what follows from that.
//
// The long form is a random sequence of calls on a storage that fails in a fifth of its own, with
// the values held to evidence.Source. It runs in rounds, each with a seed of its own, which a
// violation names. To repeat one:
//
//	go test ./internal/evidence/faults -run Random -seed 17
//
// Both checkers are shown to find something: with every figure of the table changed in turn, and
// with caches and storages that are wrong on purpose.
package faults
