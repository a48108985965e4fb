// Package postprocess makes what a caller receives out of the value that the cache holds: the [Processor] contract,
// [DeepCopy] for callers who modify what they get, [Func] for everything else, and [None].
//
// Callers of a cache need this package when the value is not to be handed out as it is. Those who write a
// [Processor] implement one method, or pass a function to Func.
//
// All processors share one rule: the value they are given is shared with every other caller, now and later, and must
// not be modified; what they return belongs to one caller.
//
// Unless told otherwise a cache hands out the value itself.
package postprocess
