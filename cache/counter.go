package cache

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// counter is a count that many goroutines add to at once, spread over several cache lines. A
// goroutine picks its line by the address of its stack: that costs less than to ask for its
// processor, and goroutines that run side by side have different stacks.
type counter struct {
	lines []counterLine // a power of two
}

type counterLine struct {
	n atomic.Uint64
	_ [64 - 8]byte
}

func newCounter() *counter {
	// With p processors, two goroutines have the same line by chance in one case out of about 8p.
	const spread = 8
	return &counter{lines: make([]counterLine, 1<<bits.Len(uint(spread*runtime.GOMAXPROCS(0)-1)))}
}

func (c *counter) inc() {
	var onStack byte
	hash := uint32(uintptr(unsafe.Pointer(&onStack))>>11) * 0x9e3779b1 // stacks have 2 kB at least
	c.lines[int(hash>>16)&(len(c.lines)-1)].n.Add(1)
}

func (c *counter) value() (sum uint64) {
	for i := range c.lines {
		sum += c.lines[i].n.Load()
	}
	return sum
}
