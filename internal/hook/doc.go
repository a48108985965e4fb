// Package hook marks the points of the library at which goroutines can overtake each other. In a
// normal build a point is an empty function, which the compiler removes. With the build tag evidence
// it calls a function that a checker has set, and that holds the goroutine there until its turn has
// come: see internal/evidence/explore.
//
// A point stands before a critical section, or before something else that other goroutines can see,
// and never inside of one: whoever is held there holds no lock.
package hook
