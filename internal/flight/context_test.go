package flight

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"
)

// Err, Cause and Done change at once.
func TestContextEndsAtOnce(t *testing.T) {
	cause := errors.New("cause")
	for range 2000 {
		ctx := NewContext(context.Background(), time.Time{}, math.MaxInt64)
		done := ctx.Done()
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
			}
			select {
			case <-done:
			default:
				t.Error("Err tells of the end before Done is closed")
			}
			if got := context.Cause(ctx); got != cause {
				t.Errorf("Cause = %v, want %v", got, cause)
			}
		})
		ctx.Cancel(cause)
		wg.Wait()
	}
}

// What is asked for only after the end has ended, too.
func TestContextMadeLate(t *testing.T) {
	cause := errors.New("cause")
	ctx := NewContext(context.Background(), time.Time{}, math.MaxInt64)
	ctx.Cancel(cause)
	ctx.Cancel(errors.New("a second one"))
	if err := ctx.Err(); err != context.Canceled {
		t.Errorf("Err = %v", err)
	}
	<-ctx.Done()
	if got := context.Cause(ctx); got != cause {
		t.Errorf("Cause = %v, want %v", got, cause)
	}
	called := make(chan struct{})
	context.AfterFunc(ctx, func() { close(called) })
	<-called
}
