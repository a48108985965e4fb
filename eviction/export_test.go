package eviction

// MakeRoom gives the sketch so much room that estimates are exact in tests with a few hundred keys.
func (s *TinyLFU[K]) MakeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sketch.makeRoom(100_000)
}

func (s *sketch) makeRoom(keys int) {
	for i := range keys {
		s.fit(i + 1)
	}
}
