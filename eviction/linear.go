package eviction

// linear numbers the buckets of a table that grows by linear hashing: one bucket is added at a time, and takes what belongs
// to it from one other bucket. So no step takes longer than any other, however large the table is. See Litwin, "Linear
// hashing: a new tool for file and table addressing", VLDB 1980. The zero value has no bucket.
type linear struct {
	buckets uint32
	mask    uint32 // one less than the power of two that is at least buckets
}

// of returns the bucket of a hash. There is no jump in it, because nobody could predict it.
func (l linear) of(hash uint32) uint32 {
	b := hash & l.mask
	beyond := uint32(int32(l.buckets-1-b) >> 31) // all bits if there is no bucket b
	return b &^ (beyond & (l.mask ^ l.mask>>1))
}

// grow adds a bucket and returns the one that it shares hashes with, which is itself if it is the first.
func (l *linear) grow() (from, added uint32) {
	added = l.buckets
	l.buckets++
	if added > l.mask {
		l.mask = l.mask<<1 | 1
	}
	return added & (l.mask >> 1), added
}

const (
	segmentBits = 6
	segmentLen  = 1 << segmentBits
)

// heads are the first links of the chains in each bucket. They stand in segments, which are never moved.
type heads []*[segmentLen]uint32

func (h heads) at(bucket uint32) *uint32 { return &h[bucket>>segmentBits][bucket%segmentLen] }

// add makes room for one bucket more.
func (h *heads) add(bucket uint32) {
	if bucket%segmentLen == 0 {
		*h = append(*h, new([segmentLen]uint32))
	}
}
