// Package eviction decides which entry of a cache goes when there are too many: the [Strategy] contract, the
// strategies [LeastRecentlyUpdated], [LeastRecentlyUsed], [SIEVE], [S3FIFO] and [TinyLFU], and [None] for a storage
// that bounds itself.
//
// Callers of a cache need this package only to choose a strategy; without a choice a cache uses LeastRecentlyUpdated
// with room for 4096 keys. Those who write a strategy implement [Strategy] and check it with the suite in
// [github.com/memoize-go/memoize/eviction/evictiontest].
//
// All strategies share one rule: they keep books on keys, and never touch what is stored. A key enters the books with
// MarkWritten and leaves them with MarkReleased or by being named as a victim, and comes back only with another
// MarkWritten. They start no goroutine.
//
// Which one to choose:
//
//   - LeastRecentlyUpdated does nothing at all on a read. It fits a cache whose entries are all about equally
//     wanted, or whose capacity is only a safety net.
//   - SIEVE, S3FIFO and TinyLFU keep what is read often, for one atomic load on most reads. They fit a capacity
//     that is much smaller than the number of keys. SIEVE does the least work. S3FIFO also remembers keys that it
//     let go, and keeps those that come back soon; it follows best when what is popular changes. TinyLFU estimates
//     how often all keys are used, and lets a new one in only for one that is used less. It is the one that also
//     helps when keys are asked for in turn, over and over, in a loop that is longer than the capacity: the others
//     never hit then.
//   - LeastRecentlyUsed is exact and well known, and takes a lock on every read.
//
// The books take memory for the most keys that were in them at once, until Clear: about 28 bytes per key and the key
// itself, without what it points to. S3FIFO takes up to 28 more for each key that it remembers, and TinyLFU 8 more for
// its estimates. LeastRecentlyUpdated and LeastRecentlyUsed take 3 kB with no keys at all, and 15 kB with a hundred. The
// books grow in small steps: no write ever waits for all keys to be copied. Beyond about 4 billion keys in one strategy,
// further ones are ignored, and are never named.
//
// The strategies of this package treat a capacity below 1 as room for nothing: every key is a victim. They do not
// panic; a cache refuses such a strategy by its Capacity method. They ignore a write of a key that does not equal
// itself (a floating-point NaN, or a struct or interface that holds one): no later call could ever find it again.
package eviction
