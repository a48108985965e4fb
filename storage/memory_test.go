package storage_test

import (
	"context"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

func TestMemoryConforms(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Storage[string, string] {
		return storage.NewMemory[string, string]()
	})
}

func TestMemoryConformsForOtherTypes(t *testing.T) {
	type point struct{ X, Y float64 }
	type profile struct {
		Name string
		Tags []string
	}
	storagetest.RunFor(t,
		func(*testing.T) storage.Storage[point, *profile] { return storage.NewMemory[point, *profile]() },
		func(i int) point {
			corners := []point{{0, 0}, {-1, 0}, {math.Inf(1), 0}, {0, math.MaxFloat64}}
			if i < len(corners) {
				return corners[i]
			}
			return point{float64(i), 0.5}
		},
		func(i int) *profile { return &profile{Name: strconv.Itoa(i), Tags: make([]string, i%3)} })
}

func TestMemoryHoldsTheEntryOfferedLast(t *testing.T) {
	memory := storage.NewMemory[string, int]()
	newer := storage.NewEntry(1, epoch.Add(time.Hour), time.Time{}, time.Time{})
	older := storage.NewEntry(2, epoch, time.Time{}, time.Time{})
	offer(t, memory, "k", newer)
	offer(t, memory, "k", older)

	if got := memory.Lookup("k"); got != older {
		t.Errorf("Lookup = %v, want the very entry that was offered last", got)
	}
}

func TestMemoryLenAndAll(t *testing.T) {
	memory := storage.NewMemory[int, int]()
	if got := memory.Len(); got != 0 {
		t.Errorf("Len of a new memory = %d, want 0", got)
	}

	want := map[int]*storage.Entry[int]{}
	for i := range 1000 {
		want[i] = storage.NewEntry(-i, epoch, time.Time{}, time.Time{})
		offer(t, memory, i, want[i])
	}
	offer(t, memory, 0, want[0])
	for i := 0; i < 1000; i += 2 {
		if err := memory.Release(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		delete(want, i)
	}
	if got := memory.Len(); got != len(want) {
		t.Errorf("Len = %d, want %d", got, len(want))
	}
	got := map[int]*storage.Entry[int]{}
	for key, entry := range memory.All() {
		if _, twice := got[key]; twice {
			t.Errorf("All names %d twice", key)
		}
		got[key] = entry
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("All differs (-want +got):\n%s", diff)
	}

	if err := memory.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := memory.Len(); got != 0 {
		t.Errorf("Len after Clear = %d, want 0", got)
	}
	for key := range memory.All() {
		t.Errorf("All after Clear names %d", key)
	}
}

// The map below a Memory ignores its own Clear while it grows, and it grows on behalf of any key.
func TestMemoryClearBesideGrowth(t *testing.T) {
	memory := storage.NewMemory[int, int]()
	entry := storage.NewEntry(0, epoch, time.Time{}, time.Time{})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = memory.Offer(context.Background(), i, entry)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()

	for round := range 20000 {
		offer(t, memory, 0, entry)
		if err := memory.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		if memory.Lookup(0) != nil {
			t.Fatalf("round %d: an entry whose Offer had returned before Clear was called has survived it", round)
		}
	}
}

func TestMemoryReadsDoNotAllocate(t *testing.T) {
	memory := storage.NewMemory[string, int]()
	now := time.Now()
	offer(t, memory, "k", storage.NewEntry(1, now, now.Add(time.Minute), now.Add(time.Hour)))

	allocs := testing.AllocsPerRun(100, func() {
		entry := memory.Lookup("k")
		if entry.Stale(now) || entry.Expired(now) || entry.Mark().Load() != 0 {
			t.Error("a new entry is stale, expired or marked")
		}
	})
	if allocs != 0 {
		t.Errorf("a read allocates %v times, want 0", allocs)
	}
}

func offer[K comparable, V any](t *testing.T, s storage.Storage[K, V], key K, entry *storage.Entry[V]) {
	t.Helper()
	if err := s.Offer(t.Context(), key, entry); err != nil {
		t.Fatalf("Offer(%v): %v", key, err)
	}
}

func TestExampleStorageConforms(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Storage[string, string] { return NewNewest[string, string]() })
}
