// Package explore runs small scenarios of concurrent calls under every schedule: every order in
// which their goroutines, those of the cache included, can pass the points of package hook.
//
// A scenario runs in a synctest bubble. Goroutines that come to a point are held there. When
// everything is blocked, which synctest.Wait tells, exactly one of those that are held is let go on,
// to its next point, until none is left. What could have been chosen otherwise is chosen otherwise
// in a later run: depth first, so that every choice is made in the end. With a bound on preemptions
// (choices that take the turn away from a goroutine that could go on) the number of schedules stays
// finite in practice; most faults need no more than two (Musuvathi and Qadeer, "Iterative Context
// Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007).
//
// It needs the build tag evidence, which gives the points something to do:
//
//	go test -tags evidence ./internal/evidence/explore
//
// A violation is printed with its schedule, one character for each choice, and with the command
// that runs that schedule again and prints it step by step:
//
//	go test -tags evidence ./internal/evidence/explore -run 'TestSchedules/NAME$' -v -args -schedule 0010200
package explore
