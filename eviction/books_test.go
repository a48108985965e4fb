package eviction

import (
	"hash/maphash"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"weak"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/storage"
)

// hashes are ways to hash the key i, from good to those under which nearly all keys collide.
var hashes = map[string]func(seed maphash.Seed, i int) uint64{
	"good":              func(seed maphash.Seed, i int) uint64 { return maphash.Comparable(seed, i) },
	"consecutive":       func(_ maphash.Seed, i int) uint64 { return uint64(i) },
	"four values":       func(_ maphash.Seed, i int) uint64 { return uint64(i) % 4 },
	"one value":         func(maphash.Seed, int) uint64 { return 1<<64 - 1 },
	"upper bits only":   func(_ maphash.Seed, i int) uint64 { return uint64(i) << 28 }, // of which the index keeps none
	"one bucket at 512": func(_ maphash.Seed, i int) uint64 { return uint64(i) << 9 },
}

// A books with its queue holds what a map and a slice hold, whatever the hashes are.
func TestBooksAgainstMap(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var (
					b     books[int, struct{}]
					q     queue
					ids   = make(map[int]uint32)
					order []int // the oldest first
					seed  = maphash.MakeSeed()
				)
				find := func(key int) uint32 { return b.find(hash(seed, key), key) }
				add := func(key int) {
					if find(key) != noNode {
						return
					}
					ids[key] = b.add(hash(seed, key), key)
					b.push(&q, ids[key])
					order = append(order, key)
				}
				next := 0
				t.Repeat(map[string]func(*rapid.T){
					"": func(t *rapid.T) {
						if b.len != len(ids) || q.len != len(ids) {
							t.Fatalf("%d nodes, %d in the queue, want %d", b.len, q.len, len(ids))
						}
						if key := rapid.IntRange(0, next+1).Draw(t, "key"); find(key) != ids[key] {
							t.Fatalf("find(%d) = %d, want %d", key, find(key), ids[key])
						}
					},
					"add many": func(t *rapid.T) {
						for range rapid.IntRange(1, 100).Draw(t, "keys") {
							add(next)
							next++
						}
					},
					"add": func(t *rapid.T) { add(rapid.IntRange(0, next).Draw(t, "key")) },
					"renew": func(t *rapid.T) {
						key := rapid.IntRange(0, next).Draw(t, "key")
						if drop(&order, key) {
							b.renew(&q, ids[key])
							order = append(order, key)
						}
					},
					"drop": func(t *rapid.T) {
						key := rapid.IntRange(0, next).Draw(t, "key")
						if drop(&order, key) {
							b.drop(&q, ids[key])
							delete(ids, key)
						}
					},
					"drop the oldest": func(t *rapid.T) {
						for range rapid.IntRange(0, len(order)).Draw(t, "keys") {
							b.drop(&q, q.oldest)
							delete(ids, order[0])
							order = order[1:]
						}
					},
					"flag": func(t *rapid.T) {
						if q.oldest != noNode {
							b.at(q.oldest).setFlags(rapid.Uint32Range(0, 1<<flagBits-1).Draw(t, "flags"))
						}
					},
				})
				for _, key := range order {
					if find(key) != ids[key] {
						t.Fatalf("find(%d) = %d, want %d", key, find(key), ids[key])
					}
				}
				if got := keysOf(&b, &q); !slices.Equal(got, order) {
					t.Fatalf("keys in the queue: %v, want %v", got, order)
				}
			})
		})
	}
}

// drop removes key and reports whether it was there.
func drop(keys *[]int, key int) bool {
	i := slices.Index(*keys, key)
	if i < 0 {
		return false
	}
	*keys = slices.Delete(*keys, i, i+1)
	return true
}

// keysOf walks a queue in both directions and returns its keys, the oldest first.
func keysOf(b *books[int, struct{}], q *queue) (keys []int) {
	backwards := 0
	for id := q.newest; id != noNode; id = b.at(id).older {
		backwards++
	}
	for id := q.oldest; id != noNode; id = b.at(id).newer {
		keys = append(keys, b.at(id).key)
	}
	if backwards != len(keys) {
		return nil
	}
	return keys
}

