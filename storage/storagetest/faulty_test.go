package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

type (
	entry  = storage.Entry[string]
	faulty = storagetest.Faulty[string, string]
)

var (
	_ storage.Storage[string, string] = (*faulty)(nil)

	noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

	changes = []storagetest.Op{storagetest.OnOffer, storagetest.OnRelease, storagetest.OnInvalidate, storagetest.OnClear}
)

func TestFaultyWithoutFaultsConforms(t *testing.T) {
	for name, wrap := range map[string]func(*faulty) storage.Storage[string, string]{
		"with the abilities of what is behind it": (*faulty).Storage,
		"with none": func(f *faulty) storage.Storage[string, string] { return f },
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Storage[string, string] {
				return wrap(newFaulty(t, storage.NewMemory[string, string]()))
			})
		})
	}
}

func TestFaultyHasTheAbilitiesOfWhatIsBehindIt(t *testing.T) {
	type plain = storage.Storage[string, string]
	type local = storage.Local[string, string]
	type lister = storage.Lister[string, string]
	m := storage.NewMemory[string, string]()
	for _, inner := range []plain{
		m,
		struct{ plain }{m},
		struct {
			plain
			local
		}{m, m},
		struct {
			plain
			storage.Clearer
		}{m, m},
		struct {
			plain
			lister
		}{m, m},
		struct {
			plain
			local
			storage.Clearer
		}{m, m, m},
		struct {
			plain
			local
			lister
		}{m, m, m},
		struct {
			plain
			storage.Clearer
			lister
		}{m, m, m},
	} {
		f := newFaulty(t, inner)
		if diff := cmp.Diff(abilities(inner), abilities(f.Storage())); diff != "" {
			t.Errorf("abilities differ (-behind +in front):\n%s", diff)
		}
		if got := abilities(f); got != [3]bool{} {
			t.Errorf("the Faulty itself is Local, Clearer, Lister: %v", got)
		}
		if f.Unwrap() != inner {
			t.Error("Unwrap does not return what is behind it")
		}
		if s, ok := f.Storage().(interface{ Unwrap() plain }); !ok || s.Unwrap() != inner {
			t.Error("what Storage returns does not unwrap to what is behind it")
		}
		for i, op := range []storagetest.Op{storagetest.OnLookup, storagetest.OnClear, storagetest.OnAll} {
			if err := f.Always(op, storagetest.Panic); (err == nil) != abilities(inner)[i] {
				t.Errorf("Always(%v) of a storage with the abilities %v: %v", op, abilities(inner), err)
			}
		}
	}
}

// abilities tells whether a storage is Local, Clearer and Lister.
func abilities(s storage.Storage[string, string]) (has [3]bool) {
	_, has[0] = s.(storage.Local[string, string])
	_, has[1] = s.(storage.Clearer)
	_, has[2] = s.(storage.Lister[string, string])
	return has
}

func TestFaultyRefuses(t *testing.T) {
	gob := storagetest.WithCodec(serde.Gob[string]())
	rates := func(fault storagetest.Fault, rate float64) storagetest.FaultyOption {
		return storagetest.Seeded(1, map[storagetest.Fault]float64{fault: rate})
	}
	hidden := struct {
		storage.Storage[string, string]
	}{storage.NewMemory[string, string]()}
	for _, tt := range []struct {
		inner storage.Storage[string, string]
		opt   storagetest.FaultyOption
		want  string // nothing: it is fine
	}{
		{nil, gob, "nil storage"},
		{hidden, gob, ""},
		{hidden, storagetest.WithCodec(serde.Gob[int]()), "WithCodec"},
		{hidden, storagetest.WithDelay(-1), "WithDelay"},
		{hidden, storagetest.WithAfter(nil), "WithAfter"},
		{hidden, storagetest.Scripted(storagetest.OnGet, storagetest.Fail, storagetest.Corrupt), "Corrupt needs WithCodec"},
		{hidden, storagetest.Standing(storagetest.OnOffer, storagetest.Cut), "Cut needs WithCodec"},
		{hidden, rates(storagetest.Cut, 0.1), "Cut needs WithCodec"},
		{hidden, storagetest.Standing(storagetest.OnInvalidate, storagetest.Stale), "Stale does not apply to Invalidate"},
		{hidden, storagetest.Standing(storagetest.OnLookup, storagetest.Fail), "Fail does not apply to Lookup"},
		{hidden, storagetest.Standing(storagetest.OnLookup, storagetest.Panic), "has no Lookup"},
		{hidden, storagetest.Standing(storagetest.OnClear, storagetest.Panic), "has no Clear"},
		{hidden, storagetest.Standing(storagetest.OnAll, storagetest.Panic), "has no All"},
		{hidden, storagetest.Standing(99, storagetest.OK), "does not apply to Op(99)"},
		{hidden, storagetest.Standing(storagetest.OnGet, 99), "Fault(99) does not apply to Get"},
		{hidden, rates(storagetest.Fail, -0.1), "Fail at a rate of -0.1"},
		{hidden, rates(storagetest.Fail, 1.1), "Fail at a rate of 1.1"},
		{hidden, rates(99, 0.1), "there is no Fault(99)"},
		{hidden, storagetest.Seeded(1, map[storagetest.Fault]float64{storagetest.Fail: 0.6, storagetest.Panic: 0.6}), "add up to 1.2"},
		{hidden, rates(storagetest.Fail, 1), ""},
	} {
		_, err := storagetest.NewFaulty(tt.inner, tt.opt)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("NewFaulty returned error %v, want %q", err, tt.want)
		}
	}
}

