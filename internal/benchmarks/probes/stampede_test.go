package probes

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// stampede is what a run of the stampede probe has counted.
type stampede struct{ keys, extra, errors int64 }

func (s stampede) String() string {
	text := fmt.Sprintf("%d over %d", s.extra, s.keys)
	if s.errors > 0 {
		text += fmt.Sprintf(", %d errors", s.errors)
	}
	return text
}

// probeStampede opens a new cache in every round and reads all keys from all callers at once, every caller in the same order. Nothing is invalidated,
// evicted or expires, so that one load is due for each key; extra counts those beyond.
func probeStampede(lib Library, callers, keys, rounds int) (counted stampede, err error) {
	for range rounds {
		if err := stampedeRound(lib, callers, keys, &counted); err != nil {
			return counted, err
		}
	}
	return counted, nil
}

func stampedeRound(lib Library, callers, keys int, counted *stampede) error {
	var loads, errors atomic.Int64
	c, err := lib.Open(func(_ context.Context, key int) (Value, error) {
		v := Value{Key: key, Load: loads.Add(1)}
		runtime.Gosched() // so that others come in between, even on one processor
		return v, nil
	})
	if err != nil {
		return err
	}
	defer c.Close()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			<-start
			for key := range keys {
				if v, err := c.Get(context.Background(), key); err != nil || v.Key != key {
					errors.Add(1)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	counted.keys += int64(keys)
	counted.extra += loads.Load() - int64(keys)
	counted.errors += errors.Load()
	return nil
}
