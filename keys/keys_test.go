package keys_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/keys"
)

func TestIdentity(t *testing.T) {
	t.Run("the key is the argument", func(t *testing.T) {
		got, err := keys.Identity[string]().Key("k")
		if err != nil || got != "k" {
			t.Errorf("Key = %q, %v; want %q, nil", got, err, "k")
		}
	})
	t.Run("several arguments as one", func(t *testing.T) {
		x := keys.Identity[keys.Args3[string, int, bool]]()
		got, err := x.Key(keys.Of3("k", 1, true))
		if err != nil {
			t.Fatal(err)
		}
		want := keys.Args3[string, int, bool]{First: "k", Second: 1, Third: true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("key (-want +got):\n%s", diff)
		}
	})
	t.Run("what does not equal itself is no key", func(t *testing.T) {
		x := keys.Identity[keys.Args2[string, float64]]()
		if _, err := x.Key(keys.Of2("k", math.NaN())); !errors.Is(err, keys.ErrUnencodable) {
			t.Errorf("Key of NaN: error %v, want one that matches ErrUnencodable", err)
		}
		if _, err := x.Key(keys.Of2("k", math.Inf(1))); err != nil {
			t.Errorf("Key of +Inf: %v", err)
		}
	})
}

func TestFunc(t *testing.T) {
	errOdd := errors.New("odd")
	x := keys.Func(func(n int) (string, error) {
		if n%2 != 0 {
			return "", errOdd
		}
		return "even", nil
	})
	if got, err := x.Key(2); err != nil || got != "even" {
		t.Errorf("Key(2) = %q, %v; want %q, nil", got, err, "even")
	}
	if _, err := x.Key(1); err != errOdd {
		t.Errorf("Key(1): error %v, want the function's own, unchanged", err)
	}
}

func TestFuncLeavesPanicsAlone(t *testing.T) {
	x := keys.Func(func(int) (int, error) { panic("mine") })
	defer func() {
		if got := recover(); got != "mine" {
			t.Errorf("recovered %v, want the function's own panic", got)
		}
	}()
	x.Key(1)
	t.Error("Key returned, want a panic")
}

func TestSkipFirst(t *testing.T) {
	type service struct{ onChange func() } // could not be encoded
	x := keys.SkipFirst[*service](keys.ByName[int]("square"))
	plain := keys.ByName[int]("square")

	one, two := &service{}, &service{onChange: func() {}}
	want := mustKey(t, plain, 3)
	for _, s := range []*service{one, two, nil} {
		if got := mustKey(t, x, keys.Of2(s, 3)); got != want {
			t.Errorf("key with receiver %p is %q, want that of the rest, %q", s, got, want)
		}
	}
	if got := mustKey(t, x, keys.Of2(one, 4)); got == want {
		t.Errorf("3 and 4 have one key, %q", got)
	}
}

func TestNilIsReportedByKey(t *testing.T) {
	tests := []struct {
		name string
		key  func() (string, error)
		want string
	}{
		{"Func", func() (string, error) { return keys.Func[int, string](nil).Key(1) }, "keys: Func: nil function"},
		{"SkipFirst", func() (string, error) {
			return keys.SkipFirst[int, int, string](nil).Key(keys.Of2(1, 2))
		}, "keys: SkipFirst: nil extractor"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key, err := test.key()
			if err == nil || err.Error() != test.want || key != "" {
				t.Errorf("Key = %q, %v; want no key and the error %q", key, err, test.want)
			}
		})
	}
}

func mustKey[A any, K comparable](t testing.TB, x keys.Extractor[A, K], args A) K {
	t.Helper()
	key, err := x.Key(args)
	if err != nil {
		t.Fatalf("Key(%v): %v", args, err)
	}
	return key
}
