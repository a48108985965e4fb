//go:build evidence

package leaks_test

import "github.com/memoize-go/memoize/cache"

// registryVisible says that inProgress can tell.
const registryVisible = true

// inProgress returns how many keys the registry of the cache has something about.
func inProgress[A, V any](c *cache.Cache[A, V]) int { return c.InProgress() }
