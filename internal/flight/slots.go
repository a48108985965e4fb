package flight

import "iter"

// slots holds what is in progress by key. Mostly that is one key or none, for which no map is
// needed.
type slots[K comparable, V, J any] struct {
	first *slot[K, V, J] // of a key if taken, otherwise empty, to be used again, or nil
	taken bool
	more  map[K]*slot[K, V, J]
	spare *slot[K, V, J] // an empty one to be used again, or nil
}

// find returns the slot of key, or nil.
func (s *slots[K, V, J]) find(key K) *slot[K, V, J] {
	switch {
	case s.taken && s.first.key == key:
		return s.first
	case len(s.more) == 0:
		return nil
	default:
		return s.more[key]
	}
}

// add returns a slot for a key that has none.
func (s *slots[K, V, J]) add(key K) *slot[K, V, J] {
	if !s.taken {
		s.taken = true
		if s.first == nil {
			s.first = &slot[K, V, J]{}
		}
		s.first.key = key
		return s.first
	}
	added := s.spare
	s.spare = nil
	if added == nil {
		added = &slot[K, V, J]{}
	}
	added.key = key
	if s.more == nil {
		s.more = make(map[K]*slot[K, V, J])
	}
	s.more[key] = added
	return added
}

// remove forgets a slot that has nothing in it.
func (s *slots[K, V, J]) remove(empty *slot[K, V, J]) {
	if empty == s.first {
		s.taken = false
	} else {
		delete(s.more, empty.key)
		s.spare = empty
	}
	*empty = slot[K, V, J]{}
}

func (s *slots[K, V, J]) len() int {
	n := len(s.more)
	if s.taken {
		n++
	}
	return n
}

// all iterates over the slots. The body may remove the one that it was given.
func (s *slots[K, V, J]) all() iter.Seq[*slot[K, V, J]] {
	return func(yield func(*slot[K, V, J]) bool) {
		if s.taken && !yield(s.first) {
			return
		}
		for _, sl := range s.more {
			if !yield(sl) {
				return
			}
		}
	}
}
