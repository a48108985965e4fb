package parallel_test

import (
	"time"

	"github.com/memoize-go/memoize/cache"
)

// scenario is what a round is played with.
type scenario struct {
	name string

	sort     sort
	strategy string // see newStrategy; the default one if it is empty
	capacity int    // 0: one that evicts nothing
	keys     int
	fake     bool // a fake clock that the workers advance

	updateAfter, expireAfter time.Duration // 0: never
	timeout                  time.Duration // of loads; 0: none

	failing, slow, panicking int // percent of the loads
	faulty                   int // percent of the storage calls

	serial  bool // those who write a key take turns
	mix     mix
	windows int // in a round
	calls   int // of each worker in a window
}

// mix says how many in a thousand calls are of which kind. The rest is Get.
type mix struct {
	peek, refresh, invalidate, invalidateAll, set, change, cancelled, resize, advance int
}

// detaches reports whether loads can lose their registration.
func (s *scenario) detaches() bool {
	return s.mix.invalidate+s.mix.invalidateAll+s.mix.set > 0 || s.timeout > 0
}

// exact reports whether every change of a key happens at one instant, for all who call: whoever has
// seen it, or begins after somebody has, sees nothing from before. It need not be so where a value
// is handed out and then cannot be stored, and where a storage is read before what is on its way to
// it.
func (s *scenario) exact() bool { return s.sort == remote && s.faulty == 0 }

// settled reports whether a value that a call of that kind has returned is in the storage, or
// something newer is.
func (s *scenario) settled(kind kind) bool {
	return s.exact() || kind == refresh && s.sort == memory
}

var (
	reads  = mix{peek: 60, cancelled: 60}
	forces = mix{peek: 60, cancelled: 60, refresh: 60}
	writes = mix{peek: 60, cancelled: 50, refresh: 40, invalidate: 40, set: 40, change: 30, invalidateAll: 3}
	full   = mix{peek: 60, cancelled: 50, refresh: 40, invalidate: 30, set: 30, change: 30, invalidateAll: 3, resize: 6}
	timed  = mix{peek: 60, cancelled: 50, refresh: 30, invalidate: 20, set: 20, change: 30, invalidateAll: 2, resize: 6, advance: 40}
)

var scenarios = []scenario{
	// Nothing happens that would be a reason for a second load.
	{name: "cold/memory", sort: memory, keys: 64, slow: 25, mix: reads, windows: 1, calls: 192},
	{name: "cold/local", sort: local, keys: 64, slow: 25, mix: reads, windows: 1, calls: 192},
	{name: "cold/remote", sort: remote, keys: 64, slow: 25, mix: reads, windows: 1, calls: 192},
	// Nothing happens that would detach a load.
	{name: "forced/memory", sort: memory, keys: 8, failing: 10, slow: 25, mix: forces},
	{name: "forced/remote", sort: remote, keys: 8, failing: 10, slow: 25, mix: forces},

	{name: "writes/memory", sort: memory, keys: 8, failing: 10, slow: 25, mix: writes},
	{name: "writes/local", sort: local, keys: 8, failing: 10, slow: 25, mix: writes},
	{name: "writes/remote", sort: remote, keys: 8, failing: 10, slow: 25, mix: writes},
	{name: "writes/serial", sort: memory, keys: 8, failing: 10, slow: 25, mix: writes, serial: true},
	{name: "writes/one key", sort: memory, keys: 1, failing: 10, slow: 25, mix: writes, calls: 24, windows: 32},

	{name: "life span/memory", sort: memory, keys: 8, failing: 10, slow: 25, mix: full, capacity: 6, updateAfter: time.Millisecond, expireAfter: 3 * time.Millisecond},
	{name: "life span/remote", sort: remote, keys: 8, failing: 10, slow: 25, mix: full, capacity: 6, updateAfter: time.Millisecond, expireAfter: 3 * time.Millisecond},
	{name: "life span/expiry only", sort: memory, keys: 8, failing: 10, slow: 25, mix: full, expireAfter: 2 * time.Millisecond},
	{name: "life span/fake clock", sort: memory, keys: 8, failing: 10, slow: 25, mix: timed, fake: true, updateAfter: 10 * time.Millisecond, expireAfter: 25 * time.Millisecond},
	{name: "life span/fake clock, remote", sort: remote, keys: 8, failing: 10, slow: 25, mix: timed, fake: true, updateAfter: 10 * time.Millisecond, expireAfter: 25 * time.Millisecond},

	{name: "eviction/least recently updated", sort: memory, keys: 24, capacity: 8, failing: 10, slow: 25, mix: full},
	{name: "eviction/least recently used", sort: memory, strategy: "least recently used", keys: 24, capacity: 8, failing: 10, slow: 25, mix: full},
	{name: "eviction/SIEVE", sort: memory, strategy: "SIEVE", keys: 24, capacity: 8, failing: 10, slow: 25, mix: full},
	{name: "eviction/S3-FIFO", sort: memory, strategy: "S3-FIFO", keys: 24, capacity: 8, failing: 10, slow: 25, mix: full},
	{name: "eviction/none", sort: memory, strategy: "none", keys: 24, failing: 10, slow: 25, mix: writes},
	{name: "eviction/remote", sort: remote, strategy: "SIEVE", keys: 24, capacity: 8, failing: 10, slow: 25, mix: full},

	{name: "faulty/local", sort: local, strategy: "S3-FIFO", keys: 12, capacity: 6, failing: 10, slow: 25, faulty: 5, mix: full, updateAfter: 2 * time.Millisecond, expireAfter: 5 * time.Millisecond},
	{name: "faulty/remote", sort: remote, strategy: "least recently used", keys: 12, capacity: 6, failing: 10, slow: 25, faulty: 5, mix: full, updateAfter: 2 * time.Millisecond, expireAfter: 5 * time.Millisecond},
	{name: "faulty/fake clock", sort: remote, keys: 12, capacity: 6, failing: 10, slow: 25, faulty: 5, mix: timed, fake: true, updateAfter: 10 * time.Millisecond, expireAfter: 25 * time.Millisecond},

	{name: "timeouts", sort: memory, keys: 8, failing: 10, slow: 25, timeout: 300 * time.Microsecond, mix: writes},
	{name: "panics", sort: memory, keys: 8, failing: 10, slow: 25, panicking: 5, mix: writes},
}

// figures fills in what a scenario leaves open.
func (s scenario) figures() scenario {
	if s.windows == 0 {
		s.windows = 4
	}
	if s.calls == 0 {
		s.calls = 192
	}
	if s.capacity == 0 {
		s.capacity = 2 * s.keys
	}
	if s.updateAfter == 0 {
		s.updateAfter = s.expireAfter
	}
	return s
}

func orForever(d time.Duration) time.Duration {
	if d == 0 {
		return cache.Forever
	}
	return d
}
