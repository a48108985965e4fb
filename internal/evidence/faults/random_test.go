package faults_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/internal/evidence"
	"github.com/memoize-go/memoize/storage/storagetest"
)

var seedFlag = flag.Uint64("seed", 0, "the only round of TestRandom to play; 0: all")

const (
	callsPerRound = 200
	randomCap     = 3 // entries, of 4 keys
)

func TestRandom(t *testing.T) {
	if *seedFlag != 0 {
		for _, problem := range play(t, *seedFlag, func(g *rigging) { g.trace = t.Logf }) {
			t.Error(problem)
		}
		return
	}
	var calls, violations int64
	for seed := uint64(1); calls < int64(evidence.Amount(2_000, 200_000)); seed++ {
		problems := play(t, seed, nil)
		calls += callsPerRound
		if len(problems) > 0 {
			violations++
			t.Errorf("seed %d: %s (and %d more); repeat it with -run Random -seed %d", seed, problems[0], len(problems)-1, seed)
		}
	}
	evidence.Report(t, "faults at random", calls, "calls on a storage that fails in a fifth of its own", violations)
}

var errBackend = errors.New("backend is down")

// faultRates returns how often each fault happens in a round, which adds up to a fifth. Honest storages report as done what they
// have done, and answer with what they hold: only then everything can be expected. Every other pair of rounds is without
// FailApplied, which leaves entries in the storage that no strategy knows of, if the read fails too by which the cache finds out.
func faultRates(seed uint64) (rates map[storagetest.Fault]float64, honest bool) {
	rates = map[storagetest.Fault]float64{
		storagetest.Fail: 0.035, storagetest.Panic: 0.025, storagetest.Exit: 0.02, storagetest.Delay: 0.02,
		storagetest.Hang: 0.02, storagetest.HangForever: 0.025, storagetest.Corrupt: 0.015, storagetest.Cut: 0.015,
		storagetest.FailApplied: 0.025,
	}
	if honest = seed%2 == 0; !honest {
		rates[storagetest.Fail] -= 0.02
		rates[storagetest.Stale], rates[storagetest.Twice] = 0.01, 0.01
	}
	if seed%4 < 2 {
		rates[storagetest.Fail] += rates[storagetest.FailApplied]
		delete(rates, storagetest.FailApplied)
	}
	return rates, honest
}

// player makes one random sequence of calls.
type player struct {
	*rig
	seed   uint64
	random *rand.Rand
	honest bool

	versions [4]int64
	born     map[value]time.Time // when the load began, or the Set: of every value that there ever was
}

// play plays a round and returns what has gone wrong. Alter, if it is set, may change what the rig is made of.
func play(t *testing.T, seed uint64, alter func(*rigging)) (problems []string) {
	t.Helper()
	rates, honest := faultRates(seed)
	synctest.Test(t, func(t *testing.T) {
		g := rigging{
			shape: []shape{remoteJSON, remoteGob}[seed/4%2], capacity: randomCap,
			faults: []storagetest.FaultyOption{storagetest.Seeded(seed, rates), storagetest.WithDelay(slowly)},
		}
		if alter != nil {
			alter(&g)
		}
		p := &player{
			rig: newRig(g), seed: seed, random: rand.New(rand.NewPCG(seed, 1)), honest: honest,
			versions: [4]int64{1, 1, 1, 1}, born: map[value]time.Time{},
		}
		p.source.Answer = p.load
		for range callsPerRound {
			p.one()
		}
		p.finish()
		problems = p.problems
	})
	return problems
}

// load is what a load does once it has found v.
func (p *player) load(_ context.Context, v value) (value, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails(v) {
		return value{}, errBackend
	}
	p.born[v] = p.clock.Now()
	return v, nil
}

// fails decides which loads fail, whatever order they come in.
func (p *player) fails(v value) bool {
	return rand.New(rand.NewPCG(p.seed, uint64(v.Key)<<32+uint64(v.Load))).IntN(20) == 0
}

// one makes one call, and lets some time pass.
func (p *player) one() {
	key := p.random.IntN(4)
	switch n := p.random.IntN(100); {
	case n < 45:
		p.ask("Get", key, p.get(key), storageTimeout)
	case n < 55:
		p.ask("Refresh", key, p.refresh(key), 0)
	case n < 60:
		p.ask("Peek", key, p.peekAt(key), storageTimeout)
	case n < 72:
		p.store(key)
	case n < 84:
		p.change("Invalidate", p.invalidate, key)
	case n < 88:
		p.change("InvalidateAll", func(int) *call { return p.invalidateAll() }, 0, 1, 2, 3)
	case n < 92:
		p.settle("in between") // so that what hangs has been given up on
		p.tracef("Free, of %d", p.faulty.Hanging())
		p.faulty.Free()
	default:
		p.settle("in between")
	}
	passes := []time.Duration{0, 0, 0, 1, time.Millisecond, time.Second, time.Minute, 6 * time.Minute, 21 * time.Minute}
	d := passes[p.random.IntN(len(passes))]
	if d >= time.Second {
		p.settle("in between") // a jump must not decide whether what is late is too late
	}
	synctest.Wait()
	p.clock.Advance(d)
}

