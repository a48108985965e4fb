package eviction

const (
	ghostChunkBits = 8
	ghostChunkLen  = 1 << ghostChunkBits
)

// ghost remembers hashes in the order in which they came: 63 bits of each, in 16 to 28 bytes. The zero value is empty.
//
// The hashes stand in a queue, and are named by their places in it, which are numbers that count up and begin again
// after 4 billion. The index is a hash table with chains from newer to older hashes. So a hash that is too old is simply
// dropped from the end of the queue: a link to a place that is not in the queue, or not older than the one that it comes
// from, ends the chain.
type ghost struct {
	len int // hashes that are remembered

	oldest uint32                       // the place of the first one in the queue
	next   uint32                       // the place of the next one to come
	chunks []*[ghostChunkLen]ghostEntry // from that of oldest on
	spare  *[ghostChunkLen]ghostEntry

	linear linear
	heads  heads
}

// ghostEntry is one hash in the queue.
type ghostEntry struct {
	lower uint32 // decides on the bucket
	upper uint32 // the lowest bit says whether it is remembered still
	older uint32 // the place of the next in the chain
}

// add remembers a hash.
func (g *ghost) add(hash uint64) {
	if g.len >= int(g.linear.buckets) && g.linear.buckets < maxBuckets {
		g.split()
	}
	if g.next+1 == g.oldest {
		g.trim(max(g.len-1, 0)) // there are as many as there are numbers
	}
	if g.chunk(g.next) == len(g.chunks) {
		if g.spare == nil {
			g.spare = new([ghostChunkLen]ghostEntry)
		}
		g.chunks, g.spare = append(g.chunks, g.spare), nil
	}
	head := g.heads.at(g.linear.of(uint32(hash)))
	*g.at(g.next) = ghostEntry{lower: uint32(hash), upper: uint32(hash>>32) | 1, older: *head}
	*head = g.next
	g.next++
	g.len++
}

// newest returns the place of the newest hash in the bucket of a hash, for take. It is a function of its own so that callers
// can begin to wait for the memory that it reads before they wait for other memory.
func (g *ghost) newest(hash uint64) (place uint32) {
	if g.len == 0 {
		return g.next
	}
	return *g.heads.at(g.linear.of(uint32(hash)))
}

// take forgets a hash and reports whether it was remembered. Newest is what the function of that name returned.
func (g *ghost) take(hash uint64, newest uint32) bool {
	place := newest
	for end := g.next; g.before(place, end); {
		e := g.at(place)
		if e.lower == uint32(hash) && e.upper == uint32(hash>>32)|1 {
			e.upper &^= 1
			g.len--
			return true
		}
		place, end = e.older, place
	}
	return false
}

// trim forgets the oldest hashes until there are no more than limit. Those that were taken keep their places until all
// older ones are gone; so that they are not too many, a long queue may have twice as many places as limit, and no more.
func (g *ghost) trim(limit int) {
	for g.len > limit || int(g.next-g.oldest)/2 > max(limit, ghostChunkLen) {
		g.len -= int(g.at(g.oldest).upper & 1)
		g.oldest++
		if g.oldest%ghostChunkLen == 0 {
			g.chunks, g.spare = g.chunks[1:], g.chunks[0]
		}
	}
}

// before reports whether there is something in the queue at place, and place is older than end.
func (g *ghost) before(place, end uint32) bool { return place-g.oldest < end-g.oldest }

// chunk returns the index of the chunk that place is in.
func (g *ghost) chunk(place uint32) int {
	return int((place>>ghostChunkBits - g.oldest>>ghostChunkBits) % (1 << (32 - ghostChunkBits)))
}

func (g *ghost) at(place uint32) *ghostEntry {
	return &g.chunks[g.chunk(place)][place%ghostChunkLen]
}

// split adds a bucket and moves those hashes to it that belong there. Both chains stay in order. What was the head of an
// empty bucket may name a place that is in use again, in any chain; that chain is walked then, and left as it is.
func (g *ghost) split() {
	from, added := g.linear.grow()
	g.heads.add(added)
	link := [2]*uint32{g.heads.at(from), g.heads.at(added)}
	place := *link[0]
	for end := g.next; g.before(place, end); {
		e := g.at(place)
		to := 0
		if g.linear.of(e.lower) == added {
			to = 1
		}
		*link[to] = place
		link[to] = &e.older
		place, end = e.older, place
	}
	*link[0], *link[1] = g.oldest-1, g.oldest-1 // which is not in the queue
}
