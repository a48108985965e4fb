// Package serdetest checks implementations of [serde.Codec] and [serde.Encoding] against their contracts.
//
// Those who write a codec call [Run] from a test of their own; if the codec claims to notice damage, [RunIntegrity] too; those who write an
// encoding call [RunEncoding]. The tests are worth more with -race.
package serdetest