// Keys are found after very many splits, and the chains stay short.
func TestBooksGrow(t *testing.T) {
	const keys = 100_000
	var b books[int, struct{}]
	seed := maphash.MakeSeed()
	hash := func(key int) uint64 { return maphash.Comparable(seed, key) }
	for key := range keys {
		segments := len(b.heads)
		b.add(hash(key), key)
		if int(b.linear.buckets) != key+1 || len(b.heads) > segments+1 {
			t.Fatalf("%d buckets and %d segments more with key %d, want one bucket a key", b.linear.buckets, len(b.heads)-segments, key)
		}
	}
	longest := 0
	for i := range b.linear.buckets {
		length := 0
		for id := *b.heads.at(i); id != noNode; id = b.at(id).next {
			length++
		}
		longest = max(longest, length)
	}
	if longest > 20 {
		t.Errorf("a chain has %d nodes", longest)
	}
	for key := range keys {
		id := b.find(hash(key), key)
		if id == noNode || b.at(id).key != key {
			t.Fatalf("key %d is not found", key)
		}
		if b.find(hash(key+keys), key+keys) != noNode {
			t.Fatalf("key %d is found, but was never added", key+keys)
		}
	}

	// What was given back is used again.
	chunks := len(b.chunks)
	for key := range keys {
		b.remove(b.find(hash(key), key))
		b.add(hash(key+keys), key+keys)
	}
	if len(b.chunks) != chunks || int(b.linear.buckets) != keys || b.len != keys {
		t.Errorf("%d chunks, %d buckets and %d keys after all keys were replaced, want %d, %d and %d",
			len(b.chunks), b.linear.buckets, b.len, chunks, keys, keys)
	}
}

func TestBooksHoldOnToNothing(t *testing.T) {
	var b books[*[64]byte, *[64]byte]
	key, mark := new([64]byte), new([64]byte)
	b.at(b.add(1, key)).mark = mark
	wasKey, wasMark := weak.Make(key), weak.Make(mark)
	b.remove(b.find(1, key))
	key, mark = nil, nil
	runtime.GC()
	if wasKey.Value() != nil || wasMark.Value() != nil {
		t.Error("a key or a mark is kept alive after its removal")
	}
	runtime.KeepAlive(b)
}

// Where there are no more ids, further keys are ignored, and there is room again when others go.
func TestNoMoreIDs(t *testing.T) {
	const ids = 14 // of the first chunk
	lru, sieve, s3fifo, tiny := NewLeastRecentlyUpdated[string](100), NewSIEVE[string](100), NewS3FIFO[string](100), NewTinyLFU[string](100)
	lru.shards[0].books.limit, sieve.books.limit, s3fifo.books.limit, tiny.books.limit = 1, 1, 1, 1
	type strategy interface {
		Strategy[string]
		Resizer
		Len() int
	}
	for name, s := range map[string]strategy{"LeastRecentlyUpdated": lru, "SIEVE": sieve, "S3FIFO": s3fifo, "TinyLFU": tiny} {
		suffix := 0
		newKey := func() string {
			for {
				suffix++
				key := strconv.Itoa(suffix)
				if s != strategy(lru) || inFirstShard(key) {
					return key
				}
			}
		}
		marks := make([]storage.Mark, 3*ids)
		for i := range marks {
			key := newKey()
			s.MarkWritten(key, &marks[i])
			s.MarkRead(key, &marks[i])
		}
		if got := s.Len(); got != ids {
			t.Errorf("%s: Len() = %d, want %d", name, got, ids)
		}
		s.Resize(ids - 1)
		for range 3 * ids {
			key := newKey()
			if _, ok := s.NextToRelease(); !ok {
				t.Errorf("%s: no victim for key %q", name, key)
			}
			s.MarkWritten(key, new(storage.Mark))
			if got := s.Len(); got != ids {
				t.Errorf("%s: Len() = %d with key %q, want %d", name, got, key, ids)
			}
		}
	}
}
