// Package clock is the time of a cache: a [clockwork.Clock] for stamps and timers, and for the hit
// path a reading that is cheaper than a look at the clock and still never changes the answer.
package clock
