package eviction

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/storage"
)

// Whatever is called in whatever order, each node is in the queue that its flag tells, and the hand is on a node of main.
func TestTinyLFUKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacities := rapid.IntRange(0, 300)
		keys := rapid.IntRange(0, 500)
		s := NewTinyLFU[int](capacities.Draw(t, "capacity"))
		marks := make(map[int]*storage.Mark)
		write := func(key int) {
			marks[key] = &storage.Mark{}
			s.MarkWritten(key, marks[key])
		}
		drain := func() {
			for key, ok := s.NextToRelease(); ok; key, ok = s.NextToRelease() {
				delete(marks, key)
			}
		}
		read := func(key int) {
			if mark := marks[key]; mark != nil {
				s.MarkRead(key, mark)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				inYoung, inMain := walk(t, s, &s.young, 0), walk(t, s, &s.main, inMain)
				if len(inYoung)+len(inMain) != len(marks) || s.Len() != len(marks) {
					t.Fatalf("%d nodes in the window, %d in main, Len() = %d, want %d", len(inYoung), len(inMain), s.Len(), len(marks))
				}
				if s.hand != noNode && !inMain[s.hand] {
					t.Fatal("the hand is not on a node of main")
				}
			},
			"write many": func(t *rapid.T) {
				first := keys.Draw(t, "first")
				for key := range keys.Draw(t, "keys") {
					write((first + key) % 500)
					drain()
				}
			},
			"write too many": func(t *rapid.T) {
				for key := range keys.Draw(t, "keys") {
					write(key)
				}
			},
			"read many": func(t *rapid.T) {
				first := keys.Draw(t, "first")
				for key := range keys.Draw(t, "keys") {
					read((first + key) % 500)
				}
			},
			"write": func(t *rapid.T) { write(keys.Draw(t, "key")) },
			"drain": func(*rapid.T) { drain() },
			"release": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				delete(marks, key)
				s.MarkReleased(key)
			},
			"release the hand": func(t *rapid.T) {
				if s.hand != noNode {
					key := s.books.at(s.hand).key
					delete(marks, key)
					s.MarkReleased(key)
				}
			},
			"resize": func(t *rapid.T) { s.Resize(capacities.Draw(t, "capacity")) },
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "whether") == 0 {
					clear(marks)
					s.Clear()
				}
			},
		})
	})
}

// walk returns the nodes of a queue, whose flags must say that they are in it.
func walk(t *rapid.T, s *TinyLFU[int], q *queue, flag uint32) map[uint32]bool {
	ids := make(map[uint32]bool)
	for id := q.oldest; id != noNode; id = s.books.at(id).newer {
		if s.books.at(id).flags()&inMain != flag {
			t.Fatalf("key %d is in the wrong queue", s.books.at(id).key)
		}
		ids[id] = true
	}
	if len(ids) != q.len {
		t.Fatalf("%d nodes in a queue of %d", len(ids), q.len)
	}
	return ids
}
