package evictiontest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/storage"
)

// fifo is a strategy that names the key that was first written the longest ago. Each fault breaks it in one way.
type fifo struct {
	fault string

	mu       sync.Mutex
	capacity int
	keys     []int
	gone     map[int]bool // named since their last MarkWritten
	named    map[int]bool // ever

	// Faults of which chance would decide whether they show wait until they have done harm.
	busy      sync.Mutex
	dropped   chan struct{} // one for each write that was dropped
	waits     int           // how many writes are still to wait for one that is dropped
	overtaken chan struct{} // closed when a second caller has found the victim of the first
	callers   int           // of NextToRelease
}

func newFIFO(fault string) factory {
	return func(capacity int) eviction.Strategy[int] {
		return &fifo{
			fault: fault, capacity: capacity, gone: make(map[int]bool), named: make(map[int]bool),
			dropped: make(chan struct{}, goroutines*1000), waits: 1000, overtaken: make(chan struct{}),
		}
	}
}

func (f *fifo) MarkRead(key int, mark *storage.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.fault {
	case "takes a mark for an index":
		if word := mark.Load(); word != 0 {
			_ = f.keys[word]
		}
	case "adds unknown keys when they are read":
		if !slices.Contains(f.keys, key) && !f.gone[key] {
			f.keys = append(f.keys, key)
		}
	case "adds victims when they are read":
		if f.gone[key] {
			f.keys = append(f.keys, key)
		}
	}
}

func (f *fifo) MarkWritten(key int, mark *storage.Mark) {
	if f.fault == "drops writes while it is busy" {
		if !f.busy.TryLock() {
			f.dropped <- struct{}{}
			return
		}
		defer f.busy.Unlock()
		if f.waits > 0 {
			f.waits--
			<-f.dropped
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.fault == "takes a mark for an index":
		mark.Store(uint32(len(f.keys)))
	case f.fault == "does not take victims back" && f.named[key],
		f.fault == "does not know the zero key" && key == 0:
		return
	case f.fault == "counts a key again when it is rewritten":
		f.keys = append(f.keys, key)
		return
	}
	delete(f.gone, key)
	if !slices.Contains(f.keys, key) {
		f.keys = append(f.keys, key)
	}
}

func (f *fifo) MarkReleased(key int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.keys, key)
	switch {
	case f.fault == "ignores releases",
		f.fault == "ignores the release of the newest" && i > 0 && i == len(f.keys)-1:
		return
	case f.fault == "panics when a victim is released" && f.gone[key]:
		panic("unknown key")
	case i >= 0:
		f.keys = slices.Delete(f.keys, i, i+1)
	case f.fault == "makes room when an unknown key is released" && !f.gone[key],
		f.fault == "makes room when a victim is released" && f.gone[key]:
		f.keys = f.keys[min(1, len(f.keys)):]
	}
}

func (f *fifo) NextToRelease() (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	allowed := f.capacity
	switch f.fault {
	case "allows one key less":
		allowed--
	case "allows one key more":
		allowed++
	}
	if len(f.keys) <= allowed {
		return 0, false
	}
	key := f.keys[0]
	switch f.fault {
	case "names unknown keys":
		key = -key - 1
	case "keeps victims until they are released":
		f.gone[key] = true
		return key, true
	case "lets go of its lock before it removes a victim":
		f.callers++
		switch f.callers {
		case 1:
			f.mu.Unlock()
			<-f.overtaken
			f.mu.Lock()
		case 2:
			close(f.overtaken)
		}
		if i := slices.Index(f.keys, key); i >= 0 {
			f.keys = slices.Delete(f.keys, i, i+1)
		}
		return key, true
	case "names one victim and removes another":
		f.keys = f.keys[:len(f.keys)-1]
		return key, true
	}
	f.gone[key], f.named[key] = true, true
	f.keys = f.keys[1:]
	return key, true
}

func (f *fifo) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.fault {
	case "does not clear":
		return
	case "clears all but the newest":
		f.keys = f.keys[max(0, len(f.keys)-1):]
		return
	}
	f.keys = nil
	clear(f.gone)
}

// sized adds the optional methods to a fifo.
type sized struct{ *fifo }

func newSized(fault string) factory {
	return func(capacity int) eviction.Strategy[int] {
		return sized{newFIFO(fault)(capacity).(*fifo)}
	}
}

