// Mutants builds the library with one fault put in, for each of a list of faults, runs the checkers
// of internal/evidence on each, and prints which of them have noticed. It is how the checkers are
// checked: every fault has to be found by those that are there for it.
//
//	go run ./internal/evidence/mutants            # all of them
//	go run ./internal/evidence/mutants -run timer -checkers explore,model # some
//
// A fault is a piece of source text and what is put in its place. The files of the library stay as
// they are: the compiler is given another text for them, with the flag -overlay.
package main
