package model_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// faulty is a cache some of whose methods do something else.
type faulty struct {
	*cache.Cache[int, value]
	get, refresh func(ctx context.Context, key int) (value, error)
	peek         func(ctx context.Context, key int) (value, bool)
	invalidate   func(ctx context.Context, key int) error
	close        func(ctx context.Context) error
	stats        func() cache.Stats
}

func (f *faulty) Get(ctx context.Context, key int) (value, error) {
	if f.get != nil {
		return f.get(ctx, key)
	}
	return f.Cache.Get(ctx, key)
}

func (f *faulty) Refresh(ctx context.Context, key int) (value, error) {
	if f.refresh != nil {
		return f.refresh(ctx, key)
	}
	return f.Cache.Refresh(ctx, key)
}

func (f *faulty) Peek(ctx context.Context, key int) (value, bool) {
	if f.peek != nil {
		return f.peek(ctx, key)
	}
	return f.Cache.Peek(ctx, key)
}

func (f *faulty) Invalidate(ctx context.Context, key int) error {
	if f.invalidate != nil {
		return f.invalidate(ctx, key)
	}
	return f.Cache.Invalidate(ctx, key)
}

func (f *faulty) Close(ctx context.Context) error {
	if f.close != nil {
		return f.close(ctx)
	}
	return f.Cache.Close(ctx)
}

func (f *faulty) Stats() cache.Stats {
	if f.stats != nil {
		return f.stats()
	}
	return f.Cache.Stats()
}

// with makes a cache of the parts and puts a fault around it.
func with(put func(f *faulty, p parts)) func(parts) (system, error) {
	return func(p parts) (system, error) {
		c, err := newCache(p)
		if err != nil {
			return nil, err
		}
		f := &faulty{Cache: c}
		put(f, p)
		return f, nil
	}
}

// in puts a fault into the parts.
func in(put func(p *parts)) func(parts) (system, error) {
	return func(p parts) (system, error) {
		put(&p)
		return newCache(p)
	}
}

// perKey remembers something for each key.
type perKey[T any] struct {
	mu sync.Mutex
	m  map[int]T
}

func (p *perKey[T]) set(key int, v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[int]T{}
	}
	p.m[key] = v
}

// take returns what was remembered, and forgets it.
func (p *perKey[T]) take(key int) (v T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok = p.m[key]
	delete(p.m, key)
	return v, ok
}

