package cache_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jonboulle/clockwork"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// wantFailures checks that so many failed calls of the storage were counted and reported, with errors that pass is, and nothing as a
// decode error.
func wantFailures(t *testing.T, r *rig, want int, is func(error) bool) {
	t.Helper()
	events := r.events.all(cache.StorageFailed)
	if len(events) != want {
		t.Errorf("%d storage errors were reported, want %d: %v", len(events), want, events)
	}
	for _, e := range events {
		if !is(e.Err) || e.Key != "k" {
			t.Errorf("reported %q of key %v", e.Err, e.Key)
		}
	}
	if s := r.cache.Stats(); s.StorageErrors != uint64(want) || s.DecodeErrors != 0 {
		t.Errorf("Stats = %+v, want %d storage errors", s, want)
	}
	if got := len(r.logs.messages()); got != want {
		t.Errorf("%d messages were logged, want %d: %q", got, want, r.logs.messages())
	}
}

func isStore(err error) bool { return errors.Is(err, errStore) }

func isBoom(err error) bool { return isPanic(err, "boom") }

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func goBoom(context.Context, string) error { panic("boom") }

func exit(context.Context, string) error {
	runtime.Goexit()
	return nil
}

func TestC25_FailedReadIsAMiss(t *testing.T) {
	for name, f := range map[string]struct {
		fault fault[string]
		is    func(error) bool
	}{
		"error": {failWith(errStore), isStore},
		"panic": {goBoom, isBoom},
		"exit":  {exit, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
				c := r.open(t)
				mustSet(t, c, "k", 50)
				r.faulty.on(onGet, f.fault)
				get(t, c, "k", 1)
				settle(t, c)
				wantFailures(t, r, 1, f.is)
				wantHeld(t, r, map[string]int{"k": 1})
				peeks(t, c, "k", 0)
				wantFailures(t, r, 2, f.is)
				r.faulty.heal()
				get(t, c, "k", 1)
			})
		})
	}
}

func TestC25_PanickingLookupIsAMiss(t *testing.T) {
	on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		r.faulty.on(onLookup, func(context.Context, string) error { panic("boom") })
		get(t, c, "k", 1)
		settle(t, c)
		r.faulty.heal()
		get(t, c, "k", 1)
		events := r.events.all(cache.StorageFailed)
		if len(events) == 0 || uint64(len(events)) != c.Stats().StorageErrors {
			t.Errorf("%d reported, %d counted", len(events), c.Stats().StorageErrors)
		}
		for _, e := range events {
			if !isBoom(e.Err) {
				t.Errorf("reported %v", e.Err)
			}
		}
	})
}

func TestC25_SlowReadIsAMiss(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(3*time.Second))
		mustSet(t, c, "k", 50)
		gate := r.gate()
		var ctx context.Context
		r.faulty.on(onGet, func(got context.Context, _ string) error {
			ctx = got
			<-gate
			return nil
		})
		began := r.clock.Now()
		call := goGet(t.Context(), c, "k")
		waits(t, call)
		if deadline, ok := ctx.Deadline(); !ok || !deadline.Equal(began.Add(3*time.Second)) {
			t.Errorf("the deadline of the storage call is %v, %v, want %v", deadline, ok, began.Add(3*time.Second))
		}
		r.advance(3*time.Second - 1)
		waits(t, call)
		if ctx.Err() != nil {
			t.Errorf("the ctx of the storage call ended early: %v", ctx.Err())
		}
		r.advance(1)
		wants(t, call, 1)
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("the ctx of the call that was given up on: %v", ctx.Err())
		}
		wantFailures(t, r, 1, isTimeout)
		r.openGate(gate) // what it returns late is nobody's business
		settle(t, c)
		wantFailures(t, r, 1, isTimeout)
		wantHeld(t, r, map[string]int{"k": 1})
	})
}

