// Package invalidation lets code throw away cached entries without knowing the cache: the [Support], which is handed
// to a cache and to whoever learns of changes, and [Target], what it invalidates.
//
// Callers of a cache need this package when the code that changes the data lives elsewhere than the code that reads
// it, or was set up before the cache. Nobody has to implement anything: every cache is a Target.
//
// All uses share one rule: an invalidation reaches every target that was bound before it, or returns an error. A
// Support that is bound to nothing returns [ErrUnbound] instead of pretending.
package invalidation