// ask checks the answer of a call for a value.
func (p *player) ask(what string, key int, c *call, limit time.Duration) {
	floor, began := p.source.Floor(key), p.clock.Now()
	p.tracef("%s %d ...", what, key)
	took, ended := p.await(c, patience)
	p.tracef("%s %d: %+v, %v; the floor was %d", what, key, c.value, c.err, floor)
	switch {
	case !ended || !c.returned:
		p.problemf("%s of %d has not returned: %v", what, key, c.panicked)
		return
	case took > limit:
		p.problemf("%s of %d took %v", what, key, took)
	case c.err == errNothing || errors.Is(c.err, errBackend):
		return
	case c.err != nil:
		p.problemf("%s of %d failed, though only the storage has: %v", what, key, c.err)
		return
	}
	p.mu.Lock()
	born, known := p.born[c.value]
	p.mu.Unlock()
	if err := p.source.Check(key, floor, c.value); err != nil {
		p.problemf("%s: %v", what, err)
	}
	switch {
	case !known:
		p.problemf("%s of %d gives %+v, which nobody has loaded or set", what, key, c.value)
	case !began.Before(born.Add(expireAfter + time.Microsecond)):
		p.problemf("%s of %d gives %+v, which is %v old", what, key, c.value, began.Sub(born))
	case what == "Refresh" && born.Before(began):
		p.problemf("Refresh of %d gives %+v, whose load began %v before the call", key, c.value, began.Sub(born))
	}
}

// store sets a new version.
func (p *player) store(key int) {
	v := value{Key: key, Load: p.source.Loads(key)}
	if v.Load == 0 {
		return // no value that a load could have had
	}
	v.Version = p.source.Change(key)
	p.versions[key] = v.Version
	p.mu.Lock()
	p.born[v] = p.clock.Now()
	p.mu.Unlock()
	p.tracef("Set %d to %+v ...", key, v)
	c := p.set(key, v)
	_, ended := p.await(c, patience)
	p.tracef("Set %d: %v", key, c.err)
	if !ended || !c.returned {
		p.problemf("Set of %d has not returned: %v", key, c.panicked)
		return
	}
	p.failure("Set", c.err)
	if p.honest {
		p.source.Raise(key, v.Version) // in any case the old entry is refused (22)
	}
}

// change gives keys a new version and invalidates them.
func (p *player) change(what string, invalidate func(int) *call, keys ...int) {
	for _, key := range keys {
		p.versions[key] = p.source.Change(key)
	}
	p.tracef("%s %v, now versions %v ...", what, keys, p.versions)
	c := invalidate(keys[0])
	_, ended := p.await(c, patience)
	p.tracef("%s %v: %v", what, keys, c.err)
	if !ended || !c.returned {
		p.problemf("%s has not returned: %v", what, c.panicked)
		return
	}
	p.failure(what, c.err)
	if c.err == nil || p.honest { // this process refuses the old entry even if it is still there (23)
		for _, key := range keys {
			p.source.Raise(key, p.versions[key])
		}
	}
}

// failure checks that a change fails as its storage does, and not otherwise.
func (p *player) failure(what string, err error) {
	var panicked *cache.PanicError
	switch {
	case err == nil, errors.Is(err, storagetest.ErrInjected), errors.Is(err, context.DeadlineExceeded):
	case errors.As(err, &panicked):
		p.problemf("%s: a panic that the storage has not made: %v", what, err)
	case errors.Is(err, cache.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, errBackend):
		p.problemf("%s: %v", what, err)
	}
}

// finish heals the storage and checks what is left.
func (p *player) finish() {
	p.settle("at the end of the calls")
	p.free()
	p.settle("when all are freed")
	for key := range 4 {
		p.ask("Get", key, p.get(key), 0)
		p.settle("after healing")
	}
	p.must(p.set(0, value{Key: 0, Version: p.source.Change(0), Load: 1})) // a write, with which failed releases are tried again
	p.noTimer("at the end")
	if p.faulty.Injected(storagetest.OnOffer, storagetest.FailApplied) == 0 { // see faultRates
		p.covered("at the end")
		if n := len(p.inner.keys()); n > randomCap {
			p.problemf("at the end: %d entries, and room for %d", n, randomCap)
		}
	}
	p.tally()
	p.end()
}

// tally checks that each failed call of the storage is counted, once.
func (p *player) tally() {
	want := 0
	for op := storagetest.OnGet; op <= storagetest.OnClear; op++ {
		for _, f := range []storagetest.Fault{
			storagetest.Fail, storagetest.Panic, storagetest.Exit, storagetest.FailApplied, storagetest.Hang, storagetest.HangForever,
		} {
			want += p.faulty.Injected(op, f)
		}
	}
	s := p.cache.Stats()
	if int(s.StorageErrors) != want {
		p.problemf("%d calls of the storage have failed, %d are counted", want, s.StorageErrors)
	}
	p.counted(want, int(s.DecodeErrors))
}
