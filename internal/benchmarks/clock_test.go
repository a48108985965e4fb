package benchmarks

import (
	"testing"
	"time"
)

// BenchmarkNow measures what a hit would pay for the time if it asked the clock.
func BenchmarkNow(b *testing.B) {
	var now time.Time
	for b.Loop() {
		now = time.Now()
	}
	if now.IsZero() {
		b.Error("no time")
	}
}
