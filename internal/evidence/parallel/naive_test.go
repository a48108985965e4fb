package parallel_test

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
)

// fault is what is wrong with a naive cache.
type fault string

const (
	none          fault = ""
	keepsLoads    fault = "an invalidation does not detach the running load"
	setKeepsLoads fault = "a Set does not detach the running load"
	storesLate    fault = "a detached load stores its value all the same"
	racyMiss      fault = "the miss and the registration of the load are not one step"
	forcedJoins   fault = "a Refresh joins the running load"
	forgets       fault = "nothing is stored"
	othersValue   fault = "the value of another key"
	otherError    fault = "an error that nobody has put in"
	detachesHit   fault = "a hit now and then forgets the running load"
	returnsEarly  fault = "an invalidation returns before it has taken effect"
)

// naive is a cache on a map, with a fault put in. Without one it obeys the laws, apart from those
// that only the cache under test can be held to.
type naive struct {
	round *round
	fault fault

	mu      sync.Mutex
	entries map[int]evidence.Value
	flights map[int]*naiveFlight
	hits    int
	running sync.WaitGroup
}

type naiveFlight struct {
	done  chan struct{}
	value evidence.Value
	err   error
}

func openNaive(f fault) func(*round) (subject, error) {
	return func(r *round) (subject, error) {
		return &naive{round: r, fault: f, entries: map[int]evidence.Value{}, flights: map[int]*naiveFlight{}}, nil
	}
}

func (n *naive) Get(ctx context.Context, key int) (evidence.Value, error) {
	n.mu.Lock()
	if v, ok := n.entries[key]; ok {
		defer n.mu.Unlock()
		n.hits++
		switch {
		case n.hits%50 != 0:
		case n.fault == othersValue:
			v.Key++
		case n.fault == otherError:
			return v, errors.New("no luck")
		case n.fault == detachesHit:
			delete(n.flights, key)
			delete(n.entries, key)
		}
		return v, nil
	}
	f := n.flights[key]
	if n.fault == racyMiss {
		n.mu.Unlock()
		runtime.Gosched()
		n.mu.Lock()
	}
	if f == nil {
		f = n.startLocked(key)
	}
	n.mu.Unlock()
	return f.wait(ctx)
}

func (n *naive) Peek(_ context.Context, key int) (evidence.Value, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	v, ok := n.entries[key]
	return v, ok
}

func (n *naive) Refresh(ctx context.Context, key int) (evidence.Value, error) {
	for {
		n.mu.Lock()
		f := n.flights[key]
		if f == nil {
			f = n.startLocked(key)
			n.mu.Unlock()
			return f.wait(ctx)
		}
		n.mu.Unlock()
		v, err := f.wait(ctx)
		if n.fault == forcedJoins {
			return v, err
		}
		if ctx.Err() != nil {
			return evidence.Value{}, ctx.Err()
		}
	}
}

func (f *naiveFlight) wait(ctx context.Context) (evidence.Value, error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return evidence.Value{}, ctx.Err()
	}
}

func (n *naive) startLocked(key int) *naiveFlight {
	f := &naiveFlight{done: make(chan struct{})}
	n.flights[key] = f
	n.running.Go(func() {
		v, err := n.round.source.Load(context.Background(), key)
		if err != nil {
			n.round.perKey[key].failures.Add(1)
			err = &cache.LoadError{Key: key, Err: err}
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		f.value, f.err = v, err
		registered := n.flights[key] == f
		if registered {
			delete(n.flights, key)
		}
		if err == nil && n.fault != forgets && (registered || n.fault == storesLate) {
			n.entries[key] = v
		}
		close(f.done)
	})
	return f
}

func (n *naive) Set(_ context.Context, key int, v evidence.Value) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fault != setKeepsLoads {
		delete(n.flights, key)
	}
	if n.fault != forgets {
		n.entries[key] = v
	}
	return nil
}

func (n *naive) Invalidate(_ context.Context, key int) error {
	drop := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.fault != keepsLoads {
			delete(n.flights, key)
		}
		delete(n.entries, key)
	}
	if n.fault == returnsEarly {
		n.running.Go(drop)
	} else {
		drop()
	}
	return nil
}

func (n *naive) InvalidateAll(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fault != keepsLoads {
		clear(n.flights)
	}
	clear(n.entries)
	return nil
}

func (n *naive) Wait(context.Context) error {
	n.running.Wait()
	return nil
}

func (n *naive) Close(context.Context) error { return nil }