func TestC25_FailedWriteStillAnswers(t *testing.T) {
	for name, f := range map[string]struct {
		fault fault[string]
		is    func(error) bool
	}{
		"error": {failWith(errStore), isStore},
		"panic": {goBoom, isBoom},
		"exit":  {exit, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.faulty.on(onOffer, f.fault)
				r.source.hold("k")
				var calls []*call[int]
				for range 5 {
					calls = append(calls, goGet(t.Context(), c, "k"))
				}
				r.source.returns(r.source.nth(t, "k", 1), 1)
				for _, call := range calls {
					wants(t, call, 1)
				}
				wantFailures(t, r, 1, f.is)
				wantHeld(t, r, map[string]int{})
				r.faulty.heal()
				r.source.unhold()
				get(t, c, "k", 2)
				settle(t, c)
				get(t, c, "k", 2)
			})
		})
	}
}

// The entry that could not be replaced stays.
func TestC25_FailedWriteOfARefreshKeepsTheEntry(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		get(t, c, "k", 1)
		settle(t, c)
		r.faulty.on(onOffer, failWith(errStore))
		refreshes(t, c, "k", 2)
		settle(t, c)
		get(t, c, "k", 1)
		wantFailures(t, r, 1, isStore)
	})
}

func TestC25_CallersGetTheValueBeforeItIsWritten(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		get(t, c, "k", 1) // those who come during the write get the value too
		synctest.Wait()
		if n := r.faulty.count(onOffer); n != 1 {
			t.Errorf("%d writes have begun, want 1", n)
		}
		r.source.began(t, "k", 1)
		r.advance(time.Second)
		settle(t, c)
		wantFailures(t, r, 1, isTimeout)
		r.openGate(gate)
		synctest.Wait()
		wantFailures(t, r, 1, isTimeout)
	})
}

// A forced load behind a write in progress, whose value it may overtake but not undo.
func TestC25_RefreshDuringTheWrite(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t)
		gate := r.gate()
		r.faulty.on(onOffer, blockOn(gate))
		get(t, c, "k", 1)
		synctest.Wait()
		forced := goRefresh(t.Context(), c, "k")
		synctest.Wait()
		r.openGate(gate)
		wants(t, forced, 2)
		settle(t, c)
		wantHeld(t, r, map[string]int{"k": 2})
		get(t, c, "k", 2)
		r.source.began(t, "k", 2)
	})
}

func TestC25_StorageTimeoutBoundsEveryCall(t *testing.T) {
	for _, m := range []method{onGet, onOffer, onInvalidate, onClear} {
		t.Run(string(m), func(t *testing.T) {
			on(t, staged, func(t *testing.T, r *rig) {
				if m == onGet && r.sort == inLocal {
					t.Skip("a Local is not asked through Get")
				}
				c := r.open(t)
				mustSet(t, c, "k", 50)
				gate := r.gate()
				r.faulty.on(m, blockOn(gate))
				done := asyncErr(func() error {
					switch m {
					case onGet:
						_, ok := c.Peek(t.Context(), "k")
						if ok {
							return errors.New("found")
						}
						return errStore
					case onOffer:
						return c.Set(t.Context(), "k", 60)
					case onInvalidate:
						return c.Invalidate(t.Context(), "k")
					default:
						return c.InvalidateAll(t.Context())
					}
				})
				r.advance(time.Second - 1)
				waits(t, done)
				r.advance(1)
				if _, err := done.result(t); !isTimeout(err) && err != errStore {
					t.Errorf("the call returned %v", err)
				}
				if n := c.Stats().StorageErrors; n != 1 {
					t.Errorf("%d storage errors, want 1", n)
				}
			})
		})
	}
}

