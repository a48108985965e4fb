package eviction

import "github.com/memoize-go/memoize/storage"

// Strategy decides which entry goes when there are too many. It keeps the books on the keys that
// the storage holds, and never touches the storage itself.
//
// The cache calls it, from many goroutines at once; every method is safe for concurrent use.
// MarkRead is called on every hit (for strategies of this package, on those that it can make a
// difference to) and has to be cheap: no lock where an atomic word will do.
// MarkWritten and MarkReleased of one key are called in the order of the storage's writes.
//
// Keys and marks belong to the cache; a strategy may keep them until the key is released. The mark
// of a key may change with each MarkWritten. A mark that the strategy has not seen in MarkWritten
// (a storage that decodes bytes hands out a new one on every read, another strategy may have left
// its own word in it) means: look the key up.
//
// A panic counts as an error of the strategy and harms no call. An implementation must not call
// back into the cache. A strategy that has a method Capacity() int which returns less than 1 is
// refused by the cache.
type Strategy[K comparable] interface {
	// MarkRead says that the entry of key was handed out. Unknown keys are ignored.
	MarkRead(key K, mark *storage.Mark)

	// MarkWritten says that the storage now holds an entry of key, for the first time or in place
	// of another one.
	MarkWritten(key K, mark *storage.Mark)

	// MarkReleased says that the storage holds key no longer, whoever chose so. It follows every
	// removal exactly once, that of a victim included, and ignores unknown keys.
	MarkReleased(key K)

	// NextToRelease takes a victim out of the books and names it, while there are more keys than
	// allowed; ok is false otherwise. Two callers never get the same victim. If its release fails,
	// the cache puts it back with MarkWritten.
	NextToRelease() (key K, ok bool)

	// Clear empties the books: the storage was emptied. No MarkReleased follows.
	Clear()
}

// Resizer is an optional ability of a [Strategy]: to change its capacity at run time. Without it a
// cache refuses to be reconfigured with another capacity.
type Resizer interface {
	// Resize sets the number of keys allowed; the cache calls NextToRelease afterwards until it is
	// reached.
	Resize(capacity int)
}

// None returns the strategy that never names a victim and keeps no books, for a storage that bounds
// itself.
func None[K comparable]() Strategy[K] { return none[K]{} }

type none[K comparable] struct{}

func (none[K]) MarkRead(K, *storage.Mark)    {}
func (none[K]) MarkWritten(K, *storage.Mark) {}
func (none[K]) MarkReleased(K)               {}
func (none[K]) NextToRelease() (key K, ok bool) {
	return key, false
}
func (none[K]) Clear() {}
