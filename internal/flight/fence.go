package flight

import "time"

// fence refuses the entries of a key, or of all keys of a shard, that were created up to an
// invalidation and may still be found in the storage: while the deletion is under way, after it has
// failed, and while a write that was given up on may land.
type fence struct {
	floor     time.Time // entries created up to here are refused; zero: none are
	deletions int       // under way
	failed    bool      // the last deletion failed, and nothing newer has been written since
	doubt     deadline  // until then a write that was given up on may land
}

// raise begins a deletion: entries created up to now are refused.
func (f *fence) raise(now time.Time) {
	f.deletions++
	f.lift(now)
}

// lift refuses the entries created up to t without a deletion.
func (f *fence) lift(t time.Time) {
	if t.After(f.floor) {
		f.floor = t
	}
}

// deleted ends a deletion.
func (f *fence) deleted(ok bool, now time.Time) {
	f.deletions--
	f.failed = !ok
	f.lower(now)
}

// replaced says that the storage holds an entry from above the floor.
func (f *fence) replaced(now time.Time) {
	f.failed = false
	f.lower(now)
}

// doubtful says that a write was given up on, of an entry that lives until d.
func (f *fence) doubtful(d deadline) {
	f.doubt = later(f.doubt, d)
}

// lower drops what is no longer needed.
func (f *fence) lower(now time.Time) {
	if f.doubt.passed(now) {
		f.doubt = deadline{}
	}
	if f.deletions == 0 && !f.failed && f.doubt.isZero() {
		f.floor = time.Time{}
	}
}

func (f *fence) refuses(created time.Time) bool {
	return !f.floor.IsZero() && !created.After(f.floor)
}

// above returns t, or if that is refused the next instant that is not.
func (f *fence) above(t time.Time) time.Time {
	if f.refuses(t) {
		return f.floor.Add(1)
	}
	return t
}

func (f *fence) isZero() bool {
	return f.floor.IsZero() && f.deletions == 0 && !f.failed && f.doubt.isZero()
}

// merge makes f refuse what other refuses too, and for as long.
func (f *fence) merge(other *fence) {
	f.lift(other.floor)
	f.failed = f.failed || other.failed || other.deletions > 0
	f.doubtful(other.doubt)
}