// One sentence of Fault after the other, in every operation to which it applies.
func TestFaultsDoWhatTheySay(t *testing.T) {
	for _, op := range []storagetest.Op{
		storagetest.OnGet, storagetest.OnOffer, storagetest.OnRelease, storagetest.OnInvalidate, storagetest.OnClear,
		storagetest.OnLookup, storagetest.OnAll,
	} {
		for _, fault := range storagetest.Faults(op) {
			t.Run(fmt.Sprintf("%v/%v", op, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { oneFault(t, op, fault) })
			})
		}
	}
}

// ending is how a call ends: its error, what it gave, or that it did not return.
type ending struct {
	err      error
	value    string // of the entry, if there is one
	panicked any
	exited   bool
}

// oneFault calls op with "k" in the storage, last "new" and before that "old", and looks at the answer and at what is there
// afterwards.
func oneFault(t *testing.T, op storagetest.Op, fault storagetest.Fault) {
	clock := clockwork.NewFakeClockAt(noon)
	memory := storage.NewMemory[string, string]()
	f := newFaulty(t, memory,
		storagetest.WithCodec(serde.Framed(serde.JSON[string](), 1)),
		storagetest.WithAfter(clock.After), storagetest.WithDelay(time.Minute))
	offer(t, f, "old")
	offer(t, f, "new")
	if err := f.Next(op, fault); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := call(ctx, f, op)

	// Until when it waits.
	synctest.Wait()
	switch waiting := len(end) == 0; fault {
	case storagetest.Delay:
		cancel()
		clock.Advance(time.Minute - 1)
		synctest.Wait()
		if len(end) != 0 {
			t.Error("the call ended before its time")
		}
		clock.Advance(1)
	case storagetest.Hang:
		if f.Hanging() != 1 || !waiting {
			t.Errorf("the call does not hang; Hanging = %d", f.Hanging())
		}
		cancel()
	case storagetest.HangForever:
		cancel()
		synctest.Wait()
		if f.Hanging() != 1 || len(end) != 0 {
			t.Errorf("the call does not hang; Hanging = %d", f.Hanging())
		}
		f.Free()
	default:
		if waiting {
			t.Error("the call waits for something")
		}
	}
	got := <-end
	if n := f.Hanging(); n != 0 {
		t.Errorf("Hanging = %d when all calls have ended", n)
	}

	// Its answer.
	reads := op == storagetest.OnGet || op == storagetest.OnLookup || op == storagetest.OnAll
	done := true
	var want ending
	switch fault {
	case storagetest.Fail, storagetest.FailApplied:
		want.err = storagetest.ErrInjected
		done = fault == storagetest.FailApplied
	case storagetest.Hang:
		want.err = context.Canceled
		done = false
	case storagetest.Panic:
		if err, ok := got.panicked.(error); !ok || !errors.Is(err, storagetest.ErrInjected) {
			t.Errorf("the call panicked with %v", got.panicked)
		}
		got.panicked = nil
		done = false
	case storagetest.Exit:
		want.exited = true
		done = false
	case storagetest.Corrupt, storagetest.Cut:
		if op == storagetest.OnGet {
			want.err = serde.ErrCorrupt
		}
	case storagetest.Stale:
		if op == storagetest.OnGet {
			want.value = "old"
		}
		done = op != storagetest.OnOffer
	}
	if reads && done && want.err == nil && want.value == "" {
		want.value = "new"
	}
	if !errors.Is(got.err, want.err) || got.err != nil && want.err == nil {
		t.Errorf("the call returned error %v, want %v", got.err, want.err)
	}
	got.err, want.err = nil, nil
	if got != want {
		t.Errorf("the call ended as %+v, want %+v", got, want)
	}

	// What has become of the entry.
	value, readErr := "new", error(nil)
	switch {
	case done && op == storagetest.OnOffer && (fault == storagetest.Corrupt || fault == storagetest.Cut):
		value, readErr = "", serde.ErrCorrupt
	case done && op == storagetest.OnOffer:
		value = "offered"
	case done && slices.Contains(changes, op):
		value = ""
	}
	for range 2 {
		after := <-call(t.Context(), f, storagetest.OnGet)
		if after.value != value || !errors.Is(after.err, readErr) || after.err != nil && readErr == nil {
			t.Errorf("afterwards Get gives %q, %v, want %q, %v", after.value, after.err, value, readErr)
		}
	}
	if n := f.Injected(op, fault); op != storagetest.OnGet && fault != storagetest.OK && n != 1 {
		t.Errorf("Injected = %d, want 1", n)
	}

	// Another write is as good as any.
	offer(t, f, "last")
	if fault == storagetest.Twice && op == storagetest.OnOffer {
		if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "offered" {
			t.Errorf("after the next Offer, Get gives %q, want what was offered before, for the second time", got.value)
		}
		offer(t, f, "last")
	}
	if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "last" || got.err != nil {
		t.Errorf("after another Offer, Get gives %q, %v", got.value, got.err)
	}
}

