package cache

import (
	"sync/atomic"
)

// Stats is a count of what a cache has done since it was made. At rest and with [WithStats] the
// calls of Get and Refresh are the sum of the first five, and the loads begun are LoadsSucceeded +
// LoadsFailed + LoadsTimedOut + LoadsPanicked + LoadsExited + LoadsRunning.
type Stats struct {
	Hits      uint64 // answered from storage with a fresh entry
	StaleHits uint64 // answered from storage with a stale entry
	Led       uint64 // the call caused a load, running or queued
	Joined    uint64 // the call waited for a load that another one caused
	Refused   uint64 // neither: closed, not configured, no key, ctx ended before, or would have waited for itself

	LoadsSucceeded uint64
	LoadsFailed    uint64
	LoadsTimedOut  uint64 // counted when the load function has returned
	LoadsPanicked  uint64
	LoadsExited    uint64
	LoadsRunning   int // those that outlived their timeout included

	Evictions     uint64
	Invalidations uint64 // calls of Invalidate and InvalidateAll
	StorageErrors uint64 // failed calls of storage, strategy and entry builder, decode errors apart
	DecodeErrors  uint64

	HitsCounted bool // false without WithStats: Hits and StaleHits are not counted
}

// counters are the running counts behind Stats.
type counters struct {
	led, joined, refused                          atomic.Uint64
	succeeded, failed, timedOut, panicked, exited atomic.Uint64
	running                                       atomic.Int64
	evictions, invalidations                      atomic.Uint64
	storageErrors, decodeErrors                   atomic.Uint64
}

// hitCounters are those of the hit path, where one shared word would be fought for.
type hitCounters struct{ fresh, stale *counter }

func newHitCounters() *hitCounters {
	return &hitCounters{fresh: newCounter(), stale: newCounter()}
}

// snapshot returns what has been counted. Hits may be nil.
func (c *counters) snapshot(hits *hitCounters) Stats {
	s := Stats{
		Led:            c.led.Load(),
		Joined:         c.joined.Load(),
		Refused:        c.refused.Load(),
		LoadsSucceeded: c.succeeded.Load(),
		LoadsFailed:    c.failed.Load(),
		LoadsTimedOut:  c.timedOut.Load(),
		LoadsPanicked:  c.panicked.Load(),
		LoadsExited:    c.exited.Load(),
		LoadsRunning:   int(c.running.Load()),
		Evictions:      c.evictions.Load(),
		Invalidations:  c.invalidations.Load(),
		StorageErrors:  c.storageErrors.Load(),
		DecodeErrors:   c.decodeErrors.Load(),
	}
	if hits != nil {
		s.HitsCounted, s.Hits, s.StaleHits = true, hits.fresh.value(), hits.stale.value()
	}
	return s
}
