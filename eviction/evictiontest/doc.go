// Package evictiontest checks implementations of [eviction.Strategy]: [Run] is the suite that the strategies of this
// library pass, for the tests of those who write their own.
//
// The suite knows nothing of which key a strategy ought to name. It checks the books: how many keys are named and when, that
// each is known and named once, that a victim can be put back, that releases make room, and all of that from
// many goroutines at once. Run it with the race detector.
//
// A strategy that keeps no books, like that of [eviction.None], is no subject for it.
package evictiontest
