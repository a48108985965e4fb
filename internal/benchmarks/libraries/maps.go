package libraries

import (
	"context"
	"sync"

	"github.com/puzpuzpuz/xsync/v4"
)

// maps are the floors: maps for concurrent use, which do nothing of what a cache does but find the value. The one of xsync holds
// pointers, as a cache does.
func maps[K comparable]() []Library[K] {
	return []Library[K]{
		{
			Name:   "xsync.Map",
			Module: "github.com/puzpuzpuz/xsync/v4",
			Open: func(o Options[K]) (Cache[K], error) {
				return xsyncMap[K]{xsync.NewMap[K, *uint64](), o.Load}, nil
			},
		},
		{
			Name: "sync.Map",
			Open: func(o Options[K]) (Cache[K], error) { return &syncMap[K]{load: o.Load}, nil },
		},
	}
}

type xsyncMap[K comparable] struct {
	entries *xsync.Map[K, *uint64]
	load    func(context.Context, K) (uint64, error)
}

func (m xsyncMap[K]) Get(ctx context.Context, key K) (uint64, error) {
	if v, ok := m.entries.Load(key); ok {
		return *v, nil
	}
	v, err := m.load(ctx, key)
	if err == nil {
		m.Set(key, v)
	}
	return v, err
}

func (m xsyncMap[K]) Set(key K, value uint64) { m.entries.Store(key, &value) }

func (m xsyncMap[K]) Close() {}

type syncMap[K comparable] struct {
	entries sync.Map
	load    func(context.Context, K) (uint64, error)
}

func (m *syncMap[K]) Get(ctx context.Context, key K) (uint64, error) {
	if v, ok := m.entries.Load(key); ok {
		return v.(uint64), nil
	}
	v, err := m.load(ctx, key)
	if err == nil {
		m.Set(key, v)
	}
	return v, err
}

func (m *syncMap[K]) Set(key K, value uint64) { m.entries.Store(key, value) }

func (m *syncMap[K]) Close() {}
