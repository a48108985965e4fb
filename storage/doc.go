// Package storage defines where the entries of a cache live: the [Storage] contract, the [Entry]
// that travels through it, and [Memory], the storage that a cache uses unless told otherwise.
//
// Callers of a cache need this package only to choose a storage. Those who write one, in front of
// Redis, a database or a directory, implement the four methods of [Storage] and check them with the
// suite in [github.com/memoize-go/memoize/storage/storagetest].
//
// All storages share one rule: an entry is immutable from the moment it is handed over, in either
// direction, and may be read by any number of goroutines at once. A storage judges neither age nor
// capacity: the cache decides which entry is too old and which has to go.
package storage
