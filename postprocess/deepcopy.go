package postprocess

import (
	"net/netip"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/huandu/go-clone"
)

// DeepCopy returns the processor that hands out a deep copy of the value, made by github.com/huandu/go-clone, so that
// callers may modify what they get. Values may hold cycles; what is shared within the value is shared within the
// copy. Unexported fields are copied too.
//
// Whether V holds anything to copy is decided once, here: a V of numbers, strings, functions, [time.Time], and structs
// and arrays of these is handed out as it is. For others each call costs reflection, an allocation for every pointer,
// map, slice and interface within the value, and as much memory, with the capacity of slices kept: microseconds for a
// small struct, far more than the hit itself.
//
// It is meant for data. What stands for something else is not doubled by copying it:
//
//   - Functions and unsafe pointers, and what closures and [sync/atomic.Pointer] refer to, stay shared.
//   - A channel becomes a new and empty one. A [sync.Mutex], [sync.RWMutex] or [sync.WaitGroup] behind a pointer
//     becomes an unused one. Other types of package sync/atomic and [sync.Map] keep their contents, provided that
//     nobody writes to them meanwhile and that no cycle leads through an [sync/atomic.Value] or a Map.
//   - What is known by its address is another one afterwards: an error in the value no longer matches the variable
//     it came from, such as io.EOF, and a [unique.Handle] equals no other. [time.Location], [net/netip.Addr] and
//     [reflect.Type] are excepted.
//   - Files, connections, contexts and the like do not work as copies.
//   - Pointers to the fields of a struct and to the elements of an array or slice come out apart from these, as do
//     overlapping slices. A list of linked nodes is followed by recursion: one of a million exhausts the stack, which
//     ends the process.
//
// For a V with any of these, [Func] with a copy of one's own is the better choice.
func DeepCopy[V any]() Processor[V] {
	if immutable(reflect.TypeFor[V]()) {
		return None[V]()
	}
	return deepCopy[V]{}
}

type deepCopy[V any] struct{}

func (deepCopy[V]) Apply(value V) V {
	// By way of a pointer, so that a V of interface type, nil included, is nothing special, and the library can
	// read the atomic fields of a struct.
	return *copier.CloneSlowly(&value).(*V)
}

// copier is go-clone with what it does not know: it may be used concurrently.
var copier = newCopier()

func newCopier() clone.Cloner {
	allocator := clone.NewAllocator(nil, &clone.AllocatorMethods{MakeChan: makeChan})
	for _, t := range immutableStructs {
		allocator.MarkAsScalar(t)
	}
	// A copy of time.Local would not be the local time zone.
	allocator.MarkAsOpaquePointer(reflect.TypeFor[*time.Location]())
	return clone.MakeCloner(allocator)
}

// immutableStructs hold pointers that nobody can write through. An Addr is compared by them, so that a copy of
// what they point to would break it.
var immutableStructs = []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Addr]()}

// makeChan makes a channel of any direction; reflect makes only those that go both ways.
func makeChan(_ unsafe.Pointer, t reflect.Type, buffer int) reflect.Value {
	return reflect.MakeChan(reflect.ChanOf(reflect.BothDir, t.Elem()), buffer).Convert(t)
}

// immutable reports whether a value of type t shares nothing with a plain copy of it that could be modified.
func immutable(t reflect.Type) bool {
	if slices.Contains(immutableStructs, t) || clone.IsScalar(t.Kind()) {
		return true
	}
	switch t.Kind() {
	case reflect.Array:
		return t.Len() == 0 || immutable(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !immutable(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
