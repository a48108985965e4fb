package eviction_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/storage"
)

// model is a strategy in its plainest form: without locks, marks and links.
type model interface {
	read(key int)
	write(key int)
	release(key int) (known bool)
	next() (key int, ok bool)
	clear()
	resize(capacity int)
	len() int
}

// againstModel makes the same calls to a strategy and to its model and compares their victims.
func againstModel(t *testing.T, new func(capacity int) (strategy[int], model)) {
	rapid.Check(t, func(t *rapid.T) {
		capacities := rapid.IntRange(1, 25)
		keys := rapid.IntRange(0, 40)
		s, m := new(capacities.Draw(t, "capacity"))
		marks := make(map[int]*storage.Mark)
		write := func(key int, mark *storage.Mark) {
			marks[key] = mark
			s.MarkWritten(key, mark)
			m.write(key)
		}
		next := func(t *rapid.T) (ok bool) {
			got, gotOK := s.NextToRelease()
			want, wantOK := m.next()
			if got != want || gotOK != wantOK {
				t.Fatalf("NextToRelease() = %d, %t, want %d, %t", got, gotOK, want, wantOK)
			}
			return gotOK
		}
		read := func(t *rapid.T) {
			key := keys.Draw(t, "key")
			if mark := marks[key]; mark != nil {
				s.MarkRead(key, mark)
				m.read(key)
			}
		}
		readUnseen := func(t *rapid.T) {
			key := keys.Draw(t, "key")
			mark := &storage.Mark{}
			mark.Store(rapid.Uint32Range(0, 3).Draw(t, "word"))
			s.MarkRead(key, mark)
			m.read(key)
		}
		set := func(t *rapid.T) {
			write(keys.Draw(t, "key"), &storage.Mark{})
			for next(t) {
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":            func(t *rapid.T) { compareLen(t, s, m) },
			"read":        read,
			"read again":  read,
			"read unseen": readUnseen,
			"set":         set,
			"set more":    set,
			"write":       func(t *rapid.T) { write(keys.Draw(t, "key"), &storage.Mark{}) },
			"write the same mark": func(t *rapid.T) {
				if key := keys.Draw(t, "key"); marks[key] != nil {
					write(key, marks[key])
				}
			},
			"next": func(t *rapid.T) { next(t) },
			"release": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				delete(marks, key)
				s.MarkReleased(key)
				m.release(key)
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "whether") == 0 {
					clear(marks)
					s.Clear()
					m.clear()
				}
			},
			"resize": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "whether") == 0 {
					capacity := capacities.Draw(t, "capacity")
					s.Resize(capacity)
					m.resize(capacity)
				}
			},
		})
	})
}

func compareLen(t *rapid.T, s strategy[int], m model) {
	if got, want := s.Len(), m.len(); got != want {
		t.Fatalf("Len() = %d, want %d", got, want)
	}
}
