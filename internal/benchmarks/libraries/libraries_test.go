package libraries_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/internal/benchmarks/libraries"
)

type structKey struct {
	Tenant uint32
	ID     uint64
}

func TestLibraries(t *testing.T) {
	t.Run("string", func(t *testing.T) { check(t, func(i int) string { return strconv.Itoa(i) }) })
	t.Run("uint64", func(t *testing.T) { check(t, func(i int) uint64 { return uint64(i) }) })
	t.Run("struct", func(t *testing.T) { check(t, func(i int) structKey { return structKey{1, uint64(i)} }) })
}

func check[K comparable](t *testing.T, key func(int) K) {
	for _, lib := range libraries.All[K]() {
		t.Run(lib.Name, func(t *testing.T) {
			// A bubble does not end well while a goroutine is left in it.
			synctest.Test(t, func(t *testing.T) { checkValues(t, lib, key) })
			checkBound(t, lib, key)
		})
	}
}

const capacity = 200

var errLoad = errors.New("the load fails")

// source is a backend that counts its loads.
type source[K comparable] struct {
	loads int
	err   error
}

func (s *source[K]) load(context.Context, K) (uint64, error) {
	s.loads++
	return 1, s.err
}

func open[K comparable](t *testing.T, lib libraries.Library[K], s *source[K]) libraries.Cache[K] {
	t.Helper()
	c, err := lib.Open(libraries.Options[K]{Capacity: capacity, Load: s.load, UpdateAfter: time.Hour, ExpireAfter: 3 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func settle[K comparable](c libraries.Cache[K]) {
	if w, ok := c.(libraries.Waiter); ok {
		w.Wait()
	}
}

func checkValues[K comparable](t *testing.T, lib libraries.Library[K], key func(int) K) {
	var s source[K]
	c := open(t, lib, &s)
	defer c.Close()
	get := func(k K, want uint64, loads int) {
		t.Helper()
		settle(c)
		if v, err := c.Get(t.Context(), k); v != want || err != nil {
			t.Errorf("Get returned %d, %v; want %d", v, err, want)
		}
		if s.loads != loads {
			t.Errorf("%d loads, want %d", s.loads, loads)
		}
	}
	get(key(1), 1, 1)
	get(key(1), 1, 1)
	c.Set(key(2), 2)
	get(key(2), 2, 1)
	c.Set(key(1), 3)
	get(key(1), 3, 1)
	s.err = errLoad
	if v, err := c.Get(t.Context(), key(3)); err == nil {
		t.Errorf("Get returned %d although the load fails", v)
	}
}

// checkBound inserts many keys and reads each of them once again. Only those that were stored at the end of the first pass can be
// hits in the second one, whatever goes in and out meanwhile.
func checkBound[K comparable](t *testing.T, lib libraries.Library[K], key func(int) K) {
	var s source[K]
	c := open(t, lib, &s)
	defer c.Close()
	const inserts = 10 * capacity
	keys := make([]K, inserts)
	for i := range keys {
		keys[i] = key(i)
		if _, err := c.Get(t.Context(), keys[i]); err != nil {
			t.Fatal(err)
		}
	}
	settle(c)
	before := s.loads
	slices.Reverse(keys)
	for _, k := range keys {
		if _, err := c.Get(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	hits := inserts - (s.loads - before)
	if lib.Bounded && (hits < 1 || hits > capacity) {
		t.Errorf("of %d keys %d are stored, want 1 to %d", inserts, hits, capacity)
	}
	if !lib.Bounded && hits != inserts {
		t.Errorf("of %d keys %d are stored, want all", inserts, hits)
	}
}

func TestAll(t *testing.T) {
	tests := []struct {
		keys  string
		names []string
	}{
		{"string", names(libraries.All[string]())},
		{"uint64", names(libraries.All[uint64]())},
		{"struct", names(libraries.All[structKey]())},
	}
	for _, tt := range tests {
		if tt.names[0] != "memoize" {
			t.Errorf("%s: the first is %s, not this library", tt.keys, tt.names[0])
		}
		sorted := slices.Sorted(slices.Values(tt.names))
		if len(slices.Compact(sorted)) < len(tt.names) {
			t.Errorf("%s: a name is there twice: %v", tt.keys, tt.names)
		}
		for name, want := range map[string]bool{
			"sturdyc":      tt.keys == "string",
			"singleflight": tt.keys == "string",
			"ristretto":    tt.keys != "struct",
			"theine":       true,
		} {
			if got := slices.Contains(tt.names, name); got != want {
				t.Errorf("%s: %s is there: %t, want %t", tt.keys, name, got, want)
			}
		}
	}
}

func names[K comparable](all []libraries.Library[K]) (names []string) {
	for _, lib := range all {
		names = append(names, lib.Name)
	}
	return names
}
