package model_test

import (
	"time"

	"github.com/memoize-go/memoize/cache"
)

// choose returns a number below n. It is how sequences are drawn: from rapid, or from the bytes of a
// fuzzer.
type choose func(n int) int

func of[T any](c choose, of ...T) T { return of[c(len(of))] }

// oneIn reports true once in n times.
func (c choose) oneIn(n int) bool { return c(n) == n-1 }

var (
	steps    = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 500 * time.Millisecond, time.Second - 1, 5 * time.Second, 1, 10 * time.Second, time.Minute}
	spans    = []time.Duration{2 * time.Second, 4 * time.Second, 0, time.Second, 5 * time.Second, 10 * time.Second, cache.Forever}
	limits   = []time.Duration{2 * time.Second, time.Second, 5 * time.Second, cache.Forever}
	backoffs = []time.Duration{time.Second, 3 * time.Second, 0, cache.Forever}
)

func drawStore(c choose) *storeSpec {
	s := &storeSpec{kind: of(c, inMemory, inLocal, inRemote, inRemote), clears: true, lists: true}
	if s.kind != inMemory {
		s.clears = !c.oneIn(4)
		s.lists = s.kind == inLocal != c.oneIn(4) // most that are local do, most that are remote do not
	}
	if s.kind == inRemote {
		s.keeps = c.oneIn(4)
	}
	if c.oneIn(3) {
		s.foreign = uint(c(1 << keyCount))
	}
	return s
}

func drawStrategy(c choose) *strategySpec {
	return &strategySpec{
		kind:     of(c, leastRecentlyUpdated, leastRecentlyUsed, sieve, s3fifo, foreignStrategy, noStrategy),
		capacity: 1 + c(5),
	}
}

// drawOptions draws the configuration of a new cache, which is valid.
func drawOptions(c choose) options {
	o := options{stats: !c.oneIn(4), await: c.oneIn(16), repeated: c.oneIn(8), store: drawStore(c)}
	if c.oneIn(2) {
		o.strategy = drawStrategy(c)
	} else {
		o.capacity = given(1 + c(5))
	}
	update, expire := of(c, spans...), of(c, spans...)
	switch c(8) {
	case 0:
		o.update = given(update)
	case 1:
		o.expire = given(expire)
	case 2:
		o.builder = &builder{min(update, expire), expire, builds}
	default:
		o.update, o.expire = given(min(update, expire)), given(max(update, expire))
	}
	o.backoff = given(of(c, backoffs...))
	if c.oneIn(2) {
		o.timeout = given(of(c, limits...))
	}
	if c.oneIn(4) {
		o.lock = given(of(c, limits...))
	}
	if c.oneIn(4) {
		o.process = processors[0]
	}
	return o
}

// processors are far apart from each other and from every number of a load.
var processors = []int64{1 << 32, 2 << 32, panicProcess}

// panicProcess is post-processing that panics.
const panicProcess = 3 << 32

// drawChange draws options for Reconfigure, which may be invalid together.
func drawChange(c choose) (o options) {
	o.repeated = c.oneIn(8)
	for range 1 + c(2) {
		switch c(15) {
		case 0, 1:
			o.capacity = given(c(6)) // 0 is invalid
		case 2:
			o.update = given(of(c, spans...))
		case 3:
			o.expire = given(of(c, spans...))
		case 4:
			o.update = given(of(c, spans...) - 1) // negative, or more than expire_after, or almost Forever
		case 5:
			o.backoff = given(of(c, backoffs...))
		case 6:
			o.timeout = given(of(c, append(limits, 0)...))
		case 7:
			o.lock = given(of(c, append(limits, 0)...))
		case 8:
			o.store = drawStore(c)
		case 9:
			o.strategy = drawStrategy(c)
		case 10:
			o.process = of(c, processors...)
		case 11:
			o.support = true
		case 12, 14:
			switch c(4) {
			case 0, 2:
				o.builder = &builder{time.Second, of(c, 2*time.Second, cache.Forever), of(c, builds, builds, buildsNothing, buildPanics)}
			case 1:
				o.await = true
			default:
				o.stats = true
			}
		case 13:
			switch c(4) {
			case 0:
				o.storage = given(of(c, time.Second, 0, cache.Forever))
			case 1:
				o.name = given("name")
			default:
				o.misfit = misfit(c(int(misfits)))
			}
		}
	}
	return o
}

// kinds has each kind of operation as often as it is to come.
var kinds = func() (kinds []opKind) {
	for _, w := range []struct {
		kind  opKind
		times int
	}{
		{opGet, 22}, {opAdvance, 7}, {opAdvanceTo, 8}, {opRefresh, 7}, {opSet, 6}, {opInvalidate, 6}, {opInvalidateAll, 2},
		{opChange, 4}, {opAnswer, 6}, {opHold, 6}, {opLetGo, 5}, {opLetAllGo, 4}, {opCancel, 3}, {opSetClock, 3},
		{opFail, 6}, {opHeal, 4}, {opCorrupt, 3}, {opForeignWrite, 2}, {opForeignDelete, 1},
		{opReconfigure, 6}, {opSupport, 2}, {opPeek, 1}, {opWait, 1}, {opClose, 1},
	} {
		for range w.times {
			kinds = append(kinds, w.kind)
		}
	}
	return kinds
}()

func drawOp(c choose) op {
	o := op{kind: of(c, kinds...)}
	switch o.kind {
	case opGet, opRefresh, opSet, opInvalidate, opPeek:
		o.key, o.ctx = c(keyCount), drawCtx(c)
	case opInvalidateAll, opWait:
		o.ctx = drawCtx(c)
	case opClose:
		if !c.oneIn(4) { // it is the end of most of what follows
			return op{kind: opGet, key: c(keyCount)}
		}
		o.ctx = drawCtx(c)
	case opSupport:
		o.key, o.n = c(keyCount+1), c(2)
	case opReconfigure:
		o.options = drawChange(c)
	case opCancel, opLetGo:
		o.n = c(4)
	case opAdvance:
		o.d = of(c, steps...)
	case opAdvanceTo:
		o.n, o.d = c(4), of[time.Duration](c, 0, -1, 1)
	case opSetClock:
		o.d = of[time.Duration](c, -1, 1, -2) * of(c, steps...)
	case opChange, opLetAllGo, opForeignDelete, opForeignWrite:
		o.key = c(keyCount)
	case opAnswer:
		o.key, o.does = c(keyCount), answer(c(int(answers)))
	case opHold:
		o.key, o.hold = c(keyCount), of(c, held, heeding)
	case opFail:
		o.call, o.fails = storeCall(c(int(storeCalls))), failure(c(int(failures)))
	case opCorrupt:
		o.key, o.n = c(keyCount), c(256)<<8|c(256)
	}
	return o
}

func drawCtx(c choose) ctxKind {
	if !c.oneIn(8) {
		return liveCtx
	}
	return of(c, endedCtx, endedCtx, nilCtx)
}

// drawSequence draws all of a sequence but its operations.
func drawSequence(c choose) (s sequence, keys int) {
	return sequence{options: drawOptions(c), peeks: c.oneIn(2)}, of(c, 2, keyCount, 1)
}

// within makes the operations concern the first n keys: the fewer, the more happens to each.
func (s *sequence) within(n int) {
	for i := range s.ops {
		if o := &s.ops[i]; o.kind != opSupport || o.key < keyCount {
			o.key %= n
		}
	}
}
