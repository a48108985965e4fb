package model_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/memoize-go/memoize/cache"
)

// keyCount is how many keys there are: 0 and up.
const keyCount = 4

// sequence is what is played.
type sequence struct {
	options options
	start   time.Duration // of the clock, after the epoch
	peeks   bool          // Peek is called after every operation
	ops     []op
}

// op is one operation. What a field means depends on the kind.
type op struct {
	kind    opKind
	key     int
	n       int // which, among those there are
	ctx     ctxKind
	d       time.Duration
	does    answer
	hold    hold
	call    storeCall
	fails   failure
	options options
}

type opKind int

const (
	opGet opKind = iota
	opPeek
	opRefresh
	opSet
	opInvalidate
	opInvalidateAll
	opSupport       // Invalidate, or all, through the invalidation.Support number n
	opReconfigure   // with options
	opWait          //
	opClose         //
	opCancel        // the ctx of the n-th call that is waiting
	opAdvance       // the clock, by d
	opAdvanceTo     // the n-th of the instants at which something changes, and d more
	opSetClock      // forwards or back by d: no timer notices
	opChange        // the data of the key
	opAnswer        // from now on the load function of the key does that
	opHold          // from now on loads of the key do not return before they are let go
	opLetGo         // the n-th load that is held
	opLetAllGo      // of the key, and hold it no more
	opFail          // from now on the storage call fails so
	opHeal          // no storage call fails
	opCorrupt       // the bytes of the key: flip bit n, or cut
	opForeignWrite  // another process writes an entry to the storage
	opForeignDelete // another process deletes one
)

type ctxKind int

const (
	liveCtx  ctxKind = iota
	endedCtx         // has ended before the call
	nilCtx
)

// answer is what a load function does.
type answer int

const (
	succeeds answer = iota
	returnsZero
	returnsError
	returnsValueAndError
	returnsDeadlineExceeded
	panics
	panicsWithError
	exits
	asksItself
	refreshesItself
	answers
)

// result is what a load comes to.
type result struct {
	err   class
	count resultCount
	zero  bool
}

type resultCount int

const (
	succeeded resultCount = iota
	failed
	panicking
	exiting
)

// result is 3, 6 and 19.
func (a answer) result() result {
	switch a {
	case returnsZero:
		return result{zero: true}
	case returnsError, returnsValueAndError:
		return result{err: loadError | backend, count: failed}
	case returnsDeadlineExceeded:
		return result{err: loadError | deadline, count: failed}
	case panics:
		return result{err: loadError | panicked, count: panicking}
	case panicsWithError:
		return result{err: loadError | panicked | backend, count: panicking}
	case exits:
		return result{err: loadError | exited, count: exiting}
	default:
		return result{}
	}
}

// of returns what the callers get of the value that was loaded.
func (r result) of(v value) value {
	if r.zero {
		return value{}
	}
	return v
}

// hold says what keeps a load from returning.
type hold int

const (
	unheld  hold = iota
	held         // it is held until it is let go
	heeding      // or until its ctx ends
)

type storeCall int

const (
	onGet storeCall = iota
	onOffer
	onRelease
	onInvalidate
	onClear
	storeCalls
)

// failure is how a storage call fails.
type failure int

const (
	healthy failure = iota
	failsWithError
	failsWithPanic
	failsWithExit
	failures
)

// class is what the error of a call matches, as bits.
type class uint32

const (
	backend class = 1 << iota
	canceled
	deadline
	loadError
	loadTimeout
	lockTimeout
	exited
	panicked
	closed
	unconfigured
	reentrant
	unbound
	unsupported
	stored
	invalidOption
	raised // a panic, up the stack of the caller
	unknown
)

var classNames = []string{"backend", "canceled", "deadline exceeded", "LoadError", "ErrLoadTimeout", "ErrUpdateLockTimeout",
	"ErrLoaderExited", "PanicError", "ErrClosed", "ErrNotConfigured", "ErrReentrantLoad", "ErrUnbound", "ErrUnsupported", "storage",
	"names an option", "panic in the caller", "something else"}

