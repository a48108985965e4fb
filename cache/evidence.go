//go:build evidence

package cache

// InProgress returns how many keys the registry of the cache has something about: flights, writes,
// backoffs or fences. Only the checkers of internal/evidence see it.
func (c *Cache[A, V]) InProgress() int {
	return c.engine.(interface{ inProgress() int }).inProgress()
}

func (e *engine[A, K, V]) inProgress() int { return e.group.Len() }
