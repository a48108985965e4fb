package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

// BenchmarkHit measures a fresh hit, for all libraries and for the bare maps they could stand on. Every cache has room for twice its
// entries, so that none evicts, not even one that is divided into parts that do not fill evenly.
func BenchmarkHit(b *testing.B) {
	// With many entries it takes long to fill them.
	most := []string{"memoize", "memoize-sieve", "memoize-s3fifo", "memoize-tinylfu", "memoize-stats", "otter", "otter-coarse", "theine", "ristretto", "xsync.Map"}
	hits(b, "string16", string16, libraries.All[string](), named[string](most...))
	hits(b, "uint64", number, libraries.All[uint64](), named[uint64](most...))
	some := []string{"memoize", "otter", "otter-coarse", "xsync.Map"}
	hits(b, "string64", string64, libraries.All[string](), named[string](some...))
	hits(b, "struct", structured, libraries.All[structKey](), named[structKey](some...))
}

func hits[K comparable](b *testing.B, name string, key func(uint64) K, withFew, withMany []libraries.Library[K]) {
	for _, size := range []struct {
		entries   int
		libraries []libraries.Library[K]
	}{{few, withFew}, {many, withMany}} {
		w, name := newWorking(key, size.entries), fmt.Sprintf("keys=%s/entries=%d", name, size.entries)
		if size.entries == few {
			w.measure(b, size.libraries, *turns, nil, name)
			continue
		}
		// So many entries of all libraries at once would be a burden to the garbage collector, and take long to fill.
		libs := slices.Clone(size.libraries)
		for range min(2, *turns) {
			w.measure(b, libs, 1, nil, name)
			slices.Reverse(libs)
		}
	}
}

// working is a set of keys and a trace of them. It is made when the first benchmark that is not filtered out needs it.
type working[K comparable] func() (keys, trace []K)

func newWorking[K comparable](key func(uint64) K, entries int) working[K] {
	return sync.OnceValues(func() ([]K, []K) {
		keys := makeKeys(key, 0, entries)
		return keys, makeTrace(keys)
	})
}

// measure runs every library so many times with a growing number of goroutines on one cache. Operations for which writes says so are a Set, all
// others a Get that is a hit.
func (w working[K]) measure(b *testing.B, libs []libraries.Library[K], turns int, writes func(i int) bool, name string) {
	takeTurns(libs, turns, func(lib libraries.Library[K], s *subject[K]) {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("%s/goroutines=%d/lib=%s", name, goroutines, lib.Name), func(b *testing.B) {
				keys, trace := w()
				if s.Cache == nil {
					*s = open(b, lib, 2*len(keys), neverStale, neverExpired)
					s.fill(b, keys)
				}
				b.ReportAllocs()
				c, ctx := s.Cache, context.Background()
				op := func(i int) {
					if _, err := c.Get(ctx, trace[i&(len(trace)-1)]); err != nil {
						b.Error(err)
					}
				}
				if get := op; writes != nil {
					op = func(i int) {
						if writes(i) {
							c.Set(trace[i&(len(trace)-1)], 1)
						} else {
							get(i)
						}
					}
				}
				for i := range min(b.N, warmUp) {
					op(i)
				}
				before := s.loads.Load()
				run(b, goroutines, op)
				reportMisses(b, lib, s.loads.Load()-before)
			})
		}
	})
}
