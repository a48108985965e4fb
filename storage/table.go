package storage

import (
	"iter"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/memoize-go/memoize/internal/hash"
)

const (
	stripes = 32 // a power of two
	slots   = 6  // a bucket is one cache line

	fill = 4.5 // nodes in a bucket, on average, with which a table is full

	// The nodes of a table with no more buckets than that move at once, in a fraction of a millisecond. Those of a
	// larger one do with the writes that follow; until they have, reads look at two places.
	atOnce = 1024
)

// table is a hash table from keys to nodes. Reads take no lock and write nothing. Writes take turns
// by stripe; only a key that is there is written without a lock, while no nodes move here. An entry
// lies beside its key, so that a hit looks at two places of its own in memory: the bucket and the
// node.
//
// A table does not grow: another one of twice its size takes its place, and the nodes move there a
// bucket at a time, if they are many with the writes that follow. So no write takes time in proportion to the number
// of entries, but for one that makes the new buckets, when it holds no lock any more. Nothing makes
// it smaller.
type table[K comparable, V any] struct {
	buckets []bucket[K, V] // a power of two, not less than stripes
	hash    hash.Hasher[K]
	prev    atomic.Pointer[table[K, V]] // what this one takes the place of, until all nodes have moved
	stripes *[stripes]stripe            // shared with prev
	limit   int64                       // of the nodes of a stripe: with more the table may be full

	moving  atomic.Int32    // stripes that have nodes in prev
	moved   [stripes]uint32 // of the buckets in prev; guarded by the stripes
	crowded atomic.Bool     // a stripe is beyond its limit
	growing atomic.Bool     // somebody makes the one that takes this one's place
}

// stripe is the lock of the buckets whose number it divides.
type stripe struct {
	mu    sync.Mutex
	nodes atomic.Int64 // written under mu
	_     [64 - 16]byte
}

// bucket holds nodes in no order. It is written under the stripe's lock, except that a node may take the place of one with the
// same key at any time. A slot that holds a node has its tag. So what is written to the slot is all that a reader or such a
// writer goes by.
type bucket[K comparable, V any] struct {
	tags  atomic.Uint64 // a byte for each slot: 0 if it is free, else some bits of the hash
	slots [slots]atomic.Pointer[node[K, V]]
	more  atomic.Pointer[bucket[K, V]] // an overflow bucket
}

// node is an entry beside its key.
type node[K comparable, V any] struct {
	key   K
	entry Entry[V]
}

// stored returns the entry that was stored: the node's own, or the one in whose place it stands.
func (n *node[K, V]) stored() *Entry[V] {
	if o := n.entry.span.from; o != nil && o.stead != nil {
		return o.stead.(*Entry[V])
	}
	return &n.entry
}

func newTable[K comparable, V any](buckets int, st *[stripes]stripe, hash hash.Hasher[K]) *table[K, V] {
	mean := fill * float64(buckets/stripes)
	return &table[K, V]{
		buckets: make([]bucket[K, V], buckets),
		hash:    hash,
		stripes: st,
		limit:   int64(mean + 3*math.Sqrt(mean)), // by chance, some of the stripes hold as many more than others
	}
}

// The lowest bits of a hash pick the bucket, the highest are the tag.
func (t *table[K, V]) bucket(hash uint64) *bucket[K, V] {
	return &t.buckets[hash&uint64(len(t.buckets)-1)]
}

func tagOf(hash uint64) uint64 { return hash>>57 | 1<<7 }

const everyByte = 0x0101010101010101

// matches returns a word in which the high bit of each byte is set where tags has tag. A byte above
// a match may be set wrongly.
func matches(tags, tag uint64) uint64 {
	x := tags ^ tag*everyByte
	return (x - everyByte) &^ x & (everyByte << 7)
}

// find returns the node of key in the bucket or those behind it, and where it is.
func (b *bucket[K, V]) find(hash uint64, key K) (*node[K, V], *bucket[K, V], int) {
	for ; b != nil; b = b.more.Load() {
		for m := matches(b.tags.Load(), tagOf(hash)); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros64(m) / 8
			if n := b.slots[slot].Load(); n != nil && n.key == key {
				return n, b, slot
			}
		}
	}
	return nil, nil, 0
}

