package keys

import "fmt"

// Identity returns the extractor whose key is the argument itself. It is the cheapest there is: it allocates nothing.
//
// Arguments are equal by ==, unlike those of [ByName]: pointers by address, [time.Time] with location and monotonic reading. An
// argument that does not equal itself, because it is or holds a NaN, could never be found again; its call gets an error that matches
// [ErrUnencodable]. An argument with an interface that holds an incomparable value, such as a slice, panics on the caller's
// stack, as == does.
func Identity[K comparable]() Extractor[K, K] { return identity[K]{} }

type identity[K comparable] struct{}

func (identity[K]) Key(args K) (K, error) {
	if same := args; same != args {
		return args, &unencodable{what: fmt.Sprintf("%T that does not equal itself", args)}
	}
	return args, nil
}
