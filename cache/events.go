package cache

import "time"

// Event is something that happened off the hit path. [WithObserver] receives it.
type Event struct {
	Kind     EventKind
	Key      any           // the cache key; nil if it concerns all keys
	Duration time.Duration // how long it took; 0 for LoadStarted
	Err      error         // what went wrong, if anything did
}

// EventKind says what happened.
type EventKind uint8

// The kinds of events. Each load is LoadStarted once and then, at most once, LoadSucceeded,
// LoadFailed or RefreshFailed: one whose callers have been answered otherwise, because the cache
// was closed, ends silently.
const (
	LoadStarted   EventKind = iota + 1 // the load function is about to be called
	LoadSucceeded                      // it returned a value, which its callers get now
	LoadFailed                         // it failed, panicked, exited or timed out, and its callers get the error
	RefreshFailed                      // the same of a background load, whose error no caller sees
	Evicted                            // the eviction strategy chose the entry, and the storage released it
	Invalidated                        // by a call of Invalidate or InvalidateAll; Err if the deletion failed
	StorageFailed                      // a call of the storage, of the strategy or of the entry builder failed, panicked or took too long
	DecodeFailed                       // the storage returned bytes that are not, or no longer, an entry
)

var kindNames = [...]string{
	LoadStarted:   "load started",
	LoadSucceeded: "load succeeded",
	LoadFailed:    "load failed",
	RefreshFailed: "refresh failed",
	Evicted:       "evicted",
	Invalidated:   "invalidated",
	StorageFailed: "storage failed",
	DecodeFailed:  "decode failed",
}

// String returns the kind in words, like "refresh failed".
func (k EventKind) String() string {
	if int(k) >= len(kindNames) || kindNames[k] == "" {
		return "unknown"
	}
	return kindNames[k]
}
