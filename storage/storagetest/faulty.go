package storagetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/memoize-go/memoize/storage"
)

// ErrInjected is what the errors and the panics match that a [Faulty] has made up.
var ErrInjected = errors.New("storagetest: injected fault")

// Op is an operation of a storage.
type Op uint8

// The operations of [storage.Storage] and of its optional abilities.
const (
	OnGet Op = iota
	OnOffer
	OnRelease
	OnInvalidate
	OnClear  // of a Clearer
	OnLookup // of a Local
	OnAll    // of a Lister: a call for every loop over it
	ops
)

var opNames = [ops]string{"Get", "Offer", "Release", "Invalidate", "Clear", "Lookup", "All"}

// String returns the name of the method.
func (o Op) String() string {
	if o < ops {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Fault is what happens in one call of a storage.
//
// Lookup and All have no ctx to end and no error to return, and their entries live in this process: they have never been
// bytes, and there is no older copy of them. So only Panic, Exit, Delay and HangForever happen there. Release, Invalidate
// and Clear have no entry that could be damaged or old.
//
// No fault brings back what a removal has removed that returned nil. That such an entry is gone for every process is what
// a storage owes; in front of one that lies about it no cache can promise anything.
type Fault uint8

// The faults.
const (
	OK          Fault = iota // what ought to happen
	Fail                     // an error, and nothing is done
	Panic                    // with an error, and nothing is done
	Exit                     // of the goroutine, by runtime.Goexit, and nothing is done
	Delay                    // it is done after the time of WithDelay, whatever has become of ctx
	Hang                     // until ctx ends, with its error, or until Free; nothing is done
	HangForever              // until Free; then it is done, whatever has become of ctx: a call that was given up on lands late
	FailApplied              // it is done, and an error is returned all the same
	Corrupt                  // a bit of the entry's bytes is flipped: of Get on the way out, of Offer for all who read it
	Cut                      // the tail of the entry's bytes is missing: of Get on the way out, of Offer for all who read it
	Stale                    // Get answers from before the last Offer of the key; an Offer is reported as done and nobody ever sees it
	Twice                    // it is done once more: at once, but an Offer right after the next Offer of the key, so that it overtakes that
	faults
)

var faultNames = [faults]string{
	"OK", "Fail", "Panic", "Exit", "Delay", "Hang", "HangForever", "FailApplied", "Corrupt", "Cut", "Stale", "Twice",
}

// String returns the name of the constant.
func (f Fault) String() string {
	if f < faults {
		return faultNames[f]
	}
	return fmt.Sprintf("Fault(%d)", uint8(f))
}

// AppliesTo reports whether the fault can happen in a call of op.
func (f Fault) AppliesTo(op Op) bool {
	switch f {
	case OK, Panic, Exit, Delay, HangForever:
		return op < ops
	case Fail, Hang, FailApplied, Twice:
		return op <= OnClear
	case Corrupt, Cut, Stale:
		return op <= OnOffer
	}
	return false
}

// Faults returns the faults that apply to op, OK first.
func Faults(op Op) []Fault {
	var all []Fault
	for f := range faults {
		if f.AppliesTo(op) {
			all = append(all, f)
		}
	}
	return all
}

// Codec is what [Corrupt] and [Cut] need: entries to bytes and back, as serde.Codec does it.
type Codec[V any] interface {
	Encode(entry *storage.Entry[V]) ([]byte, error)
	Decode(data []byte) (*storage.Entry[V], error)
}

// FaultyOption is a setting of [NewFaulty].
type FaultyOption interface{ applyFaulty(*faultyConfig) }

type faultyOption func(*faultyConfig)

func (f faultyOption) applyFaulty(c *faultyConfig) { f(c) }

// faultyConfig is what the options said, unchecked.
type faultyConfig struct {
	codec   any // a Codec[V]
	after   func(time.Duration) <-chan time.Time
	delay   time.Duration
	scripts []func(faultScript) error
	seed    uint64
	rates   map[Fault]float64
}

// faultScript is a Faulty whose types do not matter.
type faultScript interface {
	Next(op Op, faults ...Fault) error
	Always(op Op, fault Fault) error
}

// WithCodec makes the bytes that [Corrupt] and [Cut] damage. Whoever reads what was damaged gets what the codec makes of
// it: an error, or with a codec that has no checksum perhaps another value. There is no default, and without one these two
// faults are refused.
func WithCodec[V any](codec Codec[V]) FaultyOption {
	return faultyOption(func(c *faultyConfig) { c.codec = codec })
}

// WithDelay sets how long a [Delay] takes. The default is 100 ms.
func WithDelay(d time.Duration) FaultyOption {
	return faultyOption(func(c *faultyConfig) { c.delay = d })
}

// WithAfter sets what a [Delay] waits for: the channel that after returns gets a value when the time is over. The default
// is [time.After]; a fake clock has a method of this kind.
func WithAfter(after func(time.Duration) <-chan time.Time) FaultyOption {
	return faultyOption(func(c *faultyConfig) { c.after = after })
}

// Scripted is [Faulty.Next] from the beginning.
func Scripted(op Op, faults ...Fault) FaultyOption {
	return faultyOption(func(c *faultyConfig) {
		c.scripts = append(c.scripts, func(s faultScript) error { return s.Next(op, faults...) })
	})
}

// Standing is [Faulty.Always] from the beginning.
func Standing(op Op, fault Fault) FaultyOption {
	return faultyOption(func(c *faultyConfig) {
		c.scripts = append(c.scripts, func(s faultScript) error { return s.Always(op, fault) })
	})
}

// Seeded makes calls fail at random, each fault with its probability, from 0 to 1, in every operation to which it
// applies. Every operation has a sequence of its own: the same seed gives its first, second and third call the same faults,
// in whatever order operations follow each other.
func Seeded(seed uint64, rates map[Fault]float64) FaultyOption {
	return faultyOption(func(c *faultyConfig) { c.seed, c.rates = seed, maps.Clone(rates) })
}

// Faulty is a storage in front of another one, in whose calls faults happen: for tests of what uses a storage. Without
// faults it is as good as the one behind it. It is safe for concurrent use.
//
// A call takes the first fault that there is: the next one of the script of its operation ([Faulty.Next]), the one that
// stands ([Faulty.Always]), a random one ([Seeded]). A Faulty starts no goroutine; calls that hang keep those of their
// callers, until Free.
//
// The Faulty itself has the four methods of [storage.Storage] and none of its optional abilities: that is how a
// [storage.Memory] becomes a storage that has to be asked through Get. [Faulty.Storage] has those of the storage behind it.
type Faulty[K comparable, V any] struct {
	inner   storage.Storage[K, V]
	local   storage.Local[K, V] // nil if it is none, as the next two
	clearer storage.Clearer
	lister  storage.Lister[K, V]
	codec   Codec[V]
	after   func(time.Duration) <-chan time.Time
	delay   time.Duration

	mu       sync.Mutex
	scripts  [ops][]Fault
	standing [ops]Fault
	rates    [faults]float64
	random   [ops]*rand.Rand
	calls    [ops]int
	injected [ops][faults]int
	hanging  int
	freed    chan struct{} // closed by Free, which puts another one in its place
	past     map[K]past[V] // of keys that were offered and not removed since
}

// past is what a Faulty remembers of a key.
type past[V any] struct {
	last, before *storage.Entry[V] // what was stored last, and what before it
	again        *storage.Entry[V] // to be offered again
	damaged      []byte            // what is to be read instead of last; nil: that itself
}

var _ storage.Storage[int, int] = (*Faulty[int, int])(nil)

// NewFaulty returns inner with faults in front of it, none unless options say so. A fault that does not apply to the
// operation, or that inner lacks the operation for, is an error that names both. In a testing/synctest bubble it has to be
// made inside.
func NewFaulty[K comparable, V any](inner storage.Storage[K, V], opts ...FaultyOption) (*Faulty[K, V], error) {
	if inner == nil {
		return nil, errors.New("storagetest: NewFaulty: nil storage")
	}
	c := faultyConfig{after: time.After, delay: 100 * time.Millisecond}
	for _, opt := range opts {
		opt.applyFaulty(&c)
	}
	f := &Faulty[K, V]{inner: inner, after: c.after, delay: c.delay, freed: make(chan struct{}), past: map[K]past[V]{}}
	f.local, _ = inner.(storage.Local[K, V])
	f.clearer, _ = inner.(storage.Clearer)
	f.lister, _ = inner.(storage.Lister[K, V])
	for op := range ops {
		f.random[op] = rand.New(rand.NewPCG(c.seed, uint64(op)))
	}
	if c.delay < 0 {
		return nil, fmt.Errorf("storagetest: WithDelay: negative duration %v", c.delay)
	}
	if c.after == nil {
		return nil, errors.New("storagetest: WithAfter: nil function")
	}
	if c.codec != nil {
		codec, ok := c.codec.(Codec[V])
		if !ok {
			return nil, fmt.Errorf("storagetest: WithCodec: %T is no codec for the entries of a %T", c.codec, inner)
		}
		f.codec = codec
	}
	for _, script := range c.scripts {
		if err := script(f); err != nil {
			return nil, err
		}
	}
	return f, f.rate(c.rates)
}

func (f *Faulty[K, V]) rate(rates map[Fault]float64) error {
	sum := 0.0
	for _, fault := range slices.Sorted(maps.Keys(rates)) {
		rate := rates[fault]
		switch {
		case fault >= faults:
			return fmt.Errorf("storagetest: Seeded: there is no %v", fault)
		case !(rate >= 0 && rate <= 1): // NaN too
			return fmt.Errorf("storagetest: Seeded: %v at a rate of %v", fault, rate)
		case f.codec == nil && (fault == Corrupt || fault == Cut):
			return fmt.Errorf("storagetest: Seeded: %v needs WithCodec", fault)
		case fault != OK:
			f.rates[fault] = rate
			sum += rate
		}
	}
	if sum > 1+1e-9 {
		return fmt.Errorf("storagetest: Seeded: the rates add up to %v", sum)
	}
	return nil
}

// Next adds faults to the script of an operation, whose next calls get one each. It adds none if one of them does not
// apply.
func (f *Faulty[K, V]) Next(op Op, faults ...Fault) error {
	for _, fault := range faults {
		if err := f.check("Next", op, fault); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scripts[op] = append(f.scripts[op], faults...)
	return nil
}

// Always makes a fault happen in every call of an operation for which there is none in the script, until Heal or the next
// Always.
func (f *Faulty[K, V]) Always(op Op, fault Fault) error {
	if err := f.check("Always", op, fault); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.standing[op] = fault
	return nil
}

func (f *Faulty[K, V]) check(what string, op Op, fault Fault) error {
	switch {
	case !fault.AppliesTo(op):
		return fmt.Errorf("storagetest: %s: %v does not apply to %v", what, fault, op)
	case op == OnClear && f.clearer == nil, op == OnLookup && f.local == nil, op == OnAll && f.lister == nil:
		return fmt.Errorf("storagetest: %s: a %T has no %v", what, f.inner, op)
	case f.codec == nil && (fault == Corrupt || fault == Cut):
		return fmt.Errorf("storagetest: %s: %v needs WithCodec", what, fault)
	}
	return nil
}

// Heal takes back all faults, random ones too, for calls that begin from now on. It frees nobody, and repairs nothing that
// was damaged.
func (f *Faulty[K, V]) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scripts, f.standing, f.rates = [ops][]Fault{}, [ops]Fault{}, [faults]float64{}
}

// Free lets go all calls that hang: those of HangForever are carried out now, those of Hang return an error. Calls that begin
// afterwards may hang again. A test that has had calls hang ends with Heal and Free.
func (f *Faulty[K, V]) Free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.freed)
	f.freed = make(chan struct{})
}

