// Package entrybuilder decides how long a cached value lives: the [Builder] contract, [Lifespan]
// for values that all live equally long, and [PerValue] for those that say themselves how long.
//
// Callers of a cache need this package when its figures WithUpdateAfter and WithExpireAfter are not
// enough: to change the life span while the program runs, or to take it from the value. Those who
// write a [Builder] implement one method.
//
// All builders share one rule: ages count from the instant before the load began, so that a slow
// load does not make its value look younger than it is. A value is stale from update_after on and
// expired from expire_after on. A life span of 0 ends at once, [Forever] never.
//
// Unless told otherwise a cache builds its entries with a Lifespan of 10 and 30 minutes.
package entrybuilder
