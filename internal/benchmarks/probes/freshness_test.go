package probes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const goroutines = 8

// source is a backend of keys whose data has a version. Whoever changes the data takes a new version, invalidates, and raises the floor to that
// version when the invalidation has returned. Whoever reads takes the floor before: nothing below it may come back.
type source struct {
	keys  []sourceKey
	loads atomic.Int64
}

type sourceKey struct {
	version, floor atomic.Int64
	_              [48]byte // one cache line for each
}

func newSource(keys int) *source { return &source{keys: make([]sourceKey, keys)} }

// load reads the version, and then takes 10 to 100 µs in which others can run. How many depends on the load alone.
func (s *source) load(_ context.Context, key int) (Value, error) {
	v := Value{Key: key, Version: s.keys[key].version.Load(), Load: s.loads.Add(1)}
	takes := time.Duration(10+v.Load*37%91) * time.Microsecond
	for start := time.Now(); time.Since(start) < takes; {
		runtime.Gosched()
	}
	return v, nil
}

func (s *source) change(c Cache, key int) {
	version := s.keys[key].version.Add(1)
	c.Invalidate(key)
	floor := &s.keys[key].floor
	for {
		old := floor.Load()
		if old >= version || floor.CompareAndSwap(old, version) {
			return
		}
	}
}

// freshness is what a run of the freshness probe has counted.
type freshness struct{ reads, stale, errors int64 }

func (f freshness) String() string {
	text := fmt.Sprintf("%d of %d", f.stale, f.reads)
	if f.errors > 0 {
		text += fmt.Sprintf(", %d errors", f.errors)
	}
	return text
}

// probeFreshness makes operations on 8 keys from 8 goroutines. One in eight changes the data of a key and invalidates it, the others read. A read is
// stale if its value is older than an invalidation that had returned when the read began.
func probeFreshness(lib Library, operations int) (f freshness, err error) {
	const keys, changes = 8, 8
	s := newSource(keys)
	c, err := lib.Open(s.load)
	if err != nil {
		return f, err
	}
	defer c.Close()
	ctx := context.Background()
	counted := make([]freshness, goroutines)
	var wg sync.WaitGroup
	for id := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(*seed, uint64(id)))
			var mine freshness
			for range operations / goroutines {
				key := rng.IntN(keys)
				if rng.IntN(changes) == 0 {
					s.change(c, key)
					continue
				}
				floor := s.keys[key].floor.Load()
				v, err := c.Get(ctx, key)
				mine.reads++
				switch {
				case err != nil:
					mine.errors++
				case v.Key != key || v.Load == 0 || v.Version < floor:
					mine.stale++
				}
			}
			counted[id] = mine
		})
	}
	wg.Wait()
	for _, mine := range counted {
		f.reads += mine.reads
		f.stale += mine.stale
		f.errors += mine.errors
	}
	return f, nil
}