// Hanging returns how many calls hang.
func (f *Faulty[K, V]) Hanging() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hanging
}

// Calls returns how many calls of an operation have begun.
func (f *Faulty[K, V]) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// Injected returns in how many of these calls a fault has happened; for OK, in how many none has. Where there was nothing for
// it to work on it counts all the same.
func (f *Faulty[K, V]) Injected(op Op, fault Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.injected[op][fault]
}

// Unwrap returns the storage behind the faults.
func (f *Faulty[K, V]) Unwrap() storage.Storage[K, V] { return f.inner }

// Storage returns the Faulty with those optional abilities that the storage behind it has: [storage.Local],
// [storage.Clearer] and [storage.Lister]. A type assertion finds an ability in it exactly if it finds it there.
func (f *Faulty[K, V]) Storage() storage.Storage[K, V] {
	l, c, a := faultyLocal[K, V]{f}, faultyClearer[K, V]{f}, faultyLister[K, V]{f}
	switch has := [3]bool{f.local != nil, f.clearer != nil, f.lister != nil}; has {
	case [3]bool{true, true, true}:
		return struct {
			*Faulty[K, V]
			faultyLocal[K, V]
			faultyClearer[K, V]
			faultyLister[K, V]
		}{f, l, c, a}
	case [3]bool{true, true, false}:
		return struct {
			*Faulty[K, V]
			faultyLocal[K, V]
			faultyClearer[K, V]
		}{f, l, c}
	case [3]bool{true, false, true}:
		return struct {
			*Faulty[K, V]
			faultyLocal[K, V]
			faultyLister[K, V]
		}{f, l, a}
	case [3]bool{true, false, false}:
		return struct {
			*Faulty[K, V]
			faultyLocal[K, V]
		}{f, l}
	case [3]bool{false, true, true}:
		return struct {
			*Faulty[K, V]
			faultyClearer[K, V]
			faultyLister[K, V]
		}{f, c, a}
	case [3]bool{false, true, false}:
		return struct {
			*Faulty[K, V]
			faultyClearer[K, V]
		}{f, c}
	case [3]bool{false, false, true}:
		return struct {
			*Faulty[K, V]
			faultyLister[K, V]
		}{f, a}
	}
	return f
}

