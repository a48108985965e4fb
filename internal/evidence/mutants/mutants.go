package main

// mutant is the library with one fault.
type mutant struct {
	name  string
	file  string // of the repository
	old   string // stands in it once
	new   string
	finds []string // the checkers that have to find it; others may
}

// The names of the checkers, which are those of their packages but for codecs, the tests of serde.
const (
	explore  = "explore"
	model    = "model"
	parallel = "parallel"
	faults   = "faults"
	leaks    = "leaks"
	codecs   = "codecs"
)

var mutants = []mutant{
	{
		name: "invalidation ignores flights",
		file: "internal/flight/change.go",
		old: `	s.failed, s.retry = time.Time{}, deadline{}
	return s.detach()
}`,
		new: `	s.failed, s.retry = time.Time{}, deadline{}
	return nil
}`,
		finds: []string{explore, parallel},
	},
	{
		name: "InvalidateAll misses flights",
		file: "internal/flight/change.go",
		old: `			if next := g.invalidateLocked(s, now); next != nil {
				start(next)
			}`,
		new:   `			_ = s`,
		finds: []string{explore},
	},
	{
		name:  "set in place beside a load",
		file:  "internal/flight/inplace.go",
		old:   `	if sh.slots.find(key) != nil || !sh.isQuiet(nil)`,
		new:   `	if !sh.isQuiet(nil)`,
		finds: []string{explore, model},
	},
	{
		name:  "superseded load stored in place",
		file:  "internal/flight/inplace.go",
		old:   `	if f.claimed || s.load != f || `,
		new:   `	if f.claimed || `,
		finds: []string{explore},
	},
	{
		name:  "changes in place while everything is removed",
		file:  "internal/flight/inplace.go",
		old:   `	return sh.gates == 0 && (`,
		new:   `	return (`,
		finds: []string{explore},
	},
	{
		name: "gap between miss and register",
		file: "internal/flight/join.go",
		old: `	if sh.version.Load() != version {
		return Outcome[K, V, J]{Retry: true}
	}
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if out, ok := s.join(ancestors, now); ok {`,
		new: `	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	if out, ok := s.join(ancestors, now); ok {`,
		finds: []string{explore},
	},
	{
		name: "refresh not decided again",
		file: "internal/flight/join.go",
		old: `	if sh.version.Load() != version {
		return Outcome[K, V, J]{Retry: true}
	}
	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	f := g.refreshLocked(s, entry, now, job)`,
		new: `	s := sh.slotLocked(key)
	defer sh.tidyLocked(s)
	f := g.refreshLocked(s, entry, now, job)`,
		finds: []string{explore},
	},
	{
		name:  "refresh beside a running one",
		file:  "internal/flight/join.go",
		old:   `	if s.load != nil || s.pending != nil || !s.retry.passed(now)`,
		new:   `	if s.pending != nil || !s.retry.passed(now)`,
		finds: []string{explore},
	},
	{
		name:  "stale entry tells of its refresh for ever",
		file:  "internal/flight/flight.go",
		old:   `		s.stale.EndRefreshing(s.token)`,
		new:   ``,
		finds: []string{model},
	},
	{
		name: "stale completion deregisters its successor",
		file: "internal/flight/flight.go",
		old: `	s.detachedLoads = without(s.detachedLoads, f)
	return nil`,
		new: `	s.detachedLoads = without(s.detachedLoads, f)
	s.load = nil
	return s.promote()`,
		finds: []string{explore},
	},
	{
		name:  "forced refresh joins the running load",
		file:  "internal/flight/join.go",
		old:   `	case running != nil && !running.started:`,
		new:   `	case running != nil:`,
		finds: []string{explore, parallel},
	},
	{
		name:  "lock timeout yields zero and nil",
		file:  "cache/load.go",
		old:   `	return callError(key, late)`,
		new:   `	return nil`,
		finds: []string{explore},
	},
	{
		name: "first caller's ctx used for the load",
		file: "cache/load.go",
		old:  `	if ctx.Err() != nil { // the cache was closed`,
		new: `	defer context.AfterFunc(f.Job.ctx, func() { ctx.Cancel(f.Job.ctx.Err()) })()
	if ctx.Err() != nil { // the cache was closed`,
		finds: []string{explore},
	},
	{
		name:  "no recover",
		file:  "cache/load.go",
		old:   `		if p := recover(); p != nil {`,
		new:   `		if p := any(nil); p != nil {`,
		finds: []string{explore, model},
	},
	{
		name: "no recover in the storage",
		file: "cache/call.go",
		old: `		defer catch(&err)
		err = op(ctx)`,
		new:   `		err = op(ctx)`,
		finds: []string{faults},
	},
	{
		name: "Goexit stores zero",
		file: "cache/load.go",
		old: `	a.err = ErrLoaderExited
	defer func() {`,
		new: `	a.err = nil
	defer func() {`,
		finds: []string{explore, model},
	},
	{
		name:  "age from load end",
		file:  "cache/load.go",
		old:   `		r.Entry, failure = e.build(s, f.Created(), f.Key, a.value, now)`,
		new:   `		r.Entry, failure = e.build(s, now, f.Key, a.value, now)`,
		finds: []string{explore, model},
	},
	{
		name:  "exclusive boundary of expiry",
		file:  "storage/entry.go",
		old:   `{ return e.span.reached(expireAfter, now) }`,
		new:   `{ return e.span.reached(expireAfter, now.Add(-1)) }`,
		finds: []string{model},
	},
	{
		name:  "exclusive boundary of staleness",
		file:  "storage/entry.go",
		old:   `{ return e.span.reached(updateAfter, now) }`,
		new:   `{ return e.span.reached(updateAfter, now.Add(-1)) }`,
		finds: []string{model},
	},
	{
		name:  "expired while a lookup was joined",
		file:  "cache/lookup.go",
		old:   `	case entry != nil && entry.Expired(s.clock.Now()):`,
		new:   `	case false:`,
		finds: []string{explore},
	},
	{
		name:  "victim dropped without release",
		file:  "cache/write.go",
		old:   `	err, stuck := e.change(context.Background(), s, victim, func(ctx context.Context) error { return s.store.Release(ctx, victim) })`,
		new:   `	var err error`,
		finds: []string{explore, model, parallel, leaks},
	},
	{
		name: "release error lost",
		file: "cache/write.go",
		old: `		if e.mayHold(s, victim) {
			s.strategy.aside`,
		new: `		if false {
			s.strategy.aside`,
		finds: []string{model, faults},
	},
	{
		name:  "failed victim not put back",
		file:  "cache/write.go",
		old:   `	if !s.strategy.aside.remove(key) {`,
		new:   `	if s.strategy.aside.remove(key) {`,
		finds: []string{model, faults},
	},
	{
		name:  "victim forgotten because the storage was replaced",
		file:  "cache/write.go",
		old:   `		case s.strategy.generation != named.strategy.generation:`,
		new:   `		case s.store.generation != named.store.generation:`,
		finds: []string{explore},
	},
	{
		name: "strategy not told of a removal",
		file: "cache/write.go",
		old: `		e.booked(n, s, key, s.strategy.released(key))
	}
	return err`,
		new: `	}
	return err`,
		finds: []string{explore, model},
	},
	{
		name:  "one entry too many",
		file:  "eviction/recency.go",
		old:   `return max(r.capacity.Load(), 0)`,
		new:   `return max(r.capacity.Load(), 0) + 1`,
		finds: []string{explore, model},
	},
	{
		name: "write error fails the call",
		file: "cache/load.go",
		old: `	if !e.claim(f, a, r, now) {
		return
	}
	defer f.Publish()`,
		new: `	if r.Entry != nil && s.store.memory == nil {
		if err := s.store.Offer(context.Background(), f.Key, r.Entry); err != nil {
			r.Err = &LoadError{Key: f.Key, Err: err}
		}
	}
	if !e.claim(f, a, r, now) {
		return
	}
	defer f.Publish()`,
		finds: []string{model, faults},
	},
	{
		name: "waiter waits for the write",
		file: "cache/load.go",
		old: `	if s.inline() {
		// It takes no time`,
		new: `	if true {
		// It takes no time`,
		finds: []string{faults},
	},
	{
		name: "timer not stopped",
		file: "cache/load.go",
		old: `		a.timer.Stop()
`,
		new:   ``,
		finds: []string{explore, leaks},
	},
	{
		name: "timer of a storage call not stopped",
		file: "cache/call.go",
		old: `		defer timer.Stop()
`,
		new:   ``,
		finds: []string{faults, leaks},
	},
	{
		name: "Set loses to an older load",
		file: "internal/flight/change.go",
		old: `	next = s.detach()
	turn = sh.enqueueLocked(s)
	s.pending`,
		new: `	turn = sh.enqueueLocked(s)
	s.pending`,
		finds: []string{explore},
	},
	{
		name: "late result stored",
		file: "internal/flight/result.go",
		old: `	if f.claimed {
		return false, nil, nil
	}
	f.claimed = true`,
		new: `	if f.claimed {
		if r.Entry != nil {
			s = sh.slotLocked(f.Key)
			turn = sh.enqueueLocked(s)
			s.pending, s.pendingBy = r.Entry, turn
		}
		return false, turn, nil
	}
	f.claimed = true`,
		finds: []string{explore},
	},
	{
		name:  "value forgotten before it is written",
		file:  "internal/flight/join.go",
		old:   `	case s.pending != nil && !s.pending.Expired(now):`,
		new:   `	case false:`,
		finds: []string{explore},
	},
	{
		name:  "lookup brings back what was deleted",
		file:  "internal/flight/join.go",
		old:   `	if entry != nil && !entry.Expired(now) && !refused {`,
		new:   `	if refused = false; entry != nil && !entry.Expired(now) && !refused {`,
		finds: []string{explore, parallel},
	},
	{
		name: "failed deletion is forgotten",
		file: "internal/flight/fence.go",
		old: `	f.failed = !ok
	f.lower(now)`,
		new:   `	f.lower(now)`,
		finds: []string{model, faults},
	},
	{
		name:  "no backoff",
		file:  "internal/flight/join.go",
		old:   ` || !s.retry.passed(now) && !entry.Created().After(s.failed) {`,
		new:   ` {`,
		finds: []string{model},
	},
	{
		name: "Close does not wait",
		file: "cache/cache.go",
		old: `	err := e.group.Idle(ctx, true)
	if err == nil {`,
		new: `	var err error
	if err == nil {`,
		finds: []string{explore},
	},
	{
		name:  "frame without checksum",
		file:  "serde/framed.go",
		old:   `	if checksum(data[:frameChecksumAt], payload) != [checksumSize]byte(data[frameChecksumAt:framePayloadAt]) {`,
		new:   `	if len(data) < framePayloadAt {`,
		finds: []string{codecs},
	},
}
