package flight

import (
	"maps"
	"slices"
	"testing"
)

// Against a map: whatever comes and goes, each key has the slot that it was given, and one that was
// removed leaves nothing behind.
func TestSlotsAreAMap(t *testing.T) {
	var s slots[int, string, string]
	want := map[int]*slot[int, string, string]{}
	random := uint32(1)
	for step := range 10_000 {
		random = random*1664525 + 1013904223
		key := int(random>>16) % 5
		switch found := s.find(key); {
		case found != want[key]:
			t.Fatalf("step %d: find(%d) = %p, want %p", step, key, found, want[key])
		case found == nil:
			added := s.add(key)
			if added.key != key || !added.isEmpty() || s.find(key) != added {
				t.Fatalf("step %d: add(%d) = %+v", step, key, added)
			}
			added.pendingBy = &Turn[int]{}
			want[key] = added
		default:
			delete(want, key)
			s.remove(found)
		}
		if s.len() != len(want) {
			t.Fatalf("step %d: %d slots, want %d", step, s.len(), len(want))
		}
		listed := map[int]*slot[int, string, string]{}
		for found := range s.all() {
			listed[found.key] = found
		}
		if !maps.Equal(listed, want) {
			t.Fatalf("step %d: lists %v, want %v", step, listed, want)
		}
	}
}

func TestSlotsAreRemovedWhileListed(t *testing.T) {
	var s slots[int, string, string]
	for key := range 4 {
		s.add(key)
	}
	var seen []int
	for found := range s.all() {
		seen = append(seen, found.key)
		s.remove(found)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []int{0, 1, 2, 3}) || s.len() != 0 {
		t.Errorf("seen: %v; %d are left", seen, s.len())
	}
}