// call makes a call on a goroutine of its own. An Offer is one of "offered"; All gives the first entry.
func call(ctx context.Context, f *faulty, op storagetest.Op) <-chan ending {
	s := f.Storage()
	end := make(chan ending, 1)
	go func() {
		e := ending{exited: true}
		defer func() {
			if p := recover(); p != nil {
				e = ending{panicked: p}
			}
			end <- e
		}()
		var got *entry
		var err error
		switch op {
		case storagetest.OnGet:
			got, err = s.Get(ctx, "k")
		case storagetest.OnOffer:
			err = s.Offer(ctx, "k", entryOf("offered"))
		case storagetest.OnRelease:
			err = s.Release(ctx, "k")
		case storagetest.OnInvalidate:
			err = s.Invalidate(ctx, "k")
		case storagetest.OnClear:
			err = s.(storage.Clearer).Clear(ctx)
		case storagetest.OnLookup:
			got = s.(storage.Local[string, string]).Lookup("k")
		case storagetest.OnAll:
			for _, got = range s.(storage.Lister[string, string]).All() {
				break
			}
		}
		e = ending{err: err}
		if got != nil {
			e.value = got.Value
		}
	}()
	return end
}

func TestFaultyFreeEndsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t, storage.NewMemory[string, string](), storagetest.Standing(storagetest.OnOffer, storagetest.Hang))
		end := call(t.Context(), f, storagetest.OnOffer)
		synctest.Wait()
		f.Heal()
		f.Free()
		if got := <-end; !errors.Is(got.err, storagetest.ErrInjected) {
			t.Errorf("the freed call returned %v", got.err)
		}
		if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "" {
			t.Errorf("the freed call has stored %q", got.value)
		}
	})
}

// A late write overtakes what was written meanwhile, and what was removed.
func TestFaultyLateWriteLandsOnWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty(t, storage.NewMemory[string, string](), storagetest.Scripted(storagetest.OnOffer, storagetest.HangForever))
		end := call(t.Context(), f, storagetest.OnOffer)
		synctest.Wait()
		offer(t, f, "newer")
		if err := f.Invalidate(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		f.Free()
		<-end
		if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "offered" {
			t.Errorf("Get gives %q, want the late write", got.value)
		}
	})
}

