package flight

import (
	"testing"
	"time"
)

func wantFloor(t *testing.T, f *fence, floor time.Duration) {
	t.Helper()
	if f.refuses(at(floor + 1)) {
		t.Errorf("an entry from after %v is refused", floor)
	}
	if !f.refuses(at(floor)) || !f.refuses(at(floor-time.Hour)) {
		t.Errorf("an entry from %v or before is not refused", floor)
	}
	if got := f.above(at(floor)); !got.Equal(at(floor + 1)) {
		t.Errorf("above(%v) = %v, want 1ns later", floor, got.Sub(start))
	}
	if got := f.above(at(floor + 5)); !got.Equal(at(floor + 5)) {
		t.Errorf("above(%v) = %v, want it as it is", floor+5, got.Sub(start))
	}
	if f.isZero() {
		t.Error("the fence counts as empty")
	}
}

func wantNone(t *testing.T, f *fence) {
	t.Helper()
	if f.refuses(at(-time.Hour)) || f.refuses(at(0)) || !f.isZero() {
		t.Errorf("the fence is not empty: %+v", *f)
	}
	if got := f.above(at(0)); !got.Equal(at(0)) {
		t.Errorf("above = %v, want the instant itself", got)
	}
}

func TestFenceDuringADeletion(t *testing.T) {
	var f fence
	wantNone(t, &f)
	f.raise(at(10))
	wantFloor(t, &f, 10)
	f.raise(at(20)) // another one
	wantFloor(t, &f, 20)
	f.raise(at(15)) // by a clock that was set back
	wantFloor(t, &f, 20)
	f.deleted(true, at(30))
	f.deleted(true, at(30))
	wantFloor(t, &f, 20) // the third is under way
	f.replaced(at(31))
	wantFloor(t, &f, 20)
	f.deleted(true, at(40))
	wantNone(t, &f)
}

func TestFenceAfterAFailedDeletion(t *testing.T) {
	var f fence
	f.raise(at(10))
	f.deleted(false, at(20))
	f.lower(at(1000 * time.Hour))
	wantFloor(t, &f, 10) // for ever
	f.replaced(at(30))
	wantNone(t, &f)

	f.raise(at(40))
	f.deleted(false, at(41))
	f.raise(at(50))
	f.deleted(true, at(51)) // mends what the other could not do
	wantNone(t, &f)
}

func TestFenceWhileAWriteMayLand(t *testing.T) {
	var f fence
	f.doubtful(deadline{at: at(100)})
	if f.refuses(at(0)) {
		t.Error("an entry is refused without an invalidation")
	}
	f.raise(at(10))
	f.deleted(true, at(20))
	wantFloor(t, &f, 10)
	f.replaced(at(30))
	wantFloor(t, &f, 10)
	f.doubtful(deadline{at: at(50)}) // of a shorter life
	f.lower(at(99))
	wantFloor(t, &f, 10)
	f.lower(at(100)) // the entry would have expired
	wantNone(t, &f)

	f.raise(at(10))
	f.doubtful(never())
	f.deleted(true, at(20))
	f.lower(at(1000 * time.Hour))
	wantFloor(t, &f, 10)
}

func TestFenceMerge(t *testing.T) {
	for name, make := range map[string]func(*fence){
		"deletion under way": func(f *fence) { f.raise(at(20)) },
		"failed deletion": func(f *fence) {
			f.raise(at(20))
			f.deleted(false, at(21))
		},
		"write in doubt": func(f *fence) {
			f.doubtful(deadline{at: at(time.Hour)})
			f.raise(at(20))
			f.deleted(true, at(21))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f, other fence
			make(&other)
			f.merge(&other)
			f.lower(at(30))
			wantFloor(t, &f, 20)
		})
	}
}

func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name         string
		d            deadline
		before, then time.Time
	}{
		{"in a minute", deadlineIn(start, time.Minute), at(time.Minute - 1), at(time.Minute)},
		{"of an instant", deadlineOf(at(5)), at(4), at(5)},
		{"the later of two", later(deadlineOf(at(5)), deadlineOf(at(3))), at(4), at(5)},
		{"the later of two, the other way", later(deadlineOf(at(3)), deadlineOf(at(5))), at(4), at(5)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.d.passed(tt.before) || !tt.d.passed(tt.then) || tt.d.isZero() {
				t.Errorf("%+v: passed %v at %v, %v at %v", tt.d, tt.d.passed(tt.before), tt.before, tt.d.passed(tt.then), tt.then)
			}
		})
	}
	for name, d := range map[string]deadline{
		"for ever": deadlineIn(start, 1<<63-1), "of no instant": deadlineOf(time.Time{}),
		"later than all": later(never(), deadlineOf(at(5))), "later than all, the other way": later(deadlineOf(at(5)), never()),
	} {
		if d.passed(at(100*365*24*time.Hour)) || d.isZero() {
			t.Errorf("%s: has passed", name)
		}
	}
	if !(deadline{}).passed(start) || !(deadline{}).isZero() {
		t.Error("the zero deadline has not passed")
	}
}
