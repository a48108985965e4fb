package eviction

import "github.com/memoize-go/memoize/storage"

// node is one key in the books, linked into one queue at a time.
type node[K comparable] struct {
	key          K
	newer, older *node[K]
	queue        *queue[K]

	// For the strategies that count reads in marks. The mark is nil where there is no entry.
	mark *storage.Mark
	hits uint32 // reads that did not come with the mark
}

// queue is a doubly linked list of nodes in the order in which they were pushed. The links are part of the nodes, so
// that a move allocates nothing.
type queue[K comparable] struct {
	newest, oldest *node[K]
	len            int
}

// push adds n, which must not be in any queue, as the newest.
func (q *queue[K]) push(n *node[K]) {
	n.queue, n.older = q, q.newest
	if q.newest == nil {
		q.oldest = n
	} else {
		q.newest.newer = n
	}
	q.newest = n
	q.len++
}

// unlink takes n out of the queue that it is in.
func (n *node[K]) unlink() {
	q := n.queue
	if n.newer == nil {
		q.newest = n.older
	} else {
		n.newer.older = n.older
	}
	if n.older == nil {
		q.oldest = n.newer
	} else {
		n.older.newer = n.newer
	}
	n.queue, n.newer, n.older = nil, nil, nil
	q.len--
}

// moveTo takes n out of its queue and makes it the newest of q, which may be the same.
func (n *node[K]) moveTo(q *queue[K]) {
	n.unlink()
	q.push(n)
}

// findable reports whether a map finds key again: whether it equals itself, which a NaN does not. It panics for an
// interface that holds an incomparable value, as a map would.
func findable[K comparable](key K) bool {
	same := key
	return key == same
}
