package postprocess_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/postprocess"
)

func TestNoneHandsOutTheValueItself(t *testing.T) {
	value := []int{1, 2}
	if got := postprocess.None[[]int]().Apply(value); &got[0] != &value[0] {
		t.Error("None handed out another slice")
	}
}

func TestFunc(t *testing.T) {
	value := []int{2, 1}
	got := postprocess.Func(func(v []int) []int { return slices.Sorted(slices.Values(v)) }).Apply(value)
	if diff := cmp.Diff([]int{1, 2}, got); diff != "" {
		t.Errorf("Apply differs (-want +got):\n%s", diff)
	}
}

func TestFuncOfNilIsNone(t *testing.T) {
	if got := postprocess.Func[int](nil); got != postprocess.None[int]() {
		t.Errorf("Func(nil) = %#v, want None", got)
	}
}