func (c class) String() string {
	if c == 0 {
		return "no error"
	}
	var names []string
	for i, name := range classNames {
		if c>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return "error {" + strings.Join(names, ", ") + "}"
}

// class is 25 and 20: a panic counts as an error.
func (f failure) class() class {
	switch f {
	case failsWithError:
		return stored
	case failsWithPanic:
		return stored | panicked
	case failsWithExit:
		return unknown
	default:
		return 0
	}
}

// event is what an observer is told, without what the model does not know.
type event struct {
	kind cache.EventKind
	key  any
}

// begun is how a load began.
type begun struct {
	key      int
	ordinal  int64
	leader   int       // the call whose ctx it has the values of
	deadline time.Time // of its ctx
}

// outcome is what a call returns.
type outcome struct {
	value      value
	found      bool // of Peek
	err        class
	orCanceled bool // it may as well return the error of its ctx, which has ended, though it is carried out
}

func (o outcome) String() string {
	switch {
	case o.err != 0:
		return o.err.String()
	case o.found:
		return fmt.Sprintf("%+v, true", o.value)
	default:
		return fmt.Sprintf("%+v", o.value)
	}
}

// GoString is how rapid prints it.
func (s sequence) GoString() string { return s.String() }

func (s sequence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  New(%v)", s.options)
	if s.start != 0 {
		fmt.Fprintf(&b, ", at %v", epoch.Add(s.start))
	}
	if s.peeks {
		b.WriteString(", with Peek of every key after each step")
	}
	for i, o := range s.ops {
		fmt.Fprintf(&b, "\n  %2d %v", i+1, o)
	}
	return b.String()
}

func (o op) String() string {
	ctx := [...]string{"ctx", "ended ctx", "nil"}[o.ctx]
	switch o.kind {
	case opGet:
		return fmt.Sprintf("Get(%s, %d)", ctx, o.key)
	case opPeek:
		return fmt.Sprintf("Peek(%s, %d)", ctx, o.key)
	case opRefresh:
		return fmt.Sprintf("Refresh(%s, %d)", ctx, o.key)
	case opSet:
		return fmt.Sprintf("Set(%s, %d, ...)", ctx, o.key)
	case opInvalidate:
		return fmt.Sprintf("Invalidate(%s, %d)", ctx, o.key)
	case opInvalidateAll:
		return fmt.Sprintf("InvalidateAll(%s)", ctx)
	case opSupport:
		if o.key == keyCount {
			return fmt.Sprintf("support %d back: InvalidateAll()", o.n)
		}
		return fmt.Sprintf("support %d back: Invalidate(%d)", o.n, o.key)
	case opReconfigure:
		return fmt.Sprintf("Reconfigure(%v)", o.options)
	case opWait:
		return fmt.Sprintf("Wait(%s)", ctx)
	case opClose:
		return fmt.Sprintf("Close(%s)", ctx)
	case opCancel:
		return fmt.Sprintf("the ctx of waiting call %d ends", o.n)
	case opAdvance:
		return fmt.Sprintf("the clock goes on by %v", o.d)
	case opAdvanceTo:
		return fmt.Sprintf("the clock goes on to boundary %d and %v", o.n, o.d)
	case opSetClock:
		return fmt.Sprintf("the clock is set by %v", o.d)
	case opChange:
		return fmt.Sprintf("the data of key %d changes", o.key)
	case opAnswer:
		return fmt.Sprintf("the load function of key %d %s", o.key, [...]string{"succeeds", "returns the zero value", "returns an error",
			"returns a value and an error", "returns context.DeadlineExceeded", "panics", "panics with an error", "exits its goroutine",
			"asks for its own key first", "refreshes its own key first"}[o.does])
	case opHold:
		return fmt.Sprintf("loads of key %d are held%s", o.key, [...]string{"", "", ", but heed their ctx"}[o.hold])
	case opLetGo:
		return fmt.Sprintf("held load %d is let go", o.n)
	case opLetAllGo:
		return fmt.Sprintf("loads of key %d are let go and held no more", o.key)
	case opFail:
		return fmt.Sprintf("the storage's %s %s", [...]string{"Get", "Offer", "Release", "Invalidate", "Clear"}[o.call],
			[...]string{"works", "fails", "panics", "exits its goroutine"}[o.fails])
	case opHeal:
		return "the storage works"
	case opCorrupt:
		return fmt.Sprintf("the bytes of key %d are damaged (%d)", o.key, o.n)
	case opForeignWrite:
		return fmt.Sprintf("another process writes key %d", o.key)
	case opForeignDelete:
		return fmt.Sprintf("another process deletes key %d", o.key)
	}
	return fmt.Sprintf("op %d", int(o.kind))
}
