package eviction_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

func TestLeastRecentlyUpdated(t *testing.T) {
	c := cache(eviction.NewLeastRecentlyUpdated[string](3))
	c.write("a", "b", "c")
	c.read("a", "a", "a")
	c.MarkRead("a", &storage.Mark{})
	if diff := cmp.Diff([]string{"a"}, c.write("d")); diff != "" {
		t.Errorf("reads ought not to count (-want +got):\n%s", diff)
	}
	c.write("b")
	if diff := cmp.Diff([]string{"c", "d"}, c.write("e", "f")); diff != "" {
		t.Errorf("b was written again (-want +got):\n%s", diff)
	}
}

func TestLeastRecentlyUsed(t *testing.T) {
	c := cache(eviction.NewLeastRecentlyUsed[string](3))
	c.write("a", "b", "c")
	c.read("a")
	if diff := cmp.Diff([]string{"b"}, c.write("d")); diff != "" {
		t.Errorf("a was read (-want +got):\n%s", diff)
	}
	c.MarkRead("c", &storage.Mark{})
	if diff := cmp.Diff([]string{"a"}, c.write("e")); diff != "" {
		t.Errorf("c was read with an unseen mark (-want +got):\n%s", diff)
	}
	c.write("d")
	if diff := cmp.Diff([]string{"c", "e"}, c.write("f", "g")); diff != "" {
		t.Errorf("d was written again (-want +got):\n%s", diff)
	}
}

// recencyModel is a slice of keys, the oldest first.
type recencyModel struct {
	capacity    int
	readsCount  bool
	oldestFirst []int
}

func (m *recencyModel) release(key int) (known bool) {
	i := slices.Index(m.oldestFirst, key)
	if i < 0 {
		return false
	}
	m.oldestFirst = slices.Delete(m.oldestFirst, i, i+1)
	return true
}

func (m *recencyModel) write(key int) {
	m.release(key)
	m.oldestFirst = append(m.oldestFirst, key)
}

func (m *recencyModel) read(key int) {
	if m.readsCount && m.release(key) {
		m.write(key)
	}
}

func (m *recencyModel) next() (key int, ok bool) {
	if len(m.oldestFirst) <= m.capacity {
		return 0, false
	}
	key, m.oldestFirst = m.oldestFirst[0], m.oldestFirst[1:]
	return key, true
}

func (m *recencyModel) clear()              { m.oldestFirst = nil }
func (m *recencyModel) resize(capacity int) { m.capacity = capacity }
func (m *recencyModel) len() int            { return len(m.oldestFirst) }

func TestRecencyAgainstModel(t *testing.T) {
	t.Run("LeastRecentlyUpdated", func(t *testing.T) {
		againstModel(t, func(capacity int) (strategy[int], model) {
			return eviction.NewLeastRecentlyUpdated[int](capacity), &recencyModel{capacity: capacity}
		})
	})
	t.Run("LeastRecentlyUsed", func(t *testing.T) {
		againstModel(t, func(capacity int) (strategy[int], model) {
			return eviction.NewLeastRecentlyUsed[int](capacity), &recencyModel{capacity: capacity, readsCount: true}
		})
	})
}
