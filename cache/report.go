package cache

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/memoize-go/memoize/serde"
)

// report tells the observer and, of what nobody else sees, the logger.
func (e *engine[A, K, V]) report(s *settings[A, K, V], event Event) {
	if s.observer != nil {
		if err := observe(s.observer, event); err != nil {
			e.log(s, "observer panicked", event.Key, err)
		}
	}
	switch event.Kind {
	case RefreshFailed, StorageFailed, DecodeFailed:
		e.log(s, event.Kind.String(), event.Key, event.Err)
	}
}

func observe(observer func(Event), event Event) (err error) {
	defer catch(&err)
	observer(event)
	return nil
}

// log writes a warning. There is nobody left to tell if the handler panics.
func (e *engine[A, K, V]) log(s *settings[A, K, V], message string, key any, failure error) {
	if s.logger == nil {
		return
	}
	var err error
	defer catch(&err)
	s.logger.LogAttrs(context.Background(), slog.LevelWarn, "cache: "+message,
		slog.String("cache", s.name), slog.Any("key", key), slog.Any("error", failure))
}

// readFailed counts and reports a read of the storage that has failed, or has found what is no entry.
func (e *engine[A, K, V]) readFailed(s *settings[A, K, V], key any, took time.Duration, err error) {
	if !isDecodeError(err) {
		e.storageFailed(s, key, took, err)
		return
	}
	e.counters.decodeErrors.Add(1)
	e.report(s, Event{Kind: DecodeFailed, Key: key, Duration: took, Err: err})
}

// storageFailed counts and reports any other failed call of the storage, or of what else belongs to keeping
// an entry.
func (e *engine[A, K, V]) storageFailed(s *settings[A, K, V], key any, took time.Duration, err error) {
	e.counters.storageErrors.Add(1)
	e.report(s, Event{Kind: StorageFailed, Key: key, Duration: took, Err: err})
}

func isDecodeError(err error) bool {
	return errors.Is(err, serde.ErrCorrupt) || errors.Is(err, serde.ErrVersion) || errors.Is(err, serde.ErrTooLarge)
}
