// Package workload makes the request traces that hit ratios are measured with, and tells the most hits that any cache can have with one.
// A trace is the number of the key of each request. The same [Size] always makes the same trace.
package workload
