package eviction

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/internal/hash"
	"github.com/memoize-go/memoize/storage"
)

const (
	shardBits = 4
	shards    = 1 << shardBits

	// apart is how far apart things stand that different processors write: two cache lines, because some processors fetch
	// them in pairs.
	apart = 128

	// looks is how often NextToRelease looks for the oldest key of all before it takes that of any shard. Each time it does not
	// get it, another call has come first.
	looks = 100

	// noNumber is published by a shard without keys.
	noNumber = math.MaxUint64
)

// recency is what LeastRecentlyUpdated and LeastRecentlyUsed share: everything but what a read does. It keeps no marks, so it keeps no
// entries alive.
//
// The keys are spread over shards by the lowest bits of their hash. Whatever makes a key the newest gives
// it the next number, under the lock of its shard. So each queue is in the order of the numbers, and the oldest key of all has the
// least of the numbers that the shards publish. After calls that came one after another that is exact. Of calls that run at
// once, each shard takes those for its keys one by one, and a victim may be named as if some of them had come before or after.
//
// No call holds two locks, but for Clear, which takes all of them in order.
type recency[K comparable] struct {
	capacity atomic.Int64
	looks    int64 // as the constant, but for tests
	hash     hash.Hasher[K]
	_        [apart - 48]byte

	shards [shards]recencyShard[K]

	oldest [shards]atomic.Uint64 // the number of the oldest key of each shard, or noNumber; written under the lock of the shard
	_      [apart]byte

	last atomic.Uint64 // the number that was given last; it takes centuries to wrap around
	_    [apart - 8]byte

	// total is the number of keys. It changes under the lock of the shard whose keys change: after a key was added, before one
	// is taken out. So it is exact when nobody holds a lock, and never more than there are keys.
	//
	// A victim is counted off under the lock of its shard as well, and only from above the capacity. So of callers who all see
	// one key too many and lock different shards, one gets a victim, and the others find that total has come down. A release beside
	// them that counts its key off first leaves them none; one that comes later is itself what goes below the capacity. A
	// write beside them whose key is not counted yet is followed by a call of its own.
	total atomic.Int64
	_     [apart - 8]byte
}

// recencyShard holds some of the keys.
type recencyShard[K comparable] struct {
	mu    sync.Mutex
	order queue            // guarded by mu; holds all nodes, by their numbers; in the line of mu, because most calls write both
	books books[K, uint64] // guarded by mu; the mark of a node is its number
	_     [apart - 112]byte
}

// open makes a zero recency ready for use.
func (r *recency[K]) open(capacity int) {
	r.looks = looks
	r.hash = hash.New[K]()
	r.Resize(capacity)
	r.Clear()
}

// MarkWritten makes key the newest, whether it was known or not.
func (r *recency[K]) MarkWritten(key K, mark *storage.Mark) {
	r.MarkWrittenHashed(r.hash.Of(key), key, mark)
}

// MarkWrittenHashed is MarkWritten with the hash of key, which the cache has made for itself.
func (r *recency[K]) MarkWrittenHashed(hash uint64, key K, _ *storage.Mark) {
	if !findable(key) {
		return
	}
	i, hash := shardOf(hash)
	s := &r.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(hash, key); id != noNode {
		r.renewLocked(i, id)
		return
	}
	number := r.last.Add(1)
	id := s.books.add(hash, key)
	if id == noNode {
		return
	}
	s.books.at(id).mark = number
	s.books.push(&s.order, id)
	if s.order.oldest == id {
		r.publishLocked(i)
	}
	r.total.Add(1)
}

// markUsed makes key the newest if it is known.
func (r *recency[K]) markUsed(key K) {
	i, hash := shardOf(r.hash.Of(key))
	s := &r.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(hash, key); id != noNode {
		r.renewLocked(i, id)
	}
}

// MarkReleased takes key out of the books.
func (r *recency[K]) MarkReleased(key K) {
	i, hash := shardOf(r.hash.Of(key))
	s := &r.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if id := s.books.find(hash, key); id != noNode {
		r.total.Add(-1)
		r.dropLocked(i, id)
	}
}