// verdict is what is to happen in a call.
type verdict struct {
	op    Op
	fault Fault
	dice  uint64 // decides where bytes are damaged
	freed <-chan struct{}
}

// decide begins a call. The dice are thrown for each, so that scripts do not shift what is random.
func (f *Faulty[K, V]) decide(op Op) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	chance, dice := f.random[op].Float64(), f.random[op].Uint64()
	v := verdict{op: op, dice: dice, freed: f.freed}
	switch {
	case len(f.scripts[op]) > 0:
		v.fault = f.scripts[op][0]
		f.scripts[op] = f.scripts[op][1:]
	case f.standing[op] != OK:
		v.fault = f.standing[op]
	default:
		v.fault = f.drawLocked(op, chance)
	}
	f.calls[op]++
	f.injected[op][v.fault]++
	if v.hangs() {
		f.hanging++
	}
	return v
}

func (f *Faulty[K, V]) drawLocked(op Op, chance float64) Fault {
	for fault, rate := range f.rates {
		if chance < rate && Fault(fault).AppliesTo(op) {
			return Fault(fault)
		}
		chance -= rate
		if chance < 0 {
			break
		}
	}
	return OK
}

func (v verdict) hangs() bool { return v.fault == Hang || v.fault == HangForever }

func (v verdict) damages() bool { return v.fault == Corrupt || v.fault == Cut }

