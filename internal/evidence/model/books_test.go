package model_test

import "slices"

// books is the order in which the keys are to go: groups of them, the first to go first. Which of a
// group goes first is not known.
type books [][]int

// written puts a key at the end, or if nothing is known about the order of the strategy, anywhere.
func (b *books) written(key int, ordered bool) {
	b.released(key)
	if ordered || len(*b) == 0 {
		*b = append(*b, []int{key})
		return
	}
	(*b)[0] = append((*b)[0], key)
}

// released takes a key out.
func (b *books) released(key int) {
	for i, group := range *b {
		if at := slices.Index(group, key); at >= 0 {
			(*b)[i] = slices.Delete(group, at, at+1)
		}
	}
	*b = slices.DeleteFunc(*b, func(group []int) bool { return len(group) == 0 })
}

// told is what the books are when the storage has listed these keys, in this order if it has one.
func told(keys []int, ordered bool) (b books) {
	if len(keys) > 0 && !ordered {
		return books{slices.Clone(keys)}
	}
	for _, key := range keys {
		b.written(key, true)
	}
	return b
}

func (b books) len() (n int) {
	for _, group := range b {
		n += len(group)
	}
	return n
}
