// Package cache turns a slow function into a fast one: it keeps what the function returned,
// refreshes it in the background, and lets any number of concurrent callers of one key share one
// run of it.
//
// Callers need [New], or [NewKeyed] if the function takes more than a key, and the [Option]
// functions. Every part can be replaced by one of the user's own: where entries live (package
// storage), which one goes when there are too many (eviction), how long one lives (entrybuilder),
// how arguments become keys (keys), what callers receive (postprocess), who may throw entries away
// (invalidation), and what the time is ([WithClock]). The contracts are in those packages.
//
// An entry has two life spans. Younger than update_after it is fresh and answers at once. From then
// on it is stale: it still answers at once, and one load in the background replaces it. From
// expire_after on it is expired, and callers wait for a load.
//
// One run of the load function with the callers that share it is a flight. It belongs to no caller:
// one that leaves, because its ctx ended, does not disturb the others, and the value is stored all
// the same. Errors are shared, but never stored.
//
// Without options a cache holds 4096 entries in memory, evicts the least recently updated,
// refreshes after 10 minutes, expires after 30, and gives a load 2 minutes.
package cache
