package serde

import "crypto/sha256"

// checksumSize is how much of a SHA-256 is kept. Any damage goes unnoticed with a probability of 2^-128, whatever its pattern. A CRC
// of 32 bits would cost less, but lets one damaged entry in 4 billion pass; the hash of a small entry costs less than its JSON.
const checksumSize = 16

func checksum(parts ...[]byte) [checksumSize]byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return [checksumSize]byte(sum[:checksumSize])
}
