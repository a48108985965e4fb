package eviction

import (
	"hash/maphash"
	"testing"

	"pgregory.net/rapid"
)

// hasher returns a hash function of its own.
func hasher() func(key int) uint64 {
	seed := maphash.MakeSeed()
	return func(key int) uint64 { return maphash.Comparable(seed, key) }
}

// sketchFor returns a sketch with room for that many keys.
func sketchFor(keys int) *sketch {
	var s sketch
	s.makeRoom(keys)
	return &s
}

// However the sketch grows, whatever collides, and whenever counters are halved: no estimate is too low.
func TestSketchIsNeverTooLow(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				seed := maphash.MakeSeed()
				period := rapid.IntRange(1, 300).Draw(t, "period")
				s := sketchFor(rapid.IntRange(1, 2000).Draw(t, "room"))
				keys := rapid.IntRange(0, 200)
				want := make(map[int]uint32)
				use := func(key int, uses uint32) {
					halvings := s.halvings
					s.add(hash(seed, key), uses, period)
					want[key] = min(want[key]+uses, counterMax)
					if s.halvings != halvings {
						for key := range want {
							want[key] /= 2
						}
					}
				}
				t.Repeat(map[string]func(*rapid.T){
					"": func(t *rapid.T) {
						key := keys.Draw(t, "key")
						if got := s.estimate(hash(seed, key)); got < want[key] || got > counterMax {
							t.Fatalf("estimate(%d) = %d, want at least %d and at most %d", key, got, want[key], counterMax)
						}
					},
					"use": func(t *rapid.T) {
						use(keys.Draw(t, "key"), rapid.Uint32Range(1, maxHits).Draw(t, "uses"))
					},
					"use all": func(t *rapid.T) {
						for key := range 200 {
							use(key, 1)
						}
					},
					"grow": func(t *rapid.T) {
						for range rapid.IntRange(1, 300).Draw(t, "blocks") {
							s.fit(int(s.linear.buckets)*keysPerBlock + 1)
						}
					},
				})
			})
		})
	}
}

// Four times as many keys as there is room for make few estimates too high.
func TestSketchIsSeldomTooHigh(t *testing.T) {
	const room, keys = 5000, 20_000
	s, hash := sketchFor(room), hasher()
	for range 3 {
		for key := range keys {
			s.add(hash(key), 1, 1<<30)
		}
	}
	tooHigh := 0
	for key := range keys {
		if s.estimate(hash(key)) > 3 {
			tooHigh++
		}
	}
	if tooHigh > keys/8 {
		t.Errorf("%d of %d estimates are too high", tooHigh, keys)
	}
	if got := s.estimate(hash(-1)); got > 3 {
		t.Errorf("the estimate of a key that was never used is %d, and no key was used more than three times", got)
	}
}

func TestSketchForgets(t *testing.T) {
	const room = 1000
	tests := []struct {
		name     string
		halvings int
		want     uint32
	}{
		{"none", 0, 15},
		{"one", 1, 7},
		{"two", 2, 3},
		{"three", 3, 1},
		{"four", 4, 0},
		{"fifteen", 15, 0},
		{"as many as make the number of halvings start again", 16, 0},
		{"and one more", 17, 0},
		{"very many", 100, 0},
	}
	for _, period := range []int{1, 2 * room} { // a period of 1 is made longer
		for _, tt := range tests {
			s, hash := sketchFor(room), hasher()
			for range counterMax {
				s.add(hash(0), 1, 1<<30)
			}
			s.uses = 0
			for halvings := 0; halvings < tt.halvings; {
				before := s.halvings
				// A neighbour whose counters are not those of key 0.
				s.add(hash(0)+1<<32, maxHits, period)
				if s.halvings != before {
					halvings++
				}
			}
			if got := s.estimate(hash(0)); got != tt.want {
				t.Errorf("period %d, %s: the estimate is %d, want %d", period, tt.name, got, tt.want)
			}
		}
	}
}

func TestSketchWithoutRoom(t *testing.T) {
	var s sketch
	s.add(1, 1, 1)
	if got := s.estimate(1); got != 0 {
		t.Errorf("the estimate is %d, want 0", got)
	}
}

// Every counter has its place in two words of its row, under the halvings.
func TestSketchPlaces(t *testing.T) {
	seen := make(map[[2]int]bool)
	for row := range 4 {
		for h := range uint64(256) {
			word, shift := place(h<<(8*row), row)
			if word/2 != row || shift%counterBits != 0 || shift >= epochShift {
				t.Fatalf("row %d: word %d, shift %d", row, word, shift)
			}
			seen[[2]int{word, int(shift)}] = true
		}
	}
	if len(seen) != blockWords*countersPerWord {
		t.Errorf("%d counters are in use, want %d", len(seen), blockWords*countersPerWord)
	}
}
