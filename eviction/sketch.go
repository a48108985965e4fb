package eviction

const (
	keysPerBlock = 8
	blockWords   = 8 // 64 bytes, a line of the processor's cache

	sketchSegmentBits = 6
	sketchSegmentLen  = 1 << sketchSegmentBits

	counterBits     = 4
	counterMax      = 1<<counterBits - 1
	countersPerWord = 15
	epochShift      = countersPerWord * counterBits // the highest 4 bits of a word
	countersMask    = 1<<epochShift - 1
	countersOne     = countersMask / counterMax // 1 in each counter
)

// sketch estimates how often each of very many keys was used of late, those included that are not in the books. It is a
// count-min sketch (Cormode and Muthukrishnan, "An improved data stream summary", Journal of Algorithms 55, 2005) with the
// conservative update of Estan and Varghese, "New directions in traffic measurement and accounting", SIGCOMM 2002. The zero
// value is empty; it has no room until it is told to grow.
//
// A key has four counters of 4 bits, all in one block. Its estimate is the least of them; it is never too low, and too high
// where other keys share all four. From time to time all counters are halved, so that what was long ago counts for less.
//
// No call takes long: the halving of a word is put off until the word is looked at, which tells how many halvings it has
// seen; and the sketch grows block by block, by linear hashing. A block that is split is copied, so that no estimate
// becomes too low.
type sketch struct {
	linear   linear
	segments []*[sketchSegmentLen]sketchBlock // the blocks

	uses     int    // since the last halving
	halvings uint64 // modulo 16
	sweep    uint32 // the next word to be brought up to date whether it is looked at or not
}

// sketchBlock is a block of words. Each has 15 counters, and at the top the number of halvings that they have seen, modulo 16.
type sketchBlock [blockWords]uint64

// fit lets the sketch grow by one block if there are more keys in the books than it is made for.
func (s *sketch) fit(keys int) {
	blocks := s.linear.buckets
	if keys <= int(blocks)*keysPerBlock || blocks == maxBuckets {
		return
	}
	if blocks%sketchSegmentLen == 0 {
		s.segments = append(s.segments, new([sketchSegmentLen]sketchBlock))
	}
	from, added := s.linear.grow()
	*s.block(added) = *s.block(from)
}

// add counts uses of a key and halves all counters after so many uses as period says.
func (s *sketch) add(hash uint64, uses uint32, period int) {
	if s.linear.buckets == 0 || uses == 0 {
		return
	}
	b := s.blockOf(hash)
	goal := min(s.estimate(hash)+uses, counterMax)
	for row := range 4 {
		word, shift := place(hash, row)
		w := s.halved(b[word])
		if count := uint32(w>>shift) & counterMax; count < goal {
			w += uint64(goal-count) << shift
		}
		b[word] = w
	}

	// A word that nobody looks at must be met again before sixteen halvings have passed, or it would seem to be up to date.
	// A period is at least as many uses as there are blocks, and a call adds 3 at most: in fifteen periods there are five
	// times as many calls as blocks, and ten times as many words are met. A block has eight.
	for range 2 {
		if s.sweep++; s.sweep >= s.linear.buckets*blockWords {
			s.sweep = 0
		}
		w := &s.block(s.sweep / blockWords)[s.sweep%blockWords]
		*w = s.halved(*w)
	}
	if s.uses += int(uses); s.uses >= max(period, int(s.linear.buckets)) {
		s.uses = 0
		s.halvings = (s.halvings + 1) % 16
	}
}

// estimate returns how often a key was used, 15 at most.
func (s *sketch) estimate(hash uint64) uint32 {
	if s.linear.buckets == 0 {
		return 0
	}
	b := s.blockOf(hash)
	least := uint32(counterMax)
	for row := range 4 {
		word, shift := place(hash, row)
		least = min(least, uint32(s.halved(b[word])>>shift)&counterMax)
	}
	return least
}

// halved returns a word with its counters halved as often as they have to be.
func (s *sketch) halved(w uint64) uint64 {
	n := (s.halvings - w>>epochShift) % 16
	if n == 0 {
		return w
	}
	return w&countersMask>>n&(countersOne*(counterMax>>n)) | s.halvings<<epochShift
}

// blockOf returns the block that the counters of a key are in. It depends on the upper half of the hash, and the places in
// the block depend on the lower one.
func (s *sketch) blockOf(hash uint64) *sketchBlock {
	return s.block(s.linear.of(uint32(hash >> 32)))
}

func (s *sketch) block(i uint32) *sketchBlock {
	return &s.segments[i>>sketchSegmentBits][i%sketchSegmentLen]
}

// place returns where in its block the counter of a key in one of the four rows is, each of which is two words.
func place(hash uint64, row int) (word int, shift uint) {
	h := uint(hash>>(8*row)) & 0xff
	return 2*row + int(h&1), h >> 1 * countersPerWord >> 7 * counterBits
}
