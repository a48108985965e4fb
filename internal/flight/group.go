package flight

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/memoize-go/memoize/internal/hash"
	"github.com/memoize-go/memoize/internal/hook"
)

// Errors of joining.
var (
	ErrClosed    = errors.New("flight: closed")
	ErrReentrant = errors.New("flight: would wait for itself")
)

const (
	shards = 32

	// keep is how many idle slots, with nothing but a backoff or a fence in them, a shard holds
	// before it looks for those whose time is over, and fold how many fences it holds before it
	// makes one of them all, and how many backoffs that never end.
	keep = 64
	fold = 2048

	// line is how far apart things stand that some processors write while others look at what is beside: a cache
	// line.
	line = 64
)

// Group is the registry of one cache. It is safe for concurrent use; New makes it.
type Group[K comparable, V, J any] struct {
	floors atomic.Int64 // fences with a floor, so that hits need not ask when there are none
	salt   uint32       // of tokens
	hash   hash.Hasher[K]
	_      [line - 48]byte

	shards [shards]shard[K, V, J]

	Lifecycle

	exclusive chan struct{} // holds one token
}

// shard holds some of the keys. What an undisturbed write needs is in front.
type shard[K comparable, V, J any] struct {
	// version counts the writes that have ended. Whoever looked into a local storage, found nothing
	// and sees the version unchanged under the lock, has missed nothing.
	version atomic.Uint64

	mu      sync.Mutex
	slots   slots[K, V, J]
	gates   int       // while there is one, no turn comes
	sweepAt int       // slots
	stamp   time.Time // the latest instant that was given to a load or a Set
	fence   fence
	writing int           // turns that have begun and not ended
	opened  chan struct{} // closed when there is none; nil while nobody waits
	drained chan struct{} // closed when writing becomes 0; nil while nobody waits
	_       [3*line - 184]byte
}

// salts counts the groups of this process, to tell the tokens of one from those of another.
var salts atomic.Uint32

// New returns an empty registry.
func New[K comparable, V, J any]() *Group[K, V, J] {
	g := &Group[K, V, J]{hash: hash.New[K](), exclusive: make(chan struct{}, 1), salt: salts.Add(1) * 0x9e3779b9}
	for i := range g.shards {
		g.shards[i].sweepAt = keep
	}
	return g
}

// Idle waits until nothing is running, if strays is true not even a storage call that was given up
// on, or until ctx ends. What goes on in place is not counted, but has ended when its shard's lock is
// free.
func (g *Group[K, V, J]) Idle(ctx context.Context, strays bool) error {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		//lint:ignore SA2001 whoever holds the lock is to be waited for
		sh.mu.Unlock()
	}
	return g.Lifecycle.Idle(ctx, strays)
}

// Hash returns the hash of key, for the methods that want it too: so it is made once.
func (g *Group[K, V, J]) Hash(key K) uint64 { return g.hash.Of(key) }

// shard returns the shard of key, whose critical section the caller is about to enter.
func (g *Group[K, V, J]) shard(key K) *shard[K, V, J] {
	return g.shardOf(g.hash.Of(key))
}

func (g *Group[K, V, J]) shardOf(hash uint64) *shard[K, V, J] {
	hook.At("registry")
	return &g.shards[hash%shards]
}

// Token returns what stands on the stale entry of a key with this hash while a load of the key is registered.
func (g *Group[K, V, J]) Token(hash uint64) uint32 {
	// Other bits than those that choose the shard.
	return (uint32(hash>>32) ^ g.salt) | 1
}

// slotLocked returns the slot of key, a new one if there is none.
func (sh *shard[K, V, J]) slotLocked(key K) *slot[K, V, J] {
	if s := sh.slots.find(key); s != nil {
		return s
	}
	return sh.slots.add(key)
}

// tidyLocked forgets a slot that has nothing in it.
func (sh *shard[K, V, J]) tidyLocked(s *slot[K, V, J]) {
	if s.isEmpty() {
		sh.slots.remove(s)
	}
}

// sweepLocked forgets, when many slots have piled up, the backoffs and fences whose time is over.
// If too many fences are left, the shard's own takes their place: it refuses more than it has to,
// in bounded memory. If too many backoffs are left that never end, they do. It is called before a slot gets something that outlives its work.
func (g *Group[K, V, J]) sweepLocked(sh *shard[K, V, J], now time.Time) {
	if sh.slots.len() < sh.sweepAt {
		return
	}
	fences, endless := 0, 0
	for s := range sh.slots.all() {
		if s.retry.passed(now) {
			s.failed, s.retry = time.Time{}, deadline{}
		}
		g.lowerLocked(&s.fence, now)
		if !s.fence.isZero() {
			fences++
		}
		if s.retry.never {
			endless++
		}
	}
	for s := range sh.slots.all() {
		if fences > fold && s.fence.deletions == 0 && !s.fence.isZero() {
			had := sh.fence.floor
			sh.fence.merge(&s.fence)
			g.countFloor(had, sh.fence.floor)
			g.countFloor(s.fence.floor, time.Time{})
			s.fence = fence{}
		}
		if endless > fold && s.retry.never {
			s.failed, s.retry = time.Time{}, deadline{}
		}
		sh.tidyLocked(s)
	}
	sh.sweepAt = max(keep, 2*sh.slots.len())
}
