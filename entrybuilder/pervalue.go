package entrybuilder

import (
	"time"

	"github.com/memoize-go/memoize/storage"
)

// PerValue returns a builder that asks lifespan how long a value lives, for instance because a
// header, a lease or a certificate says so. Both figures count from the beginning of the load;
// [Forever] means never. A negative one counts as 0, and an updateAfter beyond expireAfter as
// expireAfter: nothing that a value says makes a load fail.
//
// The function is called on the goroutine of the load, for many values at once; it must not modify
// the value. A nil function gives every value a life span of 0: it goes to those who wait for it
// and is not kept.
func PerValue[K comparable, V any](lifespan func(key K, value V) (updateAfter, expireAfter time.Duration)) Builder[K, V] {
	return perValue[K, V](lifespan)
}

type perValue[K comparable, V any] func(key K, value V) (updateAfter, expireAfter time.Duration)

func (f perValue[K, V]) Build(loadStarted time.Time, key K, value V) *storage.Entry[V] {
	var updateAfter, expireAfter time.Duration
	if f != nil {
		updateAfter, expireAfter = f(key, value)
	}
	expireAfter = max(expireAfter, 0)
	updateAfter = min(max(updateAfter, 0), expireAfter)
	return newEntry(value, loadStarted, updateAfter, expireAfter)
}
