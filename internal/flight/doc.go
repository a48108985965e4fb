// Package flight is the registry of what a cache has in progress, key by key: lookups in the
// storage, loads, and the order of writes.
//
// It is a state machine: it reads no clock and starts no goroutine. Whoever drives it does that, and owns
// the goroutine of each flight. No method blocks on anything but its own short critical section but
// those that wait for others to end: Await, Idle, and what runs a function of the caller's while
// nothing is written, Exclusively and Deletion.Run. They hold no lock meanwhile. The words are those of the documentation: a flight is
// registered while new callers join it, detached afterwards; a detached flight answers its own
// callers, stores nothing and leaves its successor alone.
//
// A flight holds the [Context] of its load, which is also what storage calls are given: by it the
// registry knows the loads that a caller is part of.
//
// Two critical sections carry the guarantees. Looking a key up and registering a flight for it is
// one. Claiming a result is the other: it ends the registration, takes the flight's place in the
// order of the key's writes, and makes its value the pending one, which answers until it has been
// written. So there is no instant at which neither the flight nor its entry can be found.
package flight
