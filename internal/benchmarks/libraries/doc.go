// Package libraries makes the libraries that the benchmarks compare look alike. Each has a file of its own; a new one is one more file
// and one more line in [All].
package libraries
