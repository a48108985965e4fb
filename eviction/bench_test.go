package eviction_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

const benchCapacity = 1 << 12

// BenchmarkMarkRead reads keys that are all there: in one goroutine, in as many as there are processors, and with marks that have
// not been seen.
func BenchmarkMarkRead(b *testing.B) {
	draws := zipf(1<<16, benchCapacity, 0.9)
	for _, c := range constructors[int]() {
		s := c.new(benchCapacity)
		marks := make([]storage.Mark, benchCapacity)
		for key := range marks {
			s.MarkWritten(key, &marks[key])
		}
		b.Run(c.name+"/alone", func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				key := draws[i&(1<<16-1)]
				s.MarkRead(key, &marks[key])
				i++
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(1 << 16); pb.Next(); i++ {
					key := draws[i&(1<<16-1)]
					s.MarkRead(key, &marks[key])
				}
			})
		})
		b.Run(c.name+"/unseen", func(b *testing.B) {
			b.ReportAllocs()
			unseen := &storage.Mark{}
			i := 0
			for b.Loop() {
				s.MarkRead(draws[i&(1<<16-1)], unseen)
				i++
			}
		})
	}
}

// BenchmarkReplace writes a new key, has a victim named and reports its release, in a cache that is full; then it reads the new key
// a few times, so that not all victims are plain ones.
func BenchmarkReplace(b *testing.B) {
	for _, c := range constructors[int]() {
		b.Run(c.name, func(b *testing.B) {
			s := c.new(benchCapacity)
			marks := make([]storage.Mark, 2*benchCapacity)
			for key := range benchCapacity {
				s.MarkWritten(key, &marks[key])
			}
			b.ReportAllocs()
			key := benchCapacity
			for b.Loop() {
				// The marks go around: with twice the capacity of them, that of a key is seldom in use still.
				mark := &marks[key%len(marks)]
				s.MarkWritten(key, mark)
				victim, ok := s.NextToRelease()
				if !ok {
					b.Fatal("no victim")
				}
				s.MarkReleased(victim)
				for range key % 4 {
					s.MarkRead(key, mark)
				}
				key++
			}
		})
	}
}

// BenchmarkUpdate writes keys again that are there, as refreshes do.
func BenchmarkUpdate(b *testing.B) {
	for _, c := range constructors[int]() {
		b.Run(c.name, func(b *testing.B) {
			var s eviction.Strategy[int] = c.new(benchCapacity)
			marks := make([][2]storage.Mark, benchCapacity)
			for key := range marks {
				s.MarkWritten(key, &marks[key][0])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				key := i % benchCapacity
				s.MarkWritten(key, &marks[key][i/benchCapacity%2])
				i++
			}
		})
	}
}

// BenchmarkReplaceString is BenchmarkReplace without the reads, with keys that are strings, in a small cache and in one that does
// not fit into the caches of the processor.
func BenchmarkReplaceString(b *testing.B) {
	for _, capacity := range []int{benchCapacity, 1 << 18} {
		keys := stringKeys(4 * capacity)
		for _, c := range constructors[string]() {
			b.Run(fmt.Sprintf("%s/%d", c.name, capacity), func(b *testing.B) {
				s := c.new(capacity)
				marks := make([]storage.Mark, 2*capacity)
				i := 0
				write := func() {
					s.MarkWritten(keys[i%len(keys)], &marks[i%len(marks)])
					i++
				}
				for range 2 * capacity {
					write()
					s.NextToRelease()
				}
				b.ReportAllocs()
				for b.Loop() {
					write()
					s.NextToRelease() // a TinyLFU may have kept a key since the last time around
				}
			})
		}
	}
}

// BenchmarkBytes reports what the books of a million keys take, apart from the keys themselves: in a strategy that has just been
// filled, and after each key was replaced by another one.
func BenchmarkBytes(b *testing.B) {
	const capacity = 1_000_000
	keys := stringKeys(2 * capacity)
	for _, c := range constructors[string]() {
		b.Run(c.name, func(b *testing.B) {
			mark := &storage.Mark{} // one for all: nothing is read
			for b.Loop() {
				before := heap()
				s := c.new(capacity)
				for _, key := range keys[:capacity] {
					s.MarkWritten(key, mark)
				}
				filled := heap()
				for _, key := range keys[capacity:] {
					s.MarkWritten(key, mark)
					s.NextToRelease()
				}
				b.ReportMetric(float64(filled-before)/capacity, "filled-B/key")
				b.ReportMetric(float64(heap()-before)/capacity, "used-B/key")
				runtime.KeepAlive(s)
			}
		})
	}
	runtime.KeepAlive(keys)
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func stringKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%012d", i)
	}
	return keys
}
