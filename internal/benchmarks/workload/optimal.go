package workload

import (
	"container/heap"
	"slices"
)

// Optimal returns how many requests of the trace are hits in a cache that knows what will be asked for and keeps at most capacity keys: no
// cache of that capacity has more. It is MIN of Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
// Journal 5(2), 1966: of the keys in the cache and the one just asked for, it drops the one whose next use is farthest. The one just asked
// for can be dropped because caches with an admission policy do so too. It takes O(n log n) time.
func Optimal(trace []uint32, capacity int) (hits int) {
	if len(trace) == 0 {
		return 0
	}
	never := len(trace)
	keys := int(slices.Max(trace)) + 1
	next := make([]int, len(trace)) // the place of the next request for the same key
	last := slices.Repeat([]int{never}, keys)
	for i, key := range slices.Backward(trace) {
		next[i], last[key] = last[key], i
	}

	// A kept key is known by the place of its next use. Places that have passed are left in the heap: they are less than those to come, of
	// which there is one whenever the farthest is asked for.
	var uses farthest
	kept := make([]bool, keys)
	size := 0
	for i, key := range trace {
		if kept[key] {
			hits++
			size--
			kept[key] = false
		}
		if next[i] == never {
			continue
		}
		heap.Push(&uses, next[i])
		kept[key] = true
		if size++; size > capacity {
			kept[trace[heap.Pop(&uses).(int)]] = false
			size--
		}
	}
	return hits
}

// farthest is a heap of places in a trace with the last one on top.
type farthest []int

func (f farthest) Len() int           { return len(f) }
func (f farthest) Less(i, j int) bool { return f[i] > f[j] }
func (f farthest) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *farthest) Push(x any)        { *f = append(*f, x.(int)) }
func (f *farthest) Pop() any {
	n := len(*f) - 1
	x := (*f)[n]
	*f = (*f)[:n]
	return x
}
