// Package benchmarks measures the cache from outside, beside what it is compared with. It is a module of its own, so that nothing it
// compares with is required by those who use the library.
package benchmarks
