package storagetest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decoding hands out a new entry on every read, as a storage does that keeps bytes.
func decoding() plain {
	return onEntries(func(e *entry) *entry {
		return storage.NewEntry(e.Value, e.Created().Round(0).UTC(), e.UpdateAfter().Round(0).UTC(), e.ExpireAfter().Round(0).UTC())
	})
}

// newest declines an entry that was created before the one there.
func newest() plain {
	m := newMemory()
	return &altered{plain: m, offer: func(ctx context.Context, key string, e *entry) error {
		if held := m.Lookup(key); held != nil && held.Created().After(e.Created()) {
			return nil
		}
		return m.Offer(ctx, key, e)
	}}
}

// heedful returns an error for every call whose ctx has ended.
func heedful() plain {
	m := newMemory()
	return &altered{
		get: func(ctx context.Context, key string) (*entry, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return m.Get(ctx, key)
		},
		offer: func(ctx context.Context, key string, e *entry) error {
			return errors.Join(ctx.Err(), m.Offer(ctx, key, e))
		},
		release: func(ctx context.Context, key string) error {
			return errors.Join(ctx.Err(), m.Release(ctx, key))
		},
		invalidate: func(ctx context.Context, key string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return m.Invalidate(ctx, key)
		},
	}
}

func TestRunPassesSoundStorages(t *testing.T) {
	abilities := []string{"Local/lookup", "Local/same", "Clearer/clear", "Clearer/busy", "Lister/all", "Lister/busy"}
	tests := []struct {
		name    string
		new     func() plain
		skipped []string
		opts    []Option
	}{
		{"in process", func() plain { return newMemory() }, nil, nil},
		{"without abilities", func() plain { return &altered{plain: newMemory()} }, abilities, nil},
		{"of bytes", decoding, abilities, nil},
		{"that keeps the newest", newest, abilities, nil},
		{"that heeds its ctx", heedful, abilities, nil},
		{"that keeps what is released", ignoresRelease, abilities, []Option{KeepsReleased()}},
		{"that may keep what is released and does not", func() plain { return newMemory() }, nil, []Option{KeepsReleased()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var skipped []string
			for _, r := range rules[string, string]() {
				s := newSuite(tt.new(), stringKey, stringValue, tt.opts)
				s.busy = 50 * time.Millisecond
				err := s.run(r)
				if errors.Is(err, errAbsent) {
					skipped = append(skipped, r.name)
				} else if err != nil {
					t.Errorf("%s: %v", r.name, err)
				}
			}
			if diff := cmp.Diff(tt.skipped, skipped); diff != "" {
				t.Errorf("skipped rules differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRulesFlagBrokenStorages shows that no rule is idle: each is broken by at least one storage, and says so.
func TestRulesFlagBrokenStorages(t *testing.T) {
	const hung = "has not returned"
	released := make(chan struct{})
	defer close(released)

	tests := []struct {
		rule string
		name string
		new  func() plain
		opts []Option
		want string // part of the report
	}{
		{"Get/nothing", "nothing is an error", noEntryIsAnError, nil, "broken"},
		{"Get/nothing", "one entry for all keys", oneEntryForAll, nil, "want nothing"},
		{"Get/expired", "hides expired entries", hidesExpired, nil, "= nothing"},
		{"Get/expired", "drops expired entries", hidesByWallClock, nil, "= nothing"},
		{"Offer/stores", "truncates instants", truncatesInstants, nil, ".123456Z"},
		{"Offer/stores", "never becomes 1970", neverBecomesTheEpoch, nil, "update_after never"},
		{"Offer/stores", "instants in an int64", instantsAsNanoseconds, nil, "want"},
		{"Offer/stores", "values end at a NUL", valuesAsCStrings, nil, `\x00`},
		{"Offer/replaces", "keeps the first", keepsTheFirst, nil, "want"},
		{"Offer/replaces", "declines the same instant", declinesTheSameInstant, nil, "want"},
		{"Offer/replaces", "declines what was once invalidated", declinesForEver, nil, "after a removal"},
		{"Offer/older", "declining is an error", decliningIsAnError, nil, "broken"},
		{"Offer/older", "a mixture of both", mixesOlderIntoNewer, nil, " or "},
		{"Offer/unbounded", "evicts", bounded, nil, "= nothing"},
		{"Offer/unbounded", "refuses", full, nil, "broken"},
		{"Release/removes", "does nothing", ignoresRelease, nil, "want nothing"},
		{"Release/removes", "nothing there is an error", releaseOfNothingIsAnError, nil, "broken"},
		{"Release/removes", "keeps a mangled entry", releaseMangles, []Option{KeepsReleased()}, "want nothing or"},
		{"Invalidate/removes", "does nothing", ignoresInvalidate, nil, "want nothing"},
		{"Invalidate/removes", "nothing there is an error", invalidateOfNothingIsAnError, nil, "broken"},
		{"Invalidate/removes", "removes all keys", invalidatesAll, nil, "of another key"},
		{"Keys/any", "cut off", func() plain {
			return onKeys(func(key string) string { return key[:min(len(key), 255)] })
		}, nil, "longlong"},
		{"Keys/any", "as paths", func() plain { return onKeys(path.Clean) }, nil, "want"},
		{"Keys/any", "without case", func() plain { return onKeys(strings.ToLower) }, nil, "want"},
		{"Keys/any", "trimmed", func() plain { return onKeys(strings.TrimSpace) }, nil, "want"},
		{"Keys/any", "end at a NUL", keysAsCStrings, nil, "want"},
		{"Keys/any", "made valid UTF-8", func() plain {
			return onKeys(func(key string) string { return strings.ToValidUTF8(key, "\ufffd") })
		}, nil, "want"},
		{"Keys/any", "refuses the empty one", refusesTheEmptyKey, nil, "broken"},
		{"Entries/untouched", "writes into what is offered", writesIntoTheOffered, nil, "had been offered"},
		{"Entries/untouched", "marks what is offered", marksTheOffered, nil, "mark"},
		{"Entries/untouched", "writes into what it holds", writesIntoTheHeld, nil, "an earlier Get"},
		{"Entries/mark", "copies the mark", copiesTheMark, nil, "want mark 0"},
		{"Concurrency/keys", "refuses when busy", refusesWhenBusy, nil, "broken"},
		{"Concurrency/keys", "shares its buffer", sharesItsBuffer, nil, "beside calls for other keys"},
		{"Concurrency/one-key", "tears entries", tears, nil, "no entry that was offered"},
		{"Concurrency/one-key", "a gap when replacing", removesBeforeItWrites, nil, "= nothing"},
		{"Concurrency/one-key", "writes behind", writesBehind, nil, "had been stored before"},
		{"Context/ended", "panics", panicsWhenEnded, nil, "panic: context canceled"},
		{"Context/ended", "hangs", func() plain { return hangsWhenEnded(released) }, nil, hung},
		{"Context/ended", "a miss", endedMeansNothingThere, nil, "without an error"},
		{"Context/ended", "not done and no error", endedMeansDone, nil, "want nothing"},
		{"Context/released", "keeps the first ctx", keepsTheFirstContext, nil, "context canceled"},
		{"Context/released", "forgets with the ctx", forgetsWithTheContext, nil, "= nothing"},
		{"Local/lookup", "misses an invalidation", newStaleLookup, nil, "after Invalidate"},
		{"Local/same", "copies", func() plain { return copyingLookup{newMemory()} }, nil, "another entry"},
		{"Clearer/clear", "clears a page", func() plain { return halfCleared{newMemory()} }, nil, "after Clear"},
		{"Clearer/busy", "clears when idle", func() plain { return &clearedWhenIdle{memory: newMemory()} }, nil, "beside Offers"},
		{"Lister/all", "lists twice", listsTwice, nil, "twice"},
		{"Lister/all", "lists what is gone", listsRemoved, nil, "want nothing"},
		{"Lister/all", "lists some", listsSome, nil, "is not listed"},
		{"Lister/busy", "lists by page", listsByPage, nil, "times, want once"},
		{"Lister/busy", "locks out the body", func() plain { return locksTheList(released) }, nil, hung},
	}

	broken := map[string]int{}
	for _, tt := range tests {
		broken[tt.rule]++
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			s := newSuite(tt.new(), stringKey, stringValue, tt.opts)
			s.busy = 20 * time.Second // on a machine with other work; the check ends with the first fault
			if tt.want == hung {
				s.prompt, s.overall = 50*time.Millisecond, 200*time.Millisecond
			}
			err := s.run(ruleNamed(t, tt.rule))
			if err == nil || errors.Is(err, errAbsent) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the rule reports %v, want an error with %q", err, tt.want)
			}
		})
	}
	for _, r := range rules[string, string]() {
		if broken[r.name] == 0 {
			t.Errorf("no broken storage for rule %s", r.name)
		}
	}
}

func TestSuiteSurvivesAnyStorage(t *testing.T) {
	tests := []struct {
		name    string
		storage plain
		want    string
	}{
		{"nil", nil, "newStorage returned nil"},
		{"panics", &altered{}, "panic: "},
		{"ends the goroutine", &altered{plain: newMemory(), get: func(context.Context, string) (*entry, error) {
			runtime.Goexit()
			return nil, nil
		}}, "runtime.Goexit was called"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := newSuite(tt.storage, stringKey, stringValue, nil).run(ruleNamed(t, "Get/nothing"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the rule reports %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestRunForRefusesUnfitSamples(t *testing.T) {
	number := func(i int) int { return i }
	calls := 0
	tests := []struct {
		name       string
		key, value func(int) int
		want       string
	}{
		{"fit", number, func(i int) int { return -i }, ""},
		{"equal keys", func(i int) int { return i % 1000 }, number, "key(0) and key(1000) are the same key 0"},
		{"equal values", number, func(i int) int { return i / 2 }, "value(0) and value(1) are the same value 0"},
		{"other keys at each call", func(int) int { calls++; return calls }, number, "another key when it is called again"},
		{"other values at each call", number, func(int) int { calls++; return calls }, "another value when it is called again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(checkSamples(tt.key, tt.value)); !strings.Contains(got, tt.want) {
				t.Errorf("checkSamples = %s, want %q", got, tt.want)
			}
		})
	}
	if err := checkSamples(stringKey, stringValue); err != nil {
		t.Errorf("the samples of Run: %v", err)
	}
}

func ruleNamed(t *testing.T, name string) rule[string, string] {
	t.Helper()
	for _, r := range rules[string, string]() {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("there is no rule %s", name)
	return rule[string, string]{}
}