// faults are caches with a fault, and the check that has to see it, alone.
var faults = []struct {
	name  string
	check string
	open  func(parts) (system, error)
}{
	{"serves what has expired", "answer", with(func(f *faulty, _ parts) {
		var last perKey[value]
		f.get = func(ctx context.Context, key int) (value, error) {
			if _, found := f.Cache.Peek(ctx, key); !found {
				if v, ok := last.take(key); ok {
					return v, nil
				}
			}
			v, err := f.Cache.Get(ctx, key)
			if err == nil {
				last.set(key, v)
			}
			return v, err
		}
	})},
	{"is stale a nanosecond late", "answer", in(func(p *parts) {
		if p.shelf != nil {
			p.shelf.alter = func(e *storage.Entry[value]) *storage.Entry[value] {
				update := e.UpdateAfter()
				if !update.IsZero() {
					update = update.Add(1)
				}
				return storage.NewEntry(e.Value, e.Created(), update, e.ExpireAfter())
			}
		}
	})},
	{"expires a nanosecond late", "answer", in(func(p *parts) {
		if p.shelf != nil {
			p.shelf.alter = func(e *storage.Entry[value]) *storage.Entry[value] {
				expire := e.ExpireAfter()
				if !expire.IsZero() {
					expire = expire.Add(1)
				}
				return storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), expire)
			}
		}
	})},
	{"caches an error", "answer", with(func(f *faulty, _ parts) {
		var last perKey[error]
		f.get = func(ctx context.Context, key int) (value, error) {
			if err, ok := last.take(key); ok {
				return value{}, err
			}
			v, err := f.Cache.Get(ctx, key)
			if e := (*cache.LoadError)(nil); errors.As(err, &e) {
				last.set(key, err)
			}
			return v, err
		}
	})},
	{"hides the error of the load function", "answer", with(func(f *faulty, _ parts) {
		f.get = func(ctx context.Context, key int) (value, error) {
			v, err := f.Cache.Get(ctx, key)
			if e := (*cache.LoadError)(nil); errors.As(err, &e) {
				err = &cache.LoadError{Key: key, Err: errors.New(e.Err.Error())}
			}
			return v, err
		}
	})},
	{"ignores the end of ctx", "answer", with(func(f *faulty, _ parts) {
		f.get = func(ctx context.Context, key int) (value, error) {
			if ctx != nil {
				ctx = context.WithoutCancel(ctx)
			}
			return f.Cache.Get(ctx, key)
		}
	})},
	{"takes a Refresh for a Get", "answer", with(func(f *faulty, _ parts) { f.refresh = f.Cache.Get })},
	{"does not wait in Close", "answer", with(func(f *faulty, _ parts) {
		f.close = func(context.Context) error {
			ended, end := context.WithCancel(context.Background())
			end()
			_ = f.Cache.Close(ended)
			return nil
		}
	})},
	{"forgets a caller", "answer", with(func(f *faulty, _ parts) {
		var calls perKey[int]
		f.get = func(ctx context.Context, key int) (value, error) {
			n, _ := calls.take(key)
			calls.set(key, n+1)
			if n == 5 && ctx != nil {
				<-ctx.Done()
			}
			return f.Cache.Get(ctx, key)
		}
	})},
	{"takes damaged bytes for an entry", "answer", in(func(p *parts) {
		if p.shelf != nil && len(p.shelf.bytes) == 0 {
			p.shelf.codec = serde.JSON[value]()
		}
	})},
	{"ignores an invalidation", "floor", with(func(f *faulty, _ parts) {
		f.invalidate = func(context.Context, int) error { return nil }
	})},
	{"loads twice", "loads", in(func(p *parts) {
		load := p.load
		p.load = func(ctx context.Context, key int) (value, error) {
			if v, err := load(ctx, key); err != nil {
				return v, err
			}
			return load(ctx, key)
		}
	})},
	{"does not back off", "loads", in(func(p *parts) { p.options.backoff = given(time.Duration(0)) })},
	{"loads without the values of the caller's ctx", "loads", in(func(p *parts) {
		load := p.load
		p.load = func(_ context.Context, key int) (value, error) { return load(context.Background(), key) }
	})},
	{"cancels a load with its caller", "loads", with(func(f *faulty, _ parts) {
		f.get = func(ctx context.Context, key int) (value, error) {
			v, err := f.Cache.Get(ctx, key)
			if errors.Is(err, context.Canceled) {
				_ = f.Cache.Invalidate(context.Background(), key)
				_, _ = f.Cache.Get(ctx, key)
				_, err = f.Cache.Refresh(context.Background(), key)
			}
			return v, err
		}
	})},
	{"holds one entry too many", "books", in(func(p *parts) { p.options.capacity.value++ })},
	{"loses an entry", "entries", in(func(p *parts) {
		if p.shelf != nil {
			p.shelf.alter = func(e *storage.Entry[value]) *storage.Entry[value] {
				if e.Value.Load%8 == 7 {
					return nil
				}
				return e
			}
		}
	})},
	{"drops the entry whose load fails", "entries", with(func(f *faulty, _ parts) {
		f.refresh = func(ctx context.Context, key int) (value, error) {
			v, err := f.Cache.Refresh(ctx, key)
			if e := (*cache.LoadError)(nil); errors.As(err, &e) {
				_ = f.Cache.Invalidate(context.Background(), key)
			}
			return v, err
		}
	})},
	{"finds nothing with Peek when the entry is stale", "peek", with(func(f *faulty, p parts) {
		f.peek = func(ctx context.Context, key int) (value, bool) {
			v, found := f.Cache.Peek(ctx, key)
			if p.shelf != nil {
				if e := p.shelf.held()[key]; e != nil && e.Stale(p.clock.Now()) {
					return value{}, false
				}
			}
			return v, found
		}
	})},
	{"evicts in another order", "books", in(func(p *parts) {
		if p.strategy == nil {
			p.strategy = eviction.NewLeastRecentlyUsed[int](p.options.capacity.value)
			p.options.capacity.given = false
		}
	})},
	{"keeps books of what is gone", "books", in(func(p *parts) {
		if p.strategy != nil && p.options.strategy.kind.keepsBooks() {
			p.strategy = forgetful{p.strategy}
		}
	})},
	{"counts a hit too many", "stats", with(func(f *faulty, _ parts) {
		f.stats = func() cache.Stats {
			s := f.Cache.Stats()
			if s.StaleHits > 3 {
				s.Hits++
			}
			return s
		}
	})},
	{"does not tell the observer of evictions", "events", in(func(p *parts) {
		observe := p.observe
		p.observe = func(e cache.Event) {
			if e.Kind != cache.Evicted {
				observe(e)
			}
		}
	})},
	{"does not log", "events", in(func(p *parts) { p.log = slog.DiscardHandler })},
	{"leaves a timer", "rest", with(func(f *faulty, p parts) {
		f.refresh = func(ctx context.Context, key int) (value, error) {
			p.clock.AfterFunc(1000*time.Hour, func() {})
			return f.Cache.Refresh(ctx, key)
		}
	})},
	{"panics", "panic", with(func(f *faulty, _ parts) {
		f.stats = func() cache.Stats {
			if s := f.Cache.Stats(); s.LoadsPanicked == 0 {
				return s
			}
			panic("boom")
		}
	})},
}

