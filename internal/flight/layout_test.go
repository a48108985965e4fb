package flight

import (
	"strconv"
	"testing"
	"unsafe"
)

// Hits look at floors, which hardly ever changes, while writes change shards and count what is running.
func TestLayout(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the layout is made for 64 bits")
	}
	var g Group[string, int, int]
	if size := unsafe.Sizeof(g.shards[0]); size%line != 0 {
		t.Errorf("a shard has %d bytes, want a multiple of %d", size, line)
	}
	if front := unsafe.Offsetof(g.shards[0].stamp); front > line {
		t.Errorf("what comes first in a shard has %d bytes, want no more than %d", front, line)
	}
	for what, offset := range map[string]uintptr{"shards": unsafe.Offsetof(g.shards), "running": unsafe.Offsetof(g.Lifecycle)} {
		if offset%line != 0 || offset == unsafe.Offsetof(g.floors) {
			t.Errorf("%s is at %d, want a multiple of %d that is not that of floors", what, offset, line)
		}
	}
}