func TestC25_StorageTimeoutOfForever(t *testing.T) {
	on(t, staged, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithStorageTimeout(cache.Forever))
		gate := r.gate()
		r.faulty.on(onOffer, func(ctx context.Context, _ string) error {
			if d, ok := ctx.Deadline(); ok {
				t.Errorf("a deadline without a timeout: %v", d)
			}
			<-gate
			return nil
		})
		set := goSet(t, c, "k", 50)
		r.advance(1000 * time.Hour)
		waits(t, set)
		r.openGate(gate)
		wantNil(t, "Set", set)
		if n := c.Stats().StorageErrors; n != 0 {
			t.Errorf("%d storage errors", n)
		}
	})
}

// textStorage is a remote storage of bytes, as one in front of a network would be.
type textStorage struct {
	codec serde.Codec[text]

	mu   sync.Mutex
	data map[string][]byte
}

// text is a value that tells from which side it comes.
type text struct{ From, Filling string }

func (s *textStorage) Get(_ context.Context, key string) (*storage.Entry[text], error) {
	data, ok := s.raw(key)
	if !ok {
		return nil, nil
	}
	return s.codec.Decode(data)
}

func (s *textStorage) Offer(_ context.Context, key string, entry *storage.Entry[text]) error {
	data, err := s.codec.Encode(entry)
	if err == nil {
		s.put(key, data)
	}
	return err
}

func (s *textStorage) Release(ctx context.Context, key string) error { return s.Invalidate(ctx, key) }

func (s *textStorage) Invalidate(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, key)
	return nil
}

func (s *textStorage) raw(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.data[key]
	return data, ok
}

func (s *textStorage) put(key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = data
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func TestC26_UndecodableBytesAreAMissAndAreOverwritten(t *testing.T) {
	const limit = 4096
	codecs := map[string]func(schema uint32, limit int) serde.Codec[text]{
		"framed JSON": func(schema uint32, limit int) serde.Codec[text] {
			return serde.Framed(serde.JSON[text](), schema, serde.MaxBytes(limit))
		},
		"framed gob": func(schema uint32, limit int) serde.Codec[text] {
			return serde.Framed(serde.Gob[text](), schema, serde.MaxBytes(limit))
		},
		"gzip of framed JSON": func(schema uint32, limit int) serde.Codec[text] {
			return serde.Encoded(serde.Framed(serde.JSON[text](), schema, serde.MaxBytes(limit)), serde.Gzip(), serde.MaxBytes(limit))
		},
		"frame of zlib of JSON": func(schema uint32, limit int) serde.Codec[text] {
			return serde.Framed(serde.Encoded(serde.JSON[text](), serde.Zlib(), serde.MaxBytes(limit)), schema, serde.MaxBytes(limit))
		},
		"base64 of framed gob": func(schema uint32, limit int) serde.Codec[text] {
			return serde.Encoded(serde.Framed(serde.Gob[text](), schema, serde.MaxBytes(limit)), serde.Base64(), serde.MaxBytes(limit))
		},
	}
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
				entry := func(from string, size int) *storage.Entry[text] {
					now := clock.Now()
					return storage.NewEntry(text{from, strings.Repeat("x", size)}, now, now.Add(time.Minute), now.Add(time.Hour))
				}
				encode := func(c serde.Codec[text], e *storage.Entry[text]) []byte {
					t.Helper()
					data, err := c.Encode(e)
					if err != nil {
						t.Fatal(err)
					}
					return data
				}
				good := encode(codec(7, limit), entry("storage", 20))
				foreign, err := json.Marshal(map[string]any{"user": 1})
				if err != nil {
					t.Fatal(err)
				}
				bad := map[string][]byte{
					"nil":             nil,
					"empty":           {},
					"one byte":        {0},
					"foreign text":    []byte("hello, world"),
					"foreign JSON":    foreign,
					"foreign gzip":    gzipped([]byte("hello")),
					"bomb":            gzipped(make([]byte, 1<<20)),
					"too large":       encode(codec(7, math.MaxInt32), entry("storage", 5*limit)),
					"much too large":  bytes.Repeat([]byte("y"), 2*limit),
					"another version": encode(codec(8, limit), entry("storage", 20)),
					"prolonged":       append(bytes.Clone(good), 0),
					"doubled":         append(bytes.Clone(good), good...),
				}
				for n := 0; n < len(good); n += 1 + n/40 { // every byte of the frame
					bad[fmt.Sprintf("cut to %d bytes", n)] = good[:n:n]
					flipped := bytes.Clone(good)
					flipped[n] ^= 1 << (n % 8)
					bad[fmt.Sprintf("flipped in byte %d", n)] = flipped
				}

				s := &textStorage{codec: codec(7, limit), data: map[string][]byte{}}
				events := &recorder{}
				c := open(t, func(context.Context, string) (text, error) { return text{From: "load"}, nil },
					cache.WithClock(clock), cache.WithStorage(s), cache.WithObserver(events.observe), cache.WithStats())
				s.put("good", good)
				if v, err := c.Get(t.Context(), "good"); v.From != "storage" || err != nil {
					t.Fatalf("Get of good bytes = %v, %v", v, err)
				}
				missed := uint64(0)
				for what, data := range bad {
					s.put(what, data)
					v, err := c.Get(t.Context(), what)
					settle(t, c)
					if strings.HasPrefix(what, "flipped") && v.From == "storage" {
						// In a header that says nothing about the value.
						if diff := cmp.Diff(text{"storage", strings.Repeat("x", 20)}, v); diff != "" {
							t.Errorf("%s: a wrong value (-want +got):\n%s", what, diff)
						}
						continue
					}
					missed++
					if v.From != "load" || err != nil {
						t.Errorf("%s: Get = %v, %v, want a loaded value", what, v, err)
					}
					if now, _ := s.raw(what); bytes.Equal(now, data) {
						t.Errorf("%s: the bytes were not overwritten", what)
					}
					if v, ok := c.Peek(t.Context(), what); !ok || v.From != "load" {
						t.Errorf("%s: afterwards the storage has %v, %v", what, v, ok)
					}
				}
				st := c.Stats()
				if st.DecodeErrors != missed || st.StorageErrors != 0 {
					t.Errorf("%d decode errors and %d storage errors, want %d and 0", st.DecodeErrors, st.StorageErrors, missed)
				}
				if st.LoadsSucceeded != missed || missed < 80 {
					t.Errorf("%d loads, want %d, and at least 80", st.LoadsSucceeded, missed)
				}
				if n := events.count(cache.DecodeFailed); uint64(n) != missed || events.count(cache.StorageFailed) != 0 {
					t.Errorf("%d decode errors were reported, want %d", n, missed)
				}
			})
		})
	}
}

