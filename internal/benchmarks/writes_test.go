package benchmarks

import (
	"fmt"
	"testing"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkWrites measures hits with a share of writes among them, of keys that are stored already. Which operation is a write depends
// on its number alone.
func BenchmarkWrites(b *testing.B) {
	w := newWorking(string16, few)
	for _, percent := range []int{1, 10, 25} {
		var sets [100]bool
		for i := 0; i < len(sets); i += len(sets) / percent {
			sets[i] = true
		}
		w.measure(b, libraries.All[string](), *turns, func(i int) bool { return sets[i%len(sets)] }, fmt.Sprintf("percent=%d", percent))
	}
}
