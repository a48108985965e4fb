package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkMiss measures a miss in a full cache: a look, an instant load, a write and an eviction. A key comes back only after 1<<20
// others. A library may work off its writes later, or drop them.
//
// The last two are no caches, but the larger parts of a miss of this library. Detached is what a load costs that a caller can leave and
// that ends at its timeout, whatever the load function does: a goroutine, a timer and a channel. Stored is a Set of a new key, also into
// a full cache, on the goroutine of the caller.
func BenchmarkMiss(b *testing.B) {
	const ring = 1 << 20
	misses := sync.OnceValue(func() []string { return makeKeys(string16, 0, ring) })
	bounded := slices.DeleteFunc(libraries.All[string](), func(l libraries.Library[string]) bool { return !l.Bounded })
	next := make(map[string]int) // Where in the ring a library goes on: not with keys that are stored.
	takeTurns(bounded, *turns, func(lib libraries.Library[string], s *subject[string]) {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("goroutines=%d/lib=%s", goroutines, lib.Name), func(b *testing.B) {
				keys := misses()
				if s.Cache == nil {
					*s = open(b, lib, few, neverStale, neverExpired)
					s.fill(b, makeKeys(string16, ring, few))
				}
				b.ReportAllocs()
				c, ctx, before := s.Cache, context.Background(), s.loads.Load()
				// The goroutines take turns in the ring. As its length is a multiple of their number, none meets the keys of another one.
				first := next[lib.Name]
				next[lib.Name] = (first + b.N) % ring
				share(b, goroutines, func(g, n int) {
					for i := range n {
						if _, err := c.Get(ctx, keys[(first+i*goroutines+g)&(ring-1)]); err != nil {
							b.Error(err)
						}
					}
				})
				if hits := int64(b.N) - (s.loads.Load() - before); hits > 0 {
					b.ReportMetric(float64(hits)/float64(b.N), "hit/op")
				}
			})
		}
	})
	parts(b, misses)
}

// parts measures the parts of a miss.
func parts(b *testing.B, misses func() []string) {
	all := libraries.All[string]()
	ours := all[slices.IndexFunc(all, func(l libraries.Library[string]) bool { return l.Name == "memoize" })]
	s, next := open(b, ours, few, neverStale, neverExpired), 0
	defer s.close()
	s.fill(b, makeKeys(string16, len(misses()), few))
	for range *turns {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("goroutines=%d/lib=detached", goroutines), func(b *testing.B) {
				b.ReportAllocs()
				share(b, goroutines, func(_, n int) {
					for range n {
						<-detached()
					}
				})
			})
			b.Run(fmt.Sprintf("goroutines=%d/lib=stored", goroutines), func(b *testing.B) {
				b.ReportAllocs()
				keys, first := misses(), next
				next = (first + b.N) % len(keys)
				share(b, goroutines, func(g, n int) {
					for i := range n {
						s.Set(keys[(first+i*goroutines+g)%len(keys)], 1)
					}
				})
			})
		}
	}
}

func detached() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		timer := time.AfterFunc(time.Minute, func() {})
		timer.Stop()
		close(done)
	}()
	return done
}
