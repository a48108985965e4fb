package flight

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestIdleWaitsForTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lifecycle
		if err := l.Idle(t.Context(), true); err != nil {
			t.Errorf("Idle of a new one: %v", err)
		}
		l.Begin()
		l.Begin()
		waiting := make([]bool, 3)
		for i := range waiting {
			waiting[i] = true
			go func() {
				if err := l.Idle(t.Context(), false); err != nil {
					t.Error(err)
				}
				waiting[i] = false
			}()
		}
		l.End()
		synctest.Wait()
		for i := range waiting {
			if !waiting[i] {
				t.Errorf("waiter %d has returned while something runs", i)
			}
		}
		l.Extend()
		l.End()
		l.End()
		synctest.Wait()
		for i := range waiting {
			if waiting[i] {
				t.Errorf("waiter %d has not returned", i)
			}
		}
	})
}

func TestIdleEndsWithItsCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lifecycle
		l.Begin()
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = l.Idle(ctx, false)
		}()
		synctest.Wait()
		cancel()
		<-done
		if err != context.Canceled {
			t.Errorf("Idle: %v", err)
		}
		l.End()
		if err := l.Idle(ctx, true); err != nil {
			t.Errorf("Idle with an ended ctx when nothing runs: %v", err)
		}
	})
}

func TestStraysCountOnlyIfAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lifecycle
		l.Stray()
		if err := l.Idle(t.Context(), false); err != nil {
			t.Error(err)
		}
		done := false
		go func() {
			if err := l.Idle(t.Context(), true); err != nil {
				t.Error(err)
			}
			done = true
		}()
		synctest.Wait()
		if done {
			t.Error("Idle did not wait for the stray")
		}
		l.Begin()
		l.Returned()
		synctest.Wait()
		if done {
			t.Error("Idle did not wait for what began meanwhile")
		}
		l.End()
		synctest.Wait()
		if !done {
			t.Error("Idle has not returned")
		}
	})
}

func TestShutRefusesWhatIsNewOnly(t *testing.T) {
	var l Lifecycle
	if !l.Begin() {
		t.Error("Begin was refused")
	}
	l.Shut()
	l.Shut()
	if l.Begin() {
		t.Error("Begin after Shut was not refused")
	}
	l.Extend() // goes on from what is running
	l.End()
	l.End()
	if err := l.Idle(t.Context(), true); err != nil {
		t.Error(err)
	}
}