// forgetful is a strategy that is not told of removals.
type forgetful struct{ eviction.Strategy[int] }

func (forgetful) MarkReleased(int) {}

// Every check sees the fault that it is there for, by itself.
func TestFaultsAreFound(t *testing.T) {
	const atMost = 500
	checks := map[string]bool{}
	for _, fault := range faults {
		checks[fault.check] = true
		t.Run(fault.name, func(t *testing.T) {
			for n := range atMost {
				if _, v := play(t, sequences.Example(n), fault.open, fault.check); v != nil {
					if v.check != fault.check {
						t.Errorf("the violation is one of %q, want %q", v.check, fault.check)
					}
					t.Logf("found in sequence %d, %v", n+1, v)
					return
				}
			}
			t.Errorf("not found in %d sequences", atMost)
		})
	}
	for _, check := range []string{"answer", "floor", "loads", "entries", "peek", "books", "stats", "events", "rest"} {
		if !checks[check] {
			t.Errorf("no fault is there for the check %q", check)
		}
	}
}

// So do the sequences of FuzzNew with figures that are wrong.
func TestFaultsOfFiguresAreFound(t *testing.T) {
	const forever, hour = int64(cache.Forever), int64(time.Hour)
	tests := []struct {
		name  string
		bits  uint32 // of what is given: see figures
		d     [6]int64
		check string
		open  func(parts) (system, error)
	}{
		{"takes Forever for a number", 1<<1 | 1<<2 | 1<<15, [6]int64{forever, forever}, "answer", in(func(p *parts) {
			p.shelf.alter = func(e *storage.Entry[value]) *storage.Entry[value] {
				return storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), e.Created().Add(cache.Forever))
			}
		})},
		{"lets a large figure overflow", 1<<2 | 1<<15, [6]int64{0, forever - 1}, "answer", in(func(p *parts) {
			p.shelf.alter = func(e *storage.Entry[value]) *storage.Entry[value] {
				ns := e.Created().UnixNano() + int64(e.ExpireAfter().Sub(e.Created())) // beyond the year 2262
				return storage.NewEntry(e.Value, e.Created(), e.UpdateAfter(), time.Unix(0, ns))
			}
		})},
		{"takes a negative figure", 1<<1 | 1<<2, [6]int64{-hour, hour}, "answer", func(p parts) (system, error) {
			p.options.update.given = false
			return newCache(p)
		}},
		{"refuses a figure", 1<<1 | 1<<2, [6]int64{hour, hour}, "answer", func(p parts) (system, error) {
			p.options.update.value++
			return newCache(p)
		}},
		{"does not name the option", 1<<1 | 1<<2, [6]int64{2 * hour, hour}, "answer", func(parts) (system, error) {
			return nil, errors.New("invalid options")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := ofFigures(test.bits, 0, 1, test.d, 0, "")
			if _, v := play(t, s, sound, ""); v != nil {
				t.Errorf("without the fault: %v", v)
			}
			if _, v := play(t, s, test.open, test.check); v == nil {
				t.Error("not found")
			}
		})
	}
}
