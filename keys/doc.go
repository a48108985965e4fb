// Package keys makes cache keys out of the arguments of calls: the [Extractor] contract and its implementations.
//
// Callers of a cache choose one here. [Identity] takes arguments that are comparable as they are; [Func] takes a function of the
// caller's own; [ByName] and [ByReference] encode arguments of nearly any type into a string. Several arguments travel as
// one, in [Args2] or [Args3], and [SkipFirst] leaves a receiver, a logger or a connection out of the key.
//
// All extractors share one rule: calls with equal keys get the same cached value, so whatever changes the answer has to be
// in the key, and what is not in the key must not change the answer. An extractor that cannot make a key returns
// an error, which fails that call and nothing else. All of them are safe for concurrent use.
//
// A cache made without an extractor uses its argument as the key, like [Identity].
//
// # Which arguments are equal
//
// [ByName] and [ByReference] give two arguments the same key if, and only if, they are equal in this sense:
//
//   - Booleans, numbers and strings are equal by ==, with two exceptions: any NaN equals any NaN, and a map key that is or holds a
//     NaN cannot be encoded. As with ==, 0.0 and -0.0 are equal.
//   - Slices and arrays are equal by length and elements, structs by their fields, exported or not; fields named _ do
//     not count. A nil slice differs from an empty one, and a nil map from an empty one.
//   - Maps are equal if they hold equal keys with equal values, in whatever order. Keys are compared by these rules, too.
//   - Pointers are equal if both are nil or what they point to is equal. Where they point does not matter: changing
//     what is behind a pointer changes the key.
//   - Values of type [time.Time], or of a type with that underlying type, are equal if they are the same instant by the wall
//     clock. Neither location nor monotonic reading matters.
//   - Interfaces are equal if both are nil or both hold equal values of the same type. So 1, "1", 1.0, int64(1), true and a
//     UserID(1) in an interface are all different.
//
// Functions, channels and unsafe pointers cannot be encoded, nil ones included; neither can values that contain themselves, values
// that are nested through more than 1,000 pointers, slices, maps and interfaces, nor values that take more than 16 MiB. The error
// matches [ErrUnencodable] and names the path to the culprit.
//
// Equality is that of the representation, and methods are not asked. A type whose equal values can be represented
// in several ways, such as [math/big.Int], gets several keys, each with a load of its own; [Func] with a canonical form mends that.
//
// # The form of a key
//
// A key is made of bytes, not of text, and starts with how it was made and the name. Every value carries the tag of its kind, a value in an
// interface also the name of its type with the import path of its package; every part of variable length carries its length. No
// address, hash seed or map order goes into a key of [ByName], and integers are encoded alike on 32-bit and 64-bit machines. Types of
// package main, and types declared inside functions, have no more to their name than "main.T" or "path/of/package.T": programs
// that share a storage need distinct names for functions with such types in interfaces. If two types with the same name
// reach one extractor, the second cannot be encoded.
package keys
