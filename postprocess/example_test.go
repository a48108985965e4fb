package postprocess_test

import (
	"fmt"
	"slices"

	"github.com/memoize-go/memoize/postprocess"
)

func ExampleNone() {
	stored := []string{"b", "a"}
	received := postprocess.None[[]string]().Apply(stored)
	fmt.Println(&received[0] == &stored[0])
	// Output: true
}

// A function that knows what callers do with the value copies no more than it has to.
func ExampleFunc() {
	stored := []string{"b", "a"}
	received := postprocess.Func(slices.Clone[[]string]).Apply(stored)

	slices.Sort(received)
	fmt.Println(received, stored)
	// Output: [a b] [b a]
}

func ExampleDeepCopy() {
	type user struct {
		Name   string
		Groups map[string][]string
	}
	stored := &user{Name: "ada", Groups: map[string][]string{"admin": {"read"}}}
	received := postprocess.DeepCopy[*user]().Apply(stored)

	received.Groups["admin"][0] = "write"
	fmt.Println(received.Groups, stored.Groups)
	// Output: map[admin:[write]] map[admin:[read]]
}