func (s sized) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == "counts victims in Len" {
		return len(s.keys) + len(s.gone)
	}
	return len(s.keys)
}

func (s sized) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == "has its own mind about Capacity" {
		return max(s.capacity, 2)
	}
	return s.capacity
}

func (s sized) Resize(capacity int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.fault {
	case "does not resize":
		return
	case "drops the excess when it shrinks":
		s.keys = s.keys[max(0, len(s.keys)-capacity):]
	}
	s.capacity = capacity
}

// bare hides the optional methods.
type bare struct{ eviction.Strategy[int] }

func TestRun(t *testing.T) {
	t.Run("bare", func(t *testing.T) { Run(t, newFIFO("")) })
	t.Run("sized", func(t *testing.T) { Run(t, newSized("")) })
}

func TestRulesFlagBrokenStrategies(t *testing.T) {
	tests := []struct {
		fault string
		new   func(fault string) factory
		rules []string // that must flag it; others may
	}{
		{"allows one key less", newFIFO, []string{"nothing up to capacity"}},
		{"allows one key more", newFIFO, []string{"the excess exactly", "any order of calls"}},
		{"names unknown keys", newFIFO, []string{"the excess exactly", "no key lost"}},
		{"does not know the zero key", newFIFO, []string{"the excess exactly"}},
		{"keeps victims until they are released", newFIFO, []string{"the excess exactly", "no victim twice"}},
		{"names one victim and removes another", newFIFO, []string{"the excess exactly"}},
		{"adds victims when they are read", newFIFO, []string{"out of the books once named"}},
		{"does not take victims back", newFIFO, []string{"put back"}},
		{"ignores releases", newFIFO, []string{"a release makes room", "any calls at once"}},
		{"ignores the release of the newest", newFIFO, []string{"a release makes room"}},
		{"makes room when an unknown key is released", newFIFO, []string{"a release of unknown keys"}},
		{"makes room when a victim is released", newFIFO, []string{"the release of a victim"}},
		{"takes a mark for an index", newFIFO, []string{"unseen marks"}},
		{"adds unknown keys when they are read", newFIFO, []string{"a read of unknown keys"}},
		{"counts a key again when it is rewritten", newFIFO, []string{"a known key written again", "any calls at once"}},
		{"does not clear", newFIFO, []string{"clear"}},
		{"clears all but the newest", newFIFO, []string{"clear"}},
		{"lets go of its lock before it removes a victim", newFIFO, []string{"no victim twice"}},
		{"drops writes while it is busy", newFIFO, []string{"no key lost"}},
		{"panics when a victim is released", newFIFO, []string{"the release of a victim", "any calls at once"}},
		{"does not resize", newSized, []string{"resize"}},
		{"drops the excess when it shrinks", newSized, []string{"resize"}},
		{"has its own mind about Capacity", newSized, []string{"nothing up to capacity"}},
		{"counts victims in Len", newSized, []string{"the excess exactly"}},
	}
	unused := make(map[string]bool)
	for _, r := range rules {
		unused[r.name] = true
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			for _, name := range tt.rules {
				delete(unused, name)
				i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
				if i < 0 {
					t.Fatalf("there is no rule %q", name)
				}
				if err := rules[i].test(tt.new(tt.fault)); err == nil {
					t.Errorf("the rule %q does not flag a strategy that %s", name, tt.fault)
				}
			}
		})
	}
	for name := range unused {
		t.Errorf("no broken strategy shows that the rule %q can fail", name)
	}
}

func TestResizeNotApplicable(t *testing.T) {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == "resize" })
	err := rules[i].test(func(capacity int) eviction.Strategy[int] { return bare{newSized("")(capacity)} })
	if !errors.Is(err, errNotApplicable) {
		t.Errorf("a strategy without Resize: got %v, want %v", err, errNotApplicable)
	}
}

func TestPanicOfStrategyIsReported(t *testing.T) {
	for _, r := range rules {
		if err := r.test(func(int) eviction.Strategy[int] { return panicking{} }); err == nil {
			t.Errorf("the rule %q reports nothing when the strategy panics", r.name)
		}
	}
}

// panicking panics whatever it is asked, as a strategy without its map does.
type panicking struct{ eviction.Strategy[int] }

func (panicking) Resize(int) { panic("no books") }
