package probes

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// fault is what is wrong with a cache, to show that the probes see it.
type fault string

const (
	forgetful   fault = "forgetful"   // loads for every caller and keeps nothing
	deaf        fault = "deaf"        // does not invalidate
	stuck       fault = "stuck"       // keeps its lock when a load does not return
	reckless    fault = "reckless"    // loads on another goroutine, which nobody guards
	thoughtless fault = "thoughtless" // takes a load that did not return for one that did
)

// broken are caches with a fault each.
var broken = []Library{openBroken(forgetful), openBroken(deaf), openBroken(stuck), openBroken(reckless), openBroken(thoughtless)}

func openBroken(f fault) Library {
	open := func(refreshing bool) func(Load) (Cache, error) {
		return func(load Load) (Cache, error) {
			return &brokenCache{fault: f, refreshing: refreshing, load: load, entries: make(map[int]Value)}, nil
		}
	}
	return Library{Name: string(f), Open: open(false), OpenRefreshing: open(true)}
}

// brokenCache has one lock for everything, which it holds while it loads.
type brokenCache struct {
	fault
	refreshing bool
	load       Load

	mu      sync.Mutex
	entries map[int]Value
}

func (c *brokenCache) Get(ctx context.Context, key int) (v Value, err error) {
	if c.fault == forgetful {
		return c.load(ctx, key)
	}
	c.mu.Lock()
	if c.fault != stuck {
		defer c.mu.Unlock()
	}
	v, ok := c.entries[key]
	switch {
	case !ok:
		v, err = c.loadAndStore(ctx, key)
	case c.refreshing:
		go func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			_, _ = c.loadAndStore(ctx, key)
		}()
	}
	if c.fault == stuck {
		c.mu.Unlock()
	}
	return v, err
}

func (c *brokenCache) loadAndStore(ctx context.Context, key int) (v Value, err error) {
	if c.fault == thoughtless {
		defer func() {
			_ = recover()
			c.entries[key] = v
		}()
	}
	if c.fault == reckless {
		done := make(chan struct{})
		go func() {
			v, err = c.load(ctx, key)
			close(done)
		}()
		<-done
	} else {
		v, err = c.load(ctx, key)
	}
	if err == nil {
		c.entries[key] = v
	}
	return v, err
}

func (c *brokenCache) Invalidate(key int) {
	if c.fault == deaf {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}

func (c *brokenCache) Close() {}

func TestProbesSeeFaults(t *testing.T) {
	if f, err := probeFreshness(openBroken(deaf), 4000); err != nil || f.stale == 0 {
		t.Errorf("a cache that does not invalidate: %v stale reads, %v", f, err)
	}
	if s, err := probeStampede(openBroken(forgetful), 8, 10, 1); err != nil || s.extra != 70 {
		t.Errorf("a cache that keeps nothing: %v extra loads, %v; want 70", s, err)
	}
	tests := []struct {
		fault    fault
		scenario string
		want     map[string]string
	}{
		{deaf, "invalidation", map[string]string{qLater: "old", qKept: "old"}},
		{forgetful, "panic", map[string]string{qPanicCallers: "10 × panic (10 loads)", qPanicKey: usable}},
		{forgetful, "exit", map[string]string{qExitCallers: "10 × goroutine exits (10 loads)", qExitKey: usable}},
		{stuck, "panic", map[string]string{qPanicCallers: "1 × panic, 9 × hang", qPanicKey: "dead: callers hang"}},
		{thoughtless, "panic", map[string]string{qPanicCallers: "10 × zero value, no error", qPanicKey: "holds a value that no load returned"}},
		{reckless, "panic", map[string]string{qPanicCallers: "process dies", qPanicKey: "process dies"}},
		{reckless, "refresh-panic", map[string]string{qRefreshPanic: "process dies"}},
		{thoughtless, "refresh-exit", map[string]string{qRefreshExit: "then zero value, no error"}},
		{forgetful, "refresh-panic", nil},
		{stuck, "waiter-leaves", map[string]string{qWaiterLeaves: "waits for the load"}},
		{stuck, "first-leaves", map[string]string{qFirstLeaves: atOnce, qOthersGet: "9 × value (2 loads)"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault)+" "+tt.scenario, func(t *testing.T) {
			answers, err := ask(scenarioNamed(t, tt.scenario), openBroken(tt.fault))
			if tt.want == nil {
				if err == nil || !strings.Contains(err.Error(), "hit") {
					t.Errorf("got %v, %v; want an error that tells of the hit", answers, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for question, want := range tt.want {
				if answers[question] != want {
					t.Errorf("%s: %q, want %q", question, answers[question], want)
				}
			}
		})
	}
}

func scenarioNamed(t *testing.T, name string) scenario {
	t.Helper()
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	t.Fatalf("there is no scenario %q", name)
	return scenario{}
}