// What is too large to be stored is handed out all the same.
func TestC26_TooLargeToBeStored(t *testing.T) {
	bubble(t, func(t *testing.T, clock *clockwork.FakeClock) {
		s := &textStorage{codec: serde.Framed(serde.JSON[text](), 1, serde.MaxBytes(256)), data: map[string][]byte{}}
		c := open(t, func(context.Context, string) (text, error) {
			return text{"load", strings.Repeat("x", 1000)}, nil
		}, cache.WithClock(clock), cache.WithStorage(s))
		if v, err := c.Get(t.Context(), "k"); len(v.Filling) != 1000 || err != nil {
			t.Errorf("Get = %v, %v", v, err)
		}
		settle(t, c)
		if data, ok := s.raw("k"); ok {
			t.Errorf("%d bytes were stored", len(data))
		}
	})
}

func TestC27_ColdCallersOfASlowStorageShareOneReadAndOneLoad(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		read := r.gate()
		r.faulty.on(onGet, blockOn(read))
		r.source.hold("k")
		var calls []*call[int]
		join := func(n int) {
			for range n {
				calls = append(calls, goGet(t.Context(), c, "k"))
			}
			synctest.Wait()
		}
		join(500) // before and during the read
		join(100)
		r.openGate(read)
		l := r.source.nth(t, "k", 1)
		join(300) // during the load
		write := r.gate()
		r.faulty.on(onOffer, blockOn(write))
		r.source.returns(l, 1)
		join(100) // during the write
		for _, call := range calls {
			wants(t, call, 1)
		}
		r.openGate(write)
		settle(t, c)
		if n := r.faulty.count(onGet); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		r.source.began(t, "k", 1)
		if s := c.Stats(); s.Led != 1 || s.Led+s.Joined+s.Hits != 1000 {
			t.Errorf("Stats = %+v, want 1 led of 1000", s)
		}
	})
}

