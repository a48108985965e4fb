package cache_test

import "testing"

func TestC02_X(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.source.hold("k")
		a := goGet(t.Context(), c, "k")
		waits(t, a)
		r.source.returns(r.source.nth(t, "k", 1), 7)
		wants(t, a, 7)
	})
}