// add puts a node into a free slot of the bucket or of those behind it, and returns that slot.
func (b *bucket[K, V]) add(hash uint64, n *node[K, V]) *atomic.Pointer[node[K, V]] {
	for {
		tags := b.tags.Load()
		for slot := range slots {
			if tags>>(8*slot)&0xff == 0 {
				b.tags.Store(tags | tagOf(hash)<<(8*slot)) // before there is a node
				b.slots[slot].Store(n)
				return &b.slots[slot]
			}
		}
		if b.more.Load() == nil {
			b.more.Store(&bucket[K, V]{})
		}
		b = b.more.Load()
	}
}

// unlink takes an overflow bucket out of those behind b, if it has become empty. A reader who is in
// it goes on from there.
func (b *bucket[K, V]) unlink(empty *bucket[K, V]) {
	if b == empty || empty.tags.Load() != 0 {
		return
	}
	for ; b.more.Load() != empty; b = b.more.Load() {
	}
	b.more.Store(empty.more.Load())
}

// free takes out whatever node is in a slot, and then its tag.
func (b *bucket[K, V]) free(slot int) {
	b.slots[slot].Store(nil)
	b.tags.Store(b.tags.Load() &^ (0xff << (8 * slot)))
}

// lock locks the stripe of a hash and returns the table whose bucket has all nodes of that hash.
func (m *Memory[K, V]) lock(hash uint64) (t *table[K, V], st *stripe) {
	for {
		t := m.table.Load()
		st := &t.stripes[hash%stripes]
		st.mu.Lock()
		now := m.table.Load()
		if now.stripes == t.stripes {
			if prev := now.prev.Load(); prev != nil {
				now.settleLocked(prev, hash)
			}
			return now, st
		}
		st.mu.Unlock() // the table has been dropped meanwhile
	}
}

// store puts a node in place of the one with its key, if there is one, and reports whether the key
// is new. The caller calls Grow when it holds up nobody any more.
//
// A key that does not equal itself, as a NaN does not, has another hash every time. Nobody could
// find it, and it would not move with its stripe: it is not stored.
func (m *Memory[K, V]) store(n *node[K, V], hash uint64) (added bool) {
	if key := n.key; key != n.key {
		return false
	}
	if m.table.Load().replace(n, hash) {
		return false
	}
	t, st := m.lock(hash)
	defer st.mu.Unlock()
	b := t.bucket(hash)
	if _, at, slot := b.find(hash, n.key); at != nil {
		at.slots[slot].Store(n)
		return false
	}
	b.add(hash, n)
	if st.nodes.Add(1) > t.limit && !t.crowded.Load() {
		t.crowded.Store(true)
	}
	return true
}

// remove takes the node of key out, and reports whether there was one.
func (m *Memory[K, V]) remove(key K) bool {
	h := m.hash.Of(key)
	t, st := m.lock(h)
	defer st.mu.Unlock()
	b := t.bucket(h)
	_, at, slot := b.find(h, key)
	if at == nil {
		return false
	}
	at.free(slot)
	b.unlink(at)
	st.nodes.Add(-1)
	return true
}

// Grow gives the table more room if it is full, and reports whether it has. That takes time in proportion to the
// number of entries, a few milliseconds for a million, or more beside a garbage collection; one caller does it, and
// reads and writes go on meanwhile. It is for package cache, which calls it after Keep and KeepCopy, when it holds up
// nobody any more; Offer and Put need no such call.
func (m *Memory[K, V]) Grow() (grown bool) {
	t := m.table.Load()
	if !t.crowded.Load() || t.prev.Load() != nil {
		return false
	}
	if float64(t.len()) <= fill*float64(len(t.buckets)) {
		t.crowded.Store(false) // some day that happens to a stripe of any table that is nearly full
		return false
	}
	if !t.growing.CompareAndSwap(false, true) {
		return false
	}
	next := newTable[K, V](2*len(t.buckets), t.stripes, t.hash)
	next.prev.Store(t)
	next.moving.Store(stripes)
	// A write that is under way goes on in t. That is as good: the nodes of its stripe move under its lock.
	if !m.table.CompareAndSwap(t, next) {
		return false // dropped meanwhile
	}
	for i := 0; len(t.buckets) <= atOnce && i < len(t.buckets) && next.prev.Load() != nil; i++ {
		_, st := m.lock(uint64(i)) // settles that bucket
		st.mu.Unlock()
	}
	return true
}