func (v verdict) err() error { return fmt.Errorf("%w: %v: %v", ErrInjected, v.op, v.fault) }

// damage returns data as the fault leaves it.
func (v verdict) damage(data []byte) []byte {
	data = slices.Clone(data)
	if len(data) == 0 {
		return data
	}
	at := v.dice % (8 * uint64(len(data)))
	if v.fault == Cut {
		return data[:at/8]
	}
	data[at/8] ^= 1 << (at % 8)
	return data
}

// run carries out a call, apart from what is particular to Get and Offer.
func (f *Faulty[K, V]) run(ctx context.Context, v verdict, do func(context.Context) error) error {
	switch v.fault {
	case Fail:
		return v.err()
	case Panic:
		panic(v.err())
	case Exit:
		runtime.Goexit()
	case Delay:
		<-f.after(f.delay)
		ctx = context.WithoutCancel(ctx)
	case Hang, HangForever:
		if err := f.hang(ctx, v); err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx)
	case Twice:
		if v.op != OnOffer {
			if err := do(ctx); err != nil {
				return err
			}
		}
	}
	err := do(ctx)
	if v.fault == FailApplied {
		return v.err()
	}
	return err
}

// hang waits, and returns an error unless the call is to be carried out then.
func (f *Faulty[K, V]) hang(ctx context.Context, v verdict) error {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.hanging--
	}()
	if v.fault == HangForever {
		<-v.freed
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-v.freed:
		return v.err()
	}
}

