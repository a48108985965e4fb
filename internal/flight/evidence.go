//go:build evidence

package flight

// Len returns how many keys the registry has something about.
func (g *Group[K, V, J]) Len() (n int) {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		n += sh.slots.len()
		sh.mu.Unlock()
	}
	return n
}