func TestC27_CallersOfAnEntryShareOneRead(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		var calls []*call[int]
		for range 100 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		synctest.Wait()
		r.openGate(gate)
		for _, call := range calls {
			wants(t, call, 50)
		}
		if n := r.faulty.count(onGet); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		if s := c.Stats(); s.Hits != 100 {
			t.Errorf("Stats = %+v, want 100 hits", s)
		}
	})
}

// Stale, and 100 callers: one read, one load behind it.
func TestC27_CallersOfAStaleEntryShareOneReadAndOneLoad(t *testing.T) {
	on(t, []sort{inRemote}, func(t *testing.T, r *rig) {
		c := r.open(t)
		mustSet(t, c, "k", 50)
		r.advance(updateAfter)
		gate := r.gate()
		r.faulty.on(onGet, blockOn(gate))
		var calls []*call[int]
		for range 100 {
			calls = append(calls, goGet(t.Context(), c, "k"))
		}
		synctest.Wait()
		r.openGate(gate)
		for _, call := range calls {
			wants(t, call, 50)
		}
		settle(t, c)
		r.source.began(t, "k", 1)
		if n := r.faulty.count(onGet); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		get(t, c, "k", 1)
	})
}

// goroutineID names the goroutine that it is called on.
func goroutineID() string {
	buf := make([]byte, 64)
	return strings.Fields(string(buf[:runtime.Stack(buf, false)]))[1]
}

func TestC27_LocalIsReadOnTheCallersGoroutineWithoutTimer(t *testing.T) {
	on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
		clock := &watchedClock{FakeClock: r.clock}
		c := r.open(t, cache.WithUpdateAfter(time.Minute))
		if err := c.Reconfigure(cache.WithClock(clock)); err != nil {
			t.Fatal(err)
		}
		mustSet(t, c, "k", 50)
		settle(t, c)
		synctest.Wait()
		timers := clock.timers.Load()
		me := goroutineID()
		r.faulty.on(onLookup, func(context.Context, string) error {
			if id := goroutineID(); id != me {
				t.Errorf("read on goroutine %s, the caller's is %s", id, me)
			}
			if n := goroutinesOfCache(); n != 0 {
				t.Errorf("%d goroutines of the cache", n)
			}
			return nil
		})
		for range 3 {
			get(t, c, "k", 50)
			peeks(t, c, "k", 50)
		}
		if n := clock.timers.Load(); n != timers {
			t.Errorf("%d timers were started", n-timers)
		}
		if n := r.faulty.count(onGet); n != 0 {
			t.Errorf("%d calls of Get", n)
		}
	})
}

// Nothing gives up on a Local that takes its time.
func TestC27_LocalIsReadWithoutTimeLimit(t *testing.T) {
	on(t, []sort{inLocal}, func(t *testing.T, r *rig) {
		c := r.open(t, cache.WithUpdateAfter(3*time.Hour), cache.WithExpireAfter(4*time.Hour))
		mustSet(t, c, "k", 50)
		gate := r.gate()
		r.faulty.on(onLookup, blockOn(gate))
		call := goGet(t.Context(), c, "k")
		r.advance(2 * time.Hour)
		waits(t, call)
		r.openGate(gate)
		wants(t, call, 50)
		if n := c.Stats().StorageErrors; n != 0 {
			t.Errorf("%d storage errors", n)
		}
	})
}