// NextToRelease names the oldest key while there are more keys than the capacity.
//
// Between the look at the published numbers and the lock, others may name that key, release it or make it the newest. Then
// it looks again. It does not do so for ever: in the end it goes from shard to shard, and takes the first key that it finds.
// If it finds none, those that were there before have all been named or released, and those that came since are left to the
// calls that follow their writes.
func (r *recency[K]) NextToRelease() (key K, ok bool) {
	var i int
	for range r.looks {
		if r.total.Load() <= r.room() {
			return key, false
		}
		var number uint64
		i, number = r.oldestShard()
		if key, ok = r.nameFrom(i, number); ok {
			return key, true
		}
	}
	for j := range shards {
		if key, ok = r.nameFrom((i+j)%shards, noNumber); ok {
			return key, true
		}
	}
	return key, false
}

// Clear empties the books.
func (r *recency[K]) Clear() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	r.total.Store(0)
	for i := range r.shards {
		s := &r.shards[i]
		s.books = books[K, uint64]{}
		s.order = queue{}
		r.publishLocked(i)
	}
}

// Len returns the number of keys in the books.
func (r *recency[K]) Len() int { return int(r.total.Load()) }

// Capacity returns the number of keys allowed, as it was given.
func (r *recency[K]) Capacity() int { return int(r.capacity.Load()) }

// Resize sets the number of keys allowed. Keys beyond it are left for NextToRelease; below 1 these are all.
func (r *recency[K]) Resize(capacity int) { r.capacity.Store(int64(capacity)) }

// room returns the number of keys that may stay.
func (r *recency[K]) room() int64 { return max(r.capacity.Load(), 0) }

// shardOf returns the shard of the keys with that hash, and the rest of the hash, for its books. Keys of one shard of the cache's own
// registry have one here as well, so that a lock of that one spares most of the waiting for a lock of this one.
func shardOf(hash uint64) (shard int, rest uint64) { return int(hash % shards), hash >> shardBits }

// oldestShard returns the shard that publishes the least number, and that number.
func (r *recency[K]) oldestShard() (i int, number uint64) {
	number = noNumber
	for j := range r.oldest {
		if n := r.oldest[j].Load(); n < number {
			i, number = j, n
		}
	}
	return i, number
}

// nameFrom takes the oldest key of a shard out of the books and names it, if its number is not above limit and there are more keys
// than the capacity in all shards.
func (r *recency[K]) nameFrom(i int, limit uint64) (key K, ok bool) {
	s := &r.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.order.oldest
	if id == noNode || s.books.at(id).mark > limit || !r.countVictim() {
		return key, false
	}
	key = s.books.at(id).key
	r.dropLocked(i, id)
	return key, true
}

// countVictim takes one key off total if that is above the capacity, and reports whether it was. It tries again only when
// another call has changed total.
func (r *recency[K]) countVictim() bool {
	for {
		total := r.total.Load()
		if total <= r.room() {
			return false
		}
		if r.total.CompareAndSwap(total, total-1) {
			return true
		}
	}
}

// renewLocked makes a node the newest of all.
func (r *recency[K]) renewLocked(i int, id uint32) {
	s := &r.shards[i]
	wasOldest := s.order.oldest == id
	s.books.at(id).mark = r.last.Add(1)
	s.books.renew(&s.order, id)
	if wasOldest {
		r.publishLocked(i)
	}
}

// dropLocked takes a node out of the books. It has been counted off before.
func (r *recency[K]) dropLocked(i int, id uint32) {
	s := &r.shards[i]
	wasOldest := s.order.oldest == id
	s.books.drop(&s.order, id)
	if wasOldest {
		r.publishLocked(i)
	}
}

// publishLocked publishes the number of the oldest node of a shard. It is called when that may be another one.
func (r *recency[K]) publishLocked(i int) {
	s := &r.shards[i]
	number := uint64(noNumber)
	if id := s.order.oldest; id != noNode {
		number = s.books.at(id).mark
	}
	r.oldest[i].Store(number)
}
