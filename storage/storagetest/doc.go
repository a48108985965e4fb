// Package storagetest checks implementations of [storage.Storage].
//
// Those who write a storage call [Run], or [RunFor] if theirs is for particular types, from a test of their own, with
// the race detector on.
//
// All rules share one measure: what the comments of [storage.Storage] and of its optional abilities say, to the
// nanosecond. Each rule is a subtest with an empty storage of its own, and quotes the sentence that it holds the
// storage to. A rule about an ability that the storage lacks is skipped. The suite makes some ten thousand calls; a
// rule that takes longer than three minutes fails, and its goroutine is left behind.
//
// Those who test what uses a storage, theirs or a cache, put a [Faulty] in front of one: it fails, panics, hangs, damages
// and repeats, as a script or a seed says.
package storagetest
