package eviction

const (
	chunkBits = 10
	chunkLen  = 1<<chunkBits - 1 // with the header of its allocation, a chunk of 1<<chunkBits would not fit its size class
	maxChunks = 1 << (32 - chunkBits)

	flagBits   = 4
	maxBuckets = 1 << (32 - flagBits)
)

// noNode is the id of no node.
const noNode = 0

// node is one key in the books. It is named by an id of 32 bits, which takes half the room of a pointer and costs the
// garbage collector nothing.
type node[K comparable, M any] struct {
	mark M
	key  K

	newer, older uint32 // in the queue that the node is in
	next         uint32 // in its bucket, or among the free nodes
	word         uint32 // hash and flags
}

// flags are the bits of a node that the strategy may use as it likes. They are zero in a new node.
func (n *node[K, M]) flags() uint32 { return n.word & (1<<flagBits - 1) }

func (n *node[K, M]) setFlags(flags uint32) { n.word = n.word&^(1<<flagBits-1) | flags }

// books holds the nodes of a strategy and finds them by their keys. The zero value is empty and ready for use. M is what
// else a strategy keeps of a key: its mark, or a number.
//
// Nodes stand in chunks, which are never moved nor given back: the memory is that of the most keys that there were at
// once. The index is a hash table with chains through the nodes. It grows by linear hashing: a new key splits one bucket at
// most. So no call copies or rehashes what is there; only the lists of chunks and segments are copied when they grow, which
// are 150 bytes for a thousand keys.
//
// Callers give the hash together with the key, so that they can compute it before they take their lock. A node keeps 28
// bits of it. With more keys than that makes buckets, a quarter of a billion, chains grow longer.
type books[K comparable, M any] struct {
	len int // nodes in use

	chunks [][]node[K, M] // the id of a node is the index of its chunk and, in the lower bits, that in the chunk
	used   int            // nodes of the last chunk that have been in use
	free   uint32         // the first of the nodes that were given back
	limit  int            // the most chunks, if that is not maxChunks; for tests

	linear linear
	heads  heads // the first node of each bucket
}

// at returns the node with that id, which must be in use. The pointer is valid as long as the node is in use.
func (b *books[K, M]) at(id uint32) *node[K, M] {
	return &b.chunks[id>>chunkBits][id&(1<<chunkBits-1)]
}

// find returns the id of the node of key, or noNode.
func (b *books[K, M]) find(hash uint64, key K) uint32 {
	if b.len == 0 {
		return noNode
	}
	word := uint32(hash) << flagBits
	for id := *b.bucket(word); id != noNode; {
		n := b.at(id)
		if (n.word^word)>>flagBits == 0 && n.key == key {
			return id
		}
		id = n.next
	}
	return noNode
}

// add returns the id of a new node for key, which must not be there. It returns noNode if there are as many nodes as ids
// can name, about 4 billion.
func (b *books[K, M]) add(hash uint64, key K) uint32 {
	id := b.take()
	if id == noNode {
		return noNode
	}
	b.len++
	if b.len > int(b.linear.buckets) && b.linear.buckets < maxBuckets {
		b.split()
	}
	n := b.at(id)
	n.key, n.word = key, uint32(hash)<<flagBits
	head := b.bucket(n.word)
	n.next, *head = *head, id
	return id
}

// remove gives a node back. It holds on to nothing afterwards.
func (b *books[K, M]) remove(id uint32) {
	n := b.at(id)
	link := b.bucket(n.word)
	for *link != id {
		link = &b.at(*link).next
	}
	*link = n.next
	*n = node[K, M]{next: b.free}
	b.free = id
	b.len--
}

// take returns the id of a node that is not in use.
func (b *books[K, M]) take() uint32 {
	if id := b.free; id != noNode {
		b.free = b.at(id).next
		return id
	}
	last := len(b.chunks) - 1
	if last < 0 || b.used == len(b.chunks[last]) {
		if len(b.chunks) == maxChunks || b.limit > 0 && len(b.chunks) >= b.limit {
			return noNode
		}
		// The first chunks are small, for the caches that are, and grow by steps, so that little of the last one is unused.
		b.chunks = append(b.chunks, make([]node[K, M], 16<<min(len(b.chunks)/4, chunkBits-4)-1))
		b.used = 0
		if last++; last == 0 {
			b.used = 1 // its id would be noNode
		}
	}
	id := uint32(last<<chunkBits | b.used)
	b.used++
	return id
}

// bucket returns the head of the chain in which nodes with that word are.
func (b *books[K, M]) bucket(word uint32) *uint32 { return b.heads.at(b.linear.of(word >> flagBits)) }

// split adds a bucket and moves those nodes to it that belong there.
func (b *books[K, M]) split() {
	from, added := b.linear.grow()
	b.heads.add(added)
	link, head := b.heads.at(from), b.heads.at(added)
	for id := *link; id != noNode; id = *link {
		n := b.at(id)
		if b.linear.of(n.word>>flagBits) == added {
			*link, *head, n.next = n.next, id, *head
		} else {
			link = &n.next
		}
	}
}

// findable reports whether a key is found again: whether it equals itself, which a NaN does not. It panics for an
// interface that holds an incomparable value, as a map would.
func findable[K comparable](key K) bool {
	same := key
	return key == same
}