// Get returns the entry of key, unless a fault happens.
func (f *Faulty[K, V]) Get(ctx context.Context, key K) (*storage.Entry[V], error) {
	v := f.decide(OnGet)
	var entry *storage.Entry[V]
	err := f.run(ctx, v, func(ctx context.Context) (err error) {
		entry, err = f.read(ctx, key, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (f *Faulty[K, V]) read(ctx context.Context, key K, v verdict) (*storage.Entry[V], error) {
	f.mu.Lock()
	past, known := f.past[key]
	f.mu.Unlock()
	switch {
	case known && v.fault == Stale:
		return past.before, nil
	case past.damaged != nil && v.damages():
		return f.codec.Decode(v.damage(past.damaged))
	case past.damaged != nil:
		return f.codec.Decode(past.damaged)
	}
	entry, err := f.inner.Get(ctx, key)
	if entry == nil || err != nil || !v.damages() {
		return entry, err
	}
	data, err := f.codec.Encode(entry)
	if err != nil {
		return nil, err
	}
	return f.codec.Decode(v.damage(data))
}

// Offer stores entry under key, unless a fault happens.
func (f *Faulty[K, V]) Offer(ctx context.Context, key K, entry *storage.Entry[V]) error {
	v := f.decide(OnOffer)
	return f.run(ctx, v, func(ctx context.Context) error { return f.write(ctx, key, entry, v) })
}

func (f *Faulty[K, V]) write(ctx context.Context, key K, entry *storage.Entry[V], v verdict) error {
	if v.fault == Stale {
		return nil
	}
	var damaged []byte
	if v.damages() {
		data, err := f.codec.Encode(entry)
		if err != nil {
			return err
		}
		damaged = v.damage(data)
	}
	if err := f.inner.Offer(ctx, key, entry); err != nil {
		return err
	}
	again := f.offered(key, entry, damaged, v.fault == Twice)
	if again != nil && f.inner.Offer(ctx, key, again) == nil {
		f.offered(key, again, nil, false)
	}
	return nil
}

// offered remembers that an entry has been stored, and returns the one that is to be offered again now.
func (f *Faulty[K, V]) offered(key K, entry *storage.Entry[V], damaged []byte, twice bool) (again *storage.Entry[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.past[key]
	again = p.again
	p = past[V]{last: entry, before: p.last, damaged: damaged}
	if twice {
		p.again = entry
	}
	f.past[key] = p
	return again
}

// Release says that this process needs key no more, unless a fault happens.
func (f *Faulty[K, V]) Release(ctx context.Context, key K) error {
	return f.remove(ctx, OnRelease, key, f.inner.Release)
}

// Invalidate removes the entry of key, unless a fault happens.
func (f *Faulty[K, V]) Invalidate(ctx context.Context, key K) error {
	return f.remove(ctx, OnInvalidate, key, f.inner.Invalidate)
}

func (f *Faulty[K, V]) remove(ctx context.Context, op Op, key K, remove func(context.Context, K) error) error {
	return f.run(ctx, f.decide(op), func(ctx context.Context) error {
		if err := remove(ctx, key); err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.past, key)
		return nil
	})
}

type faultyClearer[K comparable, V any] struct{ faulty *Faulty[K, V] }

// Clear removes every entry, unless a fault happens.
func (c faultyClearer[K, V]) Clear(ctx context.Context) error {
	f := c.faulty
	return f.run(ctx, f.decide(OnClear), func(ctx context.Context) error {
		if err := f.clearer.Clear(ctx); err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		clear(f.past)
		return nil
	})
}

type faultyLocal[K comparable, V any] struct{ faulty *Faulty[K, V] }

// Lookup returns the entry of key, unless a fault happens. It knows nothing of damaged bytes.
func (l faultyLocal[K, V]) Lookup(key K) (entry *storage.Entry[V]) {
	f := l.faulty
	_ = f.run(context.Background(), f.decide(OnLookup), func(context.Context) error {
		entry = f.local.Lookup(key)
		return nil
	})
	return entry
}

type faultyLister[K comparable, V any] struct{ faulty *Faulty[K, V] }

// All iterates over the entries, unless a fault happens, which it does before the first. It knows nothing of damaged bytes.
func (a faultyLister[K, V]) All() iter.Seq2[K, *storage.Entry[V]] {
	f := a.faulty
	return func(yield func(K, *storage.Entry[V]) bool) {
		_ = f.run(context.Background(), f.decide(OnAll), func(context.Context) error {
			f.lister.All()(yield)
			return nil
		})
	}
}
