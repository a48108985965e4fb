package eviction

// queue is a doubly linked list of nodes of one books in the order in which they were pushed. A node is in one queue at a
// time. The links are part of the nodes, so that a move allocates nothing.
type queue struct {
	newest, oldest uint32
	len            int
}

// push adds a node, which must not be in any queue, as the newest of q.
func (b *books[K, M]) push(q *queue, id uint32) {
	n := b.at(id)
	n.older, n.newer = q.newest, noNode
	if q.newest == noNode {
		q.oldest = id
	} else {
		b.at(q.newest).newer = id
	}
	q.newest = id
	q.len++
}

// unlink takes a node out of q, in which it must be.
func (b *books[K, M]) unlink(q *queue, id uint32) {
	n := b.at(id)
	if n.newer == noNode {
		q.newest = n.older
	} else {
		b.at(n.newer).older = n.older
	}
	if n.older == noNode {
		q.oldest = n.newer
	} else {
		b.at(n.older).newer = n.newer
	}
	q.len--
}

// renew makes a node of q its newest.
func (b *books[K, M]) renew(q *queue, id uint32) {
	if q.newest != id {
		b.unlink(q, id)
		b.push(q, id)
	}
}

// drop takes a node out of q and out of the books.
func (b *books[K, M]) drop(q *queue, id uint32) {
	b.unlink(q, id)
	b.remove(id)
}
