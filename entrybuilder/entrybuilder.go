package entrybuilder

import (
	"math"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// Forever is the life span that never ends.
const Forever = time.Duration(math.MaxInt64)

// Builder makes the entry for a loaded value, and so decides how long it lives.
//
// The cache calls it once per successful load and once per Set, from any goroutine and
// concurrently; for one key too. The value belongs to the cache and is shared with the callers: a
// builder must not modify it.
//
// The entry's Created must be loadStarted: ages count from the instant before the load, and
// invalidations are judged by it. A nil entry means that the value is not kept: its callers get it,
// and what the storage held before is removed. After a panic, which is reported, they get it too, and
// what the storage held stays. A builder must not block and must not call back into the cache.
type Builder[K comparable, V any] interface {
	Build(loadStarted time.Time, key K, value V) *storage.Entry[V]
}
