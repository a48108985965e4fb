package flight

import (
	"math"
	"time"
)

// deadline is an instant or never. The zero deadline has always passed.
type deadline struct {
	at    time.Time
	never bool
}

func never() deadline { return deadline{never: true} }

// deadlineIn returns the deadline d after now; the longest duration means never.
func deadlineIn(now time.Time, d time.Duration) deadline {
	if d == math.MaxInt64 {
		return never()
	}
	return deadline{at: now.Add(d)}
}

// deadlineOf returns the deadline of an entry's instant, where the zero Time means never.
func deadlineOf(t time.Time) deadline {
	return deadline{at: t, never: t.IsZero()}
}

func (d deadline) passed(now time.Time) bool { return !d.never && !now.Before(d.at) }

func (d deadline) isZero() bool { return !d.never && d.at.IsZero() }

func later(a, b deadline) deadline {
	if a.never || !b.never && b.at.Before(a.at) {
		return a
	}
	return b
}