// Neither an old copy nor a repeated write outlives a removal.
func TestFaultyBringsNothingBackThatWasRemoved(t *testing.T) {
	for _, removal := range []storagetest.Op{storagetest.OnRelease, storagetest.OnInvalidate, storagetest.OnClear} {
		for _, fault := range []storagetest.Fault{storagetest.OK, storagetest.Twice, storagetest.FailApplied} {
			f := newFaulty(t, storage.NewMemory[string, string](),
				storagetest.WithCodec(serde.Gob[string]()),
				storagetest.Scripted(storagetest.OnOffer, storagetest.OK, storagetest.Twice),
				storagetest.Scripted(removal, fault))
			offer(t, f, "one")
			offer(t, f, "two")
			<-call(t.Context(), f, removal)
			offer(t, f, "three")
			if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "three" {
				t.Errorf("after %v, a repeated Offer gives %q", removal, got.value)
			}
			if err := f.Next(storagetest.OnGet, storagetest.Stale); err != nil {
				t.Fatal(err)
			}
			if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "" {
				t.Errorf("after %v, Stale gives %q from before", removal, got.value)
			}
			if err := f.Next(storagetest.OnOffer, storagetest.Corrupt); err != nil {
				t.Fatal(err)
			}
			offer(t, f, "four")
			<-call(t.Context(), f, removal)
			if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "" || got.err != nil {
				t.Errorf("after %v, damaged bytes give %q, %v", removal, got.value, got.err)
			}
		}
	}
}

// Stale has nothing to say of keys that it has never seen, and reads what is there.
func TestFaultyStaleOfAnUnknownKey(t *testing.T) {
	memory := storage.NewMemory[string, string]()
	offer(t, memory, "there before")
	f := newFaulty(t, memory, storagetest.Standing(storagetest.OnGet, storagetest.Stale))
	if got := <-call(t.Context(), f, storagetest.OnGet); got.value != "there before" {
		t.Errorf("Get gives %q", got.value)
	}
}

// A codec without a checksum takes damage for a value: that is its fault, and the reader's.
func TestFaultyReaderGetsWhatTheCodecMakesOfIt(t *testing.T) {
	values, errs := map[string]bool{}, 0
	f := newFaulty(t, storage.NewMemory[string, string](),
		storagetest.WithCodec(serde.JSON[string]()), storagetest.Standing(storagetest.OnGet, storagetest.Corrupt))
	offer(t, f, "value")
	for range 500 {
		got := <-call(t.Context(), f, storagetest.OnGet)
		if got.err != nil {
			errs++
		} else {
			values[got.value] = true
		}
	}
	if errs == 0 || len(values) < 5 {
		t.Errorf("%d errors and %d different values of one flipped bit", errs, len(values))
	}
}

func TestFaultyScriptGoesBeforeStanding(t *testing.T) {
	f := newFaulty(t, storage.NewMemory[string, string](),
		storagetest.Standing(storagetest.OnGet, storagetest.Fail),
		storagetest.Scripted(storagetest.OnGet, storagetest.OK, storagetest.Exit),
		storagetest.Scripted(storagetest.OnGet, storagetest.OK))
	kinds := func(n int) (all []string) {
		for range n {
			got := <-call(t.Context(), f, storagetest.OnGet)
			all = append(all, fmt.Sprint(got.err != nil, got.exited))
		}
		return all
	}
	want := []string{"false false", "false true", "false false", "true false", "true false"}
	if diff := cmp.Diff(want, kinds(5)); diff != "" {
		t.Errorf("whether it failed and exited (-want +got):\n%s", diff)
	}
	counts := []int{
		f.Calls(storagetest.OnGet), f.Injected(storagetest.OnGet, storagetest.OK),
		f.Injected(storagetest.OnGet, storagetest.Exit), f.Injected(storagetest.OnGet, storagetest.Fail),
		f.Calls(storagetest.OnOffer),
	}
	if diff := cmp.Diff([]int{5, 2, 1, 2, 0}, counts); diff != "" {
		t.Errorf("counts of calls, OK, Exit and Fail, and calls of another operation (-want +got):\n%s", diff)
	}
	f.Heal()
	if diff := cmp.Diff([]string{"false false"}, kinds(1)); diff != "" {
		t.Errorf("after Heal (-want +got):\n%s", diff)
	}
}

