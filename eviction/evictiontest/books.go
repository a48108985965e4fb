package evictiontest

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// factory makes the strategies to be checked.
type factory func(capacity int) eviction.Strategy[int]

// errNotApplicable is reported by a rule about an ability that the strategy does not have.
var errNotApplicable = errors.New("the strategy does not have this ability")

// violation is what a rule panics with, so that rules read as plain scripts. No other panic is one: those are the
// strategy's own.
type violation struct{ error }

func failf(format string, args ...any) { panic(violation{fmt.Errorf(format, args...)}) }

// protect calls f and returns what it panics with as an error.
func protect(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case violation:
			err = p.error
		default:
			err = fmt.Errorf("the strategy panicked: %v\n%s", p, debug.Stack())
		}
	}()
	f()
	return nil
}

// books keeps a strategy and, beside it, the set of keys that it ought to know. It is for one goroutine.
type books struct {
	strategy eviction.Strategy[int]
	capacity int
	known    map[int]*storage.Mark
}

func open(new factory, capacity int) *books {
	b := &books{strategy: new(capacity), capacity: capacity, known: make(map[int]*storage.Mark)}
	b.compare("in a new strategy")
	return b
}

// fill opens books with the keys 0 to n-1.
func fill(new factory, capacity, n int) *books {
	b := open(new, capacity)
	b.writeRange(0, n)
	return b
}

func (b *books) write(key int) {
	mark := &storage.Mark{}
	b.strategy.MarkWritten(key, mark)
	b.known[key] = mark
	b.compare("after MarkWritten(%d)", key)
}

// writeRange writes the keys from first to last-1.
func (b *books) writeRange(first, last int) {
	for key := first; key < last; key++ {
		b.write(key)
	}
}

// read reads key as a cache does: with the mark of the entry, or with an unseen one where there is no entry.
func (b *books) read(key int) {
	mark := b.known[key]
	if mark == nil {
		mark = &storage.Mark{}
	}
	b.readWith(key, mark)
}

func (b *books) readWith(key int, mark *storage.Mark) {
	b.strategy.MarkRead(key, mark)
	b.compare("after MarkRead(%d)", key)
}

func (b *books) release(key int) {
	b.strategy.MarkReleased(key)
	delete(b.known, key)
	b.compare("after MarkReleased(%d)", key)
}

func (b *books) clear() {
	b.strategy.Clear()
	clear(b.known)
	b.compare("after Clear")
}

// next asks for a victim, checks that there is one exactly if there are too many keys and that it is a known one, and takes
// it off the set.
func (b *books) next() (key int, ok bool) {
	n := len(b.known)
	key, ok = b.strategy.NextToRelease()
	switch {
	case ok && n <= b.capacity:
		failf("NextToRelease named key %d, with %d keys in the books and capacity %d", key, n, b.capacity)
	case !ok && n > b.capacity:
		failf("NextToRelease named no key, with %d keys in the books and capacity %d", n, b.capacity)
	case ok && b.known[key] == nil:
		failf("NextToRelease named key %d, which is not in the books", key)
	}
	if ok {
		delete(b.known, key)
		b.compare("after NextToRelease named key %d", key)
	}
	return key, ok
}

// drain asks for victims until there is none, and returns them. It ends, because next does not allow more than
// there are keys.
func (b *books) drain() (victims []int) {
	for {
		key, ok := b.next()
		if !ok {
			return victims
		}
		victims = append(victims, key)
	}
}

// empty releases every key and checks that none is left behind in secret: that room for capacity keys is there, and
// no more. It uses keys from fresh on.
func (b *books) empty(fresh int) {
	for key := range b.known {
		b.release(key)
	}
	b.writeRange(fresh, fresh+b.capacity)
	b.drain()
	b.write(fresh + b.capacity)
	b.drain()
}

// compare checks the methods of which not every strategy has all.
func (b *books) compare(format string, args ...any) {
	if l, ok := b.strategy.(interface{ Len() int }); ok && l.Len() != len(b.known) {
		failf("Len() is %d %s, with %d keys in the books", l.Len(), fmt.Sprintf(format, args...), len(b.known))
	}
	if c, ok := b.strategy.(interface{ Capacity() int }); ok && c.Capacity() != b.capacity {
		failf("Capacity() is %d %s, want %d", c.Capacity(), fmt.Sprintf(format, args...), b.capacity)
	}
}
