package entrybuilder

import (
	"time"

	"github.com/memoize-go/memoize/storage"
)

// PerValue returns a builder that asks lifespan how long each value lives, for example by the header of a response. Lifespan is called concurrently. A
// negative figure counts as 0, an updateAfter beyond expireAfter as expireAfter. A nil lifespan keeps nothing.
func PerValue[K comparable, V any](lifespan func(key K, value V) (updateAfter, expireAfter time.Duration)) Builder[K, V] {
	return perValue[K, V](lifespan)
}

type perValue[K comparable, V any] func(key K, value V) (updateAfter, expireAfter time.Duration)

func (f perValue[K, V]) Build(loadStarted time.Time, key K, value V) *storage.Entry[V] {
	if f == nil {
		return nil
	}
	updateAfter, expireAfter := f(key, value)
	expireAfter = max(expireAfter, 0)
	updateAfter = min(max(updateAfter, 0), expireAfter)
	return storage.NewEntry(value, loadStarted, deadline(loadStarted, updateAfter), deadline(loadStarted, expireAfter))
}