// drawn returns what happens in n calls of Get and of Release, each of which follows so many of the other.
func drawn(t *testing.T, seed uint64, n, others int) (gets, releases string) {
	t.Helper()
	rates := map[storagetest.Fault]float64{storagetest.Fail: 0.2, storagetest.Exit: 0.1, storagetest.Stale: 0.1, storagetest.Twice: 0.1}
	f := newFaulty(t, storage.NewMemory[string, string](), storagetest.Seeded(seed, rates))
	one := func(op storagetest.Op) string {
		was := make([]int, 12)
		for i, fault := range storagetest.Faults(op) {
			was[i] = f.Injected(op, fault)
		}
		<-call(t.Context(), f, op)
		for i, fault := range storagetest.Faults(op) {
			if f.Injected(op, fault) > was[i] {
				return fault.String() + " "
			}
		}
		return "nothing "
	}
	for range n {
		gets += one(storagetest.OnGet)
		for range others {
			releases += one(storagetest.OnRelease)
		}
	}
	return gets, releases
}

func TestFaultySeedGivesTheSameFaults(t *testing.T) {
	const n = 2000
	gets, releases := drawn(t, 7, n, 1)
	for _, others := range []int{0, 3} {
		again, _ := drawn(t, 7, n, others)
		if again != gets {
			t.Errorf("the same seed gives Get other faults beside %d calls of another operation", others)
		}
	}
	if another, _ := drawn(t, 8, n, 1); another == gets {
		t.Error("another seed gives the same faults")
	}
	if gets == releases {
		t.Error("two operations get the same faults")
	}
	for name, want := range map[string]int{"OK": 1000, "Fail": 400, "Exit": 200, "Stale": 200, "Twice": 200} {
		if got := strings.Count(gets, name+" "); got < want*8/10 || got > want*12/10 {
			t.Errorf("%s happened %d times in %d calls of Get, want about %d", name, got, n, want)
		}
	}
	if strings.Contains(releases, "Stale") {
		t.Error("Stale happened in Release")
	}
}

func TestFaultyIsSafeForConcurrentUse(t *testing.T) {
	rates := map[storagetest.Fault]float64{}
	for _, fault := range []storagetest.Fault{
		storagetest.Fail, storagetest.FailApplied, storagetest.Corrupt, storagetest.Cut, storagetest.Stale, storagetest.Twice,
		storagetest.Panic, storagetest.Exit, storagetest.HangForever,
	} {
		rates[fault] = 0.05
	}
	f := newFaulty(t, storage.NewMemory[string, string](), storagetest.WithCodec(serde.Gob[string]()), storagetest.Seeded(1, rates))
	var callers sync.WaitGroup
	for g := range 8 {
		callers.Go(func() {
			for i := range 200 {
				op := storagetest.Op((g + i) % 7)
				<-call(t.Context(), f, op)
				_ = f.Calls(op) + f.Injected(op, storagetest.Fail) + f.Hanging()
			}
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				f.Free()
			}
		}
	}()
	callers.Wait()
	close(stop)
	<-stopped
	if n := f.Calls(storagetest.OnGet) + f.Calls(storagetest.OnOffer); n < 400 || f.Hanging() != 0 {
		t.Errorf("%d calls of Get and Offer, and %d hang at the end", n, f.Hanging())
	}
}

func TestFaultyNames(t *testing.T) {
	var names []string
	for _, fault := range storagetest.Faults(storagetest.OnGet) {
		names = append(names, fault.String())
	}
	want := "OK Fail Panic Exit Delay Hang HangForever FailApplied Corrupt Cut Stale Twice"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("faults of Get: %s, want %s", got, want)
	}
}

func newFaulty(t *testing.T, inner storage.Storage[string, string], opts ...storagetest.FaultyOption) *faulty {
	t.Helper()
	f, err := storagetest.NewFaulty(inner, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func entryOf(value string) *entry {
	return storage.NewEntry(value, noon, noon.Add(time.Minute), noon.Add(time.Hour))
}

func offer(t *testing.T, s storage.Storage[string, string], value string) {
	t.Helper()
	if err := s.Offer(t.Context(), "k", entryOf(value)); err != nil {
		t.Fatalf("Offer(%q): %v", value, err)
	}
}