// replace puts a node in place of the one with its key, without a lock, and reports whether it has. It does not while nodes move
// here from another table, or if the key is not there, or not any more. Otherwise a slot that holds a node is where its key is:
// a table that nodes move from is written only to empty it. If they do so meanwhile, the new one moves like any other.
func (t *table[K, V]) replace(n *node[K, V], hash uint64) bool {
	if t.prev.Load() != nil {
		return false
	}
	old, at, slot := t.bucket(hash).find(hash, n.key)
	return at != nil && at.slots[slot].CompareAndSwap(old, n)
}

// settleLocked moves the nodes that have the hash's bucket out of the previous table, and those of
// two more buckets of the same stripe, so that it is empty long before this one is full. Another stripe may be the last one
// to have moved meanwhile: prev is what the caller has seen.
func (t *table[K, V]) settleLocked(prev *table[K, V], hash uint64) {
	t.moveLocked(prev.bucket(hash))
	moved := &t.moved[hash%stripes]
	for range 2 {
		i := int(*moved)*stripes + int(hash%stripes)
		if i >= len(prev.buckets) {
			return
		}
		t.moveLocked(&prev.buckets[i])
		*moved++
		if i+stripes >= len(prev.buckets) && t.moving.Add(-1) == 0 {
			t.prev.Store(nil)
		}
	}
}

// moveLocked moves nodes here from a bucket of the previous table.
func (t *table[K, V]) moveLocked(from *bucket[K, V]) {
	for b := from; b != nil; b = b.more.Load() {
		for slot := range slots {
			if n := b.slots[slot].Load(); n != nil {
				t.moveNodeLocked(b, slot, n)
			}
		}
	}
}

// moveNodeLocked moves here what is in a slot of the previous table: n, or what has come in its place since. For readers it is
// in both tables before it leaves that one, where they look first.
func (t *table[K, V]) moveNodeLocked(from *bucket[K, V], slot int, n *node[K, V]) {
	h := t.hash.Of(n.key)
	to := t.bucket(h).add(h, n)
	for !from.slots[slot].CompareAndSwap(n, nil) {
		// Another one has taken its place, by a writer who has not seen this table. Those who have wait for the lock.
		n = from.slots[slot].Load()
		to.Store(n)
	}
	from.free(slot)
}

// len returns the number of nodes.
func (t *table[K, V]) len() int {
	n := int64(0)
	for i := range t.stripes {
		n += t.stripes[i].nodes.Load()
	}
	return int(n)
}

// nodes iterates over the nodes. No lock is held while the body of the loop runs. It ends early if
// they are dropped meanwhile.
func (m *Memory[K, V]) nodes() iter.Seq[*node[K, V]] {
	return func(yield func(*node[K, V]) bool) {
		first := m.table.Load()
		classes := len(first.buckets)
		if prev := first.prev.Load(); prev != nil {
			classes = len(prev.buckets)
		}
		var found []*node[K, V]
		for class := range classes {
			found = m.appendNodes(found[:0], first, class, classes)
			for _, n := range found {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// appendNodes collects a class of nodes: those whose hashes agree in the bits that number that many
// classes, no more than the buckets of the least table that there was. Whatever moves since, they
// are in its buckets, and no node belongs to two classes.
func (m *Memory[K, V]) appendNodes(found []*node[K, V], first *table[K, V], class, classes int) []*node[K, V] {
	st := &first.stripes[class%stripes]
	st.mu.Lock()
	defer st.mu.Unlock()
	now := m.table.Load()
	if now.stripes != first.stripes {
		return found
	}
	for _, t := range []*table[K, V]{now.prev.Load(), now} {
		if t == nil {
			continue
		}
		for i := class; i < len(t.buckets); i += classes {
			for b := &t.buckets[i]; b != nil; b = b.more.Load() {
				for slot := range slots {
					if n := b.slots[slot].Load(); n != nil {
						found = append(found, n)
					}
				}
			}
		}
	}
	return found
}
