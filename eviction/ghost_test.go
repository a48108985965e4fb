package eviction

import (
	"hash/maphash"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// ghostModel is a slice of keys, the oldest first, with -1 in the place of one that was taken.
type ghostModel []int

func (m ghostModel) len() (n int) {
	for _, key := range m {
		if key >= 0 {
			n++
		}
	}
	return n
}

func (m ghostModel) take(key int) bool {
	i := slices.Index(m, key)
	if i >= 0 {
		m[i] = -1
	}
	return i >= 0
}

func (m *ghostModel) trim(limit int) {
	for m.len() > limit || len(*m) > 2*max(limit, 256)+1 {
		*m = (*m)[1:]
	}
}

func takeFrom(g *ghost, hash uint64) bool { return g.take(hash, g.newest(hash)) }

// A ghost remembers what the model does, whatever the hashes are, and also where the numbers of places begin again.
func TestGhostAgainstModel(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var (
					g      ghost
					m      ghostModel
					seed   = maphash.MakeSeed()
					keys   = rapid.IntRange(0, 1000)
					limits = rapid.IntRange(0, 600)
				)
				limit := limits.Draw(t, "limit")
				g.oldest = rapid.SampledFrom([]uint32{0, 1, math.MaxUint32 - 700, math.MaxUint32 - 100}).Draw(t, "start")
				g.next = g.oldest
				// All keys differ in the bits that are kept.
				hashOf := func(key int) uint64 { return hash(seed, key) ^ uint64(key)<<33 }
				take := func(t *rapid.T, key int) {
					if got, want := takeFrom(&g, hashOf(key)), m.take(key); got != want {
						t.Fatalf("take(%d) = %t, want %t", key, got, want)
					}
				}
				add := func(t *rapid.T, key int) {
					take(t, key)
					g.add(hashOf(key))
					g.trim(limit)
					m = append(m, key)
					m.trim(limit)
				}
				t.Repeat(map[string]func(*rapid.T){
					"": func(t *rapid.T) {
						if got, want := g.len, m.len(); got != want {
							t.Fatalf("%d are remembered, want %d", got, want)
						}
					},
					"add": func(t *rapid.T) { add(t, keys.Draw(t, "key")) },
					"add many": func(t *rapid.T) {
						first := keys.Draw(t, "first")
						for key := range rapid.IntRange(0, 300).Draw(t, "keys") {
							add(t, first+key)
						}
					},
					"take": func(t *rapid.T) { take(t, keys.Draw(t, "key")) },
					"take many": func(t *rapid.T) {
						first := keys.Draw(t, "first")
						for key := range rapid.IntRange(0, 300).Draw(t, "keys") {
							take(t, first+key)
						}
					},
					"limit": func(t *rapid.T) {
						limit = limits.Draw(t, "limit")
						g.trim(limit)
						m.trim(limit)
					},
				})
			})
		})
	}
}

// The oldest is never taken, and all others are: they must not keep their places for ever.
func TestGhostIsBounded(t *testing.T) {
	const limit = 1000
	g, hash := ghost{}, hasher()
	g.add(hash(-1))
	for key := range 10 * limit {
		g.add(hash(key))
		g.trim(limit)
		if !takeFrom(&g, hash(key)) {
			t.Fatalf("key %d is not remembered", key)
		}
		if got := len(g.chunks); got > 2*limit/ghostChunkLen+2 {
			t.Fatalf("%d chunks after %d keys", got, key)
		}
	}
	if takeFrom(&g, hash(-1)) {
		t.Error("the oldest is remembered still")
	}
}

// Long after it has reached its size, a ghost knows those that it ought to know.
func TestGhostLater(t *testing.T) {
	const limit, keys = 5000, 100_000
	g, hash := ghost{}, hasher()
	for key := range keys {
		g.add(hash(key))
		g.trim(limit)
		if key == limit {
			checkChains(t, &g)
		}
	}
	checkChains(t, &g)
	g.trim(math.MaxInt)
	if g.len != limit || g.linear.buckets > limit+1 || len(g.chunks) > limit/ghostChunkLen+2 {
		t.Errorf("%d are remembered, with %d buckets and %d chunks", g.len, g.linear.buckets, len(g.chunks))
	}
	for key := range keys {
		if got, want := takeFrom(&g, hash(key)), key >= keys-limit; got != want {
			t.Fatalf("take(%d) = %t, want %t", key, got, want)
		}
	}
}

// checkChains checks that no chain leads to hashes of another bucket.
func checkChains(t *testing.T, g *ghost) {
	t.Helper()
	for bucket := range g.linear.buckets {
		place := *g.heads.at(bucket)
		for end := g.next; g.before(place, end); place, end = g.at(place).older, place {
			if got := g.linear.of(g.at(place).lower); got != bucket {
				t.Fatalf("a hash of bucket %d is in the chain of bucket %d", got, bucket)
			}
		}
	}
}

// The numbers of places have begun again since many buckets were last in use, so their heads name places that are in use by others.
func TestGhostStaleHeads(t *testing.T) {
	const stale, keys = 200, 1000
	g, hash := ghost{}, hasher()
	for key := range stale {
		g.add(hash(-1 - key))
	}
	g.trim(0)
	g.oldest, g.next, g.chunks = 0, 0, nil // four billion hashes later, all of a few other buckets
	for key := range keys {
		g.add(hash(key))
	}
	for key := range keys {
		if !takeFrom(&g, hash(key)) {
			t.Errorf("key %d is not remembered", key)
		}
	}
	for key := range stale {
		if takeFrom(&g, hash(-1-key)) {
			t.Errorf("key %d is remembered still", -1-key)
		}
	}
}
