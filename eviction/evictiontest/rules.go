package evictiontest

import (
	"math/rand/v2"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// rule is one sentence of the contract and the check of it. The check panics with a violation.
type rule struct {
	name  string
	text  string
	check func(new factory)
}

// test checks the rule; a panic of the strategy counts as an error.
func (r rule) test(new factory) error {
	return protect(func() { r.check(new) })
}

// capacities are the small ones, at which shares and hands degenerate, and larger ones.
var capacities = []int{1, 2, 3, 4, 10, 64}

// excess is how many keys too many the rules write.
const excess = 5

var rules = []rule{
	{
		name: "nothing up to capacity",
		text: "NextToRelease names a victim while there are more keys than allowed; ok is false otherwise.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := open(new, capacity)
				b.drain()
				for key := range capacity {
					b.write(key)
					b.drain()
				}
			}
		},
	},
	{
		name: "the excess exactly",
		text: "NextToRelease names exactly as many known keys as there are too many, each once.",
		check: func(new factory) {
			for _, capacity := range capacities {
				fill(new, capacity, capacity+excess).drain()

				// One at a time, as in a cache at work.
				b := open(new, capacity)
				for key := range 3*capacity + excess {
					b.write(key)
					b.drain()
				}
			}
		},
	},
	{
		name: "out of the books once named",
		text: "A named victim is out of the books until MarkWritten: a read does not bring it back, and it is not named again.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := fill(new, capacity, capacity+excess)
				for _, key := range b.drain() {
					b.read(key)
					b.drain()
				}
				b.writeRange(1000, 1000+excess)
				b.drain()
			}
		},
	},
	{
		name: "put back",
		text: "If the release of a victim fails, the cache puts it back with MarkWritten.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := fill(new, capacity, capacity+1)
				for range 2*capacity + excess {
					mark := make(map[int]*storage.Mark, len(b.known))
					for key, m := range b.known {
						mark[key] = m
					}
					key, _ := b.next()
					b.strategy.MarkWritten(key, mark[key])
					b.known[key] = mark[key]
					b.compare("after key %d was put back", key)
				}
				b.drain()
				b.empty(1000)
			}
		},
	},
	{
		name: "a release makes room",
		text: "MarkReleased says that the storage holds a key no longer: it leaves the books and is not named.",
		check: func(new factory) {
			for _, capacity := range capacities {
				// The oldest, the newest, and all.
				b := fill(new, capacity, capacity+excess)
				for key := range excess {
					b.release(key)
				}
				b.drain()

				b = fill(new, capacity, capacity+excess)
				for key := capacity + excess; key > capacity; key-- {
					b.release(key - 1)
				}
				b.drain()
				b.writeRange(1000, 1000+capacity)
				b.drain()
				b.empty(2000)
			}
		},
	},
	{
		name: "a release of unknown keys",
		text: "MarkReleased ignores unknown keys.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := open(new, capacity)
				b.release(-1)
				b.writeRange(0, capacity+excess)
				for key := range capacity + excess {
					b.release(1000 + key)
				}
				b.drain()
				b.release(-1)
				b.write(2000)
				b.drain()
			}
		},
	},
	{
		name: "the release of a victim",
		text: "MarkReleased follows every removal exactly once, that of a victim included.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := fill(new, capacity, capacity+excess)
				for _, key := range b.drain() {
					b.release(key)
				}
				for key := range 2 * capacity {
					b.write(1000 + key)
					for _, victim := range b.drain() {
						b.release(victim)
					}
				}
				b.empty(2000)
			}
		},
	},
	{
		name: "unseen marks",
		text: "A mark that the strategy has not seen in MarkWritten, or that holds another strategy's word, means: look the key up.",
		check: func(new factory) {
			words := []uint32{0, 1, 2, 3, 0xff, 0x100, 0x101, 0x7fffffff, 0x80000000, 0xffffff00, 0xffffffff}
			for _, capacity := range capacities {
				b := fill(new, capacity, capacity)
				other := fill(new, capacity, capacity)
				for i, word := range words {
					key := i % capacity

					// A storage that decodes bytes hands out a new mark on every read.
					unseen := &storage.Mark{}
					unseen.Store(word)
					b.readWith(key, unseen)
					b.readWith(-1, unseen)
					b.readWith(key, other.known[key])

					// A mark that is known here has another's word in it, when it is read, rewritten, released and
					// when a victim is chosen.
					b.known[key].Store(word)
					b.readWith(key, b.known[key])
					b.known[key].Store(word)
					b.write(key)
					b.known[key].Store(word)
					b.release(key)
					b.write(key)
					b.known[key].Store(word)
					b.write(1000 + i)
					b.drain()
					b.clear()
					b.writeRange(0, capacity)

					// The word is there when the mark is written.
					foreign := &storage.Mark{}
					foreign.Store(word)
					b.strategy.MarkWritten(key, foreign)
					b.known[key] = foreign
					b.compare("after MarkWritten(%d) with the word %#x in its mark", key, word)
					b.read(key)
					b.drain()
				}
				b.empty(3000)
				other.empty(3000)
			}
		},
	},
	{
		name: "a read of unknown keys",
		text: "MarkRead ignores unknown keys.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := open(new, capacity)
				for key := range capacity + excess {
					b.read(1000 + key)
				}
				b.drain()
				b.writeRange(0, capacity)
				for key := range capacity + excess {
					b.read(1000 + key)
				}
				b.drain()

				// One that was known.
				b.release(0)
				b.read(0)
				b.write(2000)
				b.drain()
			}
		},
	},
	{
		name: "a known key written again",
		text: "MarkWritten of a known key says that another entry took the place of the old one: there is still one key.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := fill(new, capacity, capacity)
				for range 3 {
					for key := range capacity {
						b.write(key) // with another mark
						b.drain()
						b.strategy.MarkWritten(key, b.known[key]) // with the same
						b.compare("after MarkWritten(%d) with the same mark", key)
						b.drain()
						b.read(key)
					}
				}
				b.write(1000)
				b.drain()
				b.empty(2000)
			}
		},
	},
	{
		name: "clear",
		text: "Clear empties the books; no MarkReleased follows.",
		check: func(new factory) {
			for _, capacity := range capacities {
				b := open(new, capacity)
				b.clear()
				b.writeRange(0, capacity+excess)
				marks := b.known[0]
				b.clear()
				b.drain()
				b.release(0)
				b.readWith(0, marks)
				b.writeRange(1000, 1000+capacity)
				b.drain()
				b.writeRange(1000, 1000+capacity+excess)
				b.drain()
				b.empty(2000)

				// Used again under its old keys.
				b.clear()
				b.writeRange(0, capacity)
				b.drain()
				b.write(capacity)
				b.drain()
			}
		},
	},
	{
		name: "any order of calls",
		text: "At every moment the strategy knows the keys that were written and neither released nor named since.",
		check: func(new factory) {
			for _, capacity := range capacities {
				rng := rand.New(rand.NewPCG(1, uint64(capacity)))
				b := open(new, capacity)
				for range 3000 {
					key := rng.IntN(3*capacity + excess)
					switch rng.IntN(12) {
					default:
						b.read(key)
					case 0, 1, 2, 3, 4:
						b.write(key)
					case 5:
						b.release(key)
					case 6, 7:
						b.next()
					case 8:
						b.readWith(key, &storage.Mark{})
					case 9:
						if rng.IntN(50) == 0 {
							b.clear()
						}
					}
				}
				b.drain()
				b.empty(1000)
			}
		},
	},
	{
		name: "resize",
		text: "Resize sets the number of keys allowed; NextToRelease names those that are too many then.",
		check: func(new factory) {
			if _, ok := new(1).(eviction.Resizer); !ok {
				panic(violation{errNotApplicable})
			}
			for _, from := range capacities {
				for _, to := range capacities {
					b := fill(new, from, from)
					b.capacity = to
					b.strategy.(eviction.Resizer).Resize(to)
					b.compare("after Resize(%d)", to)
					b.drain()
					b.writeRange(1000, 1000+to+excess)
					b.drain()

					b.capacity = from
					b.strategy.(eviction.Resizer).Resize(from)
					b.drain()
					b.empty(2000)
				}
			}
		},
	},
	{
		name:  "no victim twice",
		text:  "Two callers never get the same victim.",
		check: noVictimTwice,
	},
	{
		name:  "no key lost",
		text:  "Every method is safe for concurrent use: a key that was written is in the books until it is released or named.",
		check: noKeyLost,
	},
	{
		name:  "any calls at once",
		text:  "Every method is safe for concurrent use: nothing is left behind of keys that were released in the end.",
		check: anyCallsAtOnce,
	},
}
