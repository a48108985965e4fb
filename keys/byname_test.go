package keys_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/memoize-go/memoize/keys"
)

func anyKey(t testing.TB, v any) string {
	t.Helper()
	return mustKey(t, keys.ByName[any]("f"), v)
}

func ptr[T any](v T) *T { return &v }

// localType returns a value of a type named local that is declared in this function; there is another one in otherLocalType.
func localType() any {
	type local struct{ A int }
	return local{1}
}

func otherLocalType() any {
	type local struct{ A int }
	return local{1}
}

func TestByNameTellsApart(t *testing.T) {
	var (
		nilInt *int
		nilAny *any
	)
	type sameFields struct{ First, Second any }
	values := []any{
		// One, in every guise.
		1, "1", 1.0, float32(1), true, '1', byte(1), int8(1), int16(1), int32(1), int64(1), uint(1), uint16(1), uint32(1), uint64(1), uintptr(1),
		complex64(1), complex(1, 0), complex(0, 1), userID(1), orderID(1), label("1"), time.Duration(1), ptr(1), ptr(ptr(1)), []int{1}, [1]int{1}, []any{1},
		[]byte{1}, [1]byte{1}, []byte("1"), map[int]int{1: 1}, map[int]bool{1: true}, time.Unix(1, 0), when(time.Unix(1, 0)), ptr(any(1)),
		// Nothing, in every guise.
		nil, 0, "", 0.0, false, nilInt, nilAny, []int(nil), []int{}, []string(nil), []string{}, []byte(nil), []byte{}, [0]int{}, [0]string{}, [0]byte{},
		map[string]int(nil), map[string]int{}, map[int]string(nil), struct{}{}, time.Time{}, ptr(""), ptr(0), label(""), ptr(any(nil)),
		[]any{nil}, []any{[]any{}}, []any{[]any(nil)}, [1]any{}, map[any]any{nil: nil},
		// Framing.
		pair{"a", "bc"}, pair{"ab", "c"}, pair{"", "abc"}, sameFields{"a", "bc"}, keys.Of2("a", "bc"), keys.Of2[any, any]("a", "bc"),
		[]string{"a", "bc"}, []string{"ab", "c"}, []string{"abc"}, []string{"abc", ""}, []string{"", "abc"}, []string{"a,bc"},
		[][]int{{1}, {2, 3}}, [][]int{{1, 2}, {3}}, [][]int{{1, 2, 3}}, [][]int{{1, 2, 3}, {}}, [][]int{{1, 2, 3}, nil},
		[2][2]int{{1, 2}, {3, 4}}, [4]int{1, 2, 3, 4}, [2]any{[]int{1, 2}, []int{3, 4}}, [2]any{[]int{1}, []int{2, 3, 4}},
		map[string]string{"a": "b", "c": "d"}, map[string]string{"a": "d", "c": "b"}, map[string]string{"a": "b"}, map[string]any{"a": "b", "c": "d"},
		map[string]map[string]int{"a": {"b": 1}}, map[string]map[string]int{"a": {}, "b": nil},
		// Numbers.
		-1, int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1),
		math.NaN(), float32(math.NaN()), float32(0.1), 0.1, float64(float32(0.1)), 127, 128, 255, 256,
		// Times.
		time.Unix(0, 0), time.Unix(0, 1), time.Unix(-1, 999999999), time.Unix(1<<40, 0), time.Unix(-1<<40, 0), time.Unix(-1<<40, 1),
		time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		// Types without a name.
		struct{ A int }{1}, struct{ B int }{1}, struct{ a int }{1}, struct {
			A int `json:"a"`
		}{1}, struct{ A any }{1}, struct{ userID }{1}, struct{ userID userID }{1},
		[]chan (<-chan int)(nil), []chan<- (chan int)(nil), []chan int(nil), ([]func(int))(nil), ([]func(...int))(nil), ([]func([]int))(nil), ([]func() int)(nil),
		[]interface{ M() }(nil), []interface{ m() }(nil), []interface{ M(int) }(nil), []error(nil), []any(nil), []userID(nil), []orderID(nil),
		map[userID]orderID(nil), map[orderID]userID(nil), []keys.Args2[int, string](nil), []keys.Args2[userID, string](nil),
		localType(), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("::ffff:10.0.0.1"),
		big.NewInt(1), big.NewInt(-1),
	}
	owner := make(map[string]any)
	for _, v := range values {
		key := anyKey(t, v)
		if other, ok := owner[key]; ok {
			t.Errorf("%T(%v) and %T(%v) have one key, %q", v, v, other, other, key)
		}
		owner[key] = v
	}
}

func TestByNameEqualArguments(t *testing.T) {
	now := time.Now() // with a monotonic reading
	zone := time.FixedZone("elsewhere", -5*3600)
	early := time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC)
	late := time.Date(12345, 2, 3, 4, 5, 6, 7, time.UTC)
	shared := ptr(7)

	forward, backward := make(map[any]any), make(map[any]any)
	for i := range 100 {
		forward[i], forward[fmt.Sprint(i)] = i, i
	}
	for i := 99; i >= 0; i-- {
		backward[fmt.Sprint(i)], backward[i] = i, i
	}

	tests := []struct {
		name string
		a, b any
	}{
		{"maps filled in another order", forward, backward},
		{"maps of maps", map[string]any{"a": forward, "b": backward}, map[string]any{"b": forward, "a": backward}},
		{"map keys that point to equal values", map[*int]int{ptr(1): 1, ptr(1): 2, ptr(1): 3}, map[*int]int{ptr(1): 3, ptr(1): 1, ptr(1): 2}},
		{"pointers to equal values", ptr(pair{1, ptr("a")}), ptr(pair{1, ptr("a")})},
		{"one pointer twice", []*int{shared, shared}, []*int{ptr(7), ptr(7)}},
		{"one slice twice", pair{[]any{1}, []any{1}}, func() pair { s := []any{1}; return pair{s, s} }()},
		{"a slice that holds its first half", []any{1, []any{1}}, func() []any { s := []any{1, nil}; s[1] = s[:1]; return s }()},
		{"slices of another capacity", []int{1, 2}, make([]int, 0, 10)[:0:10]},
		{"zeros", 0.0, math.Copysign(0, -1)},
		{"zeros of 32 bits", float32(0), float32(math.Copysign(0, -1))},
		{"complex zeros", complex(0, 0), complex(math.Copysign(0, -1), math.Copysign(0, -1))},
		{"NaNs", math.NaN(), math.Float64frombits(0xfff0000000000001)},
		{"NaNs of 32 bits", math.Float32frombits(0x7fc00001), math.Float32frombits(0xff800001)},
		{"monotonic reading", now, now.Round(0)},
		{"location", now, now.In(zone)},
		{"UTC and location", early, early.In(zone)},
		{"far from 1970", late, late.In(zone)},
		{"zero time elsewhere", time.Time{}, time.Time{}.In(zone)},
		{"type made of time", when(now), when(now.In(zone).Round(0))},
		{"times in maps", map[time.Time]time.Time{now: early}, map[time.Time]time.Time{now.In(zone).Round(0): early.In(zone)}},
		{
			"unexported fields",
			hidden{now, now, map[any]any{now: now}, &hidden{at: early}, []any{late}, [2]any{[1]time.Time{now}, ptr(now)}},
			hidden{
				now.In(zone), now.Round(0), map[any]any{now.Round(0): now.In(zone)}, &hidden{at: early.In(zone)}, []any{late.In(zone)},
				[2]any{[1]time.Time{now.UTC()}, ptr(now.UTC())},
			},
		},
		{"unexported type in an embedded field", struct{ when }{when(now)}, struct{ when }{when(now.UTC())}},
	}
	for i := range tests {
		if s, ok := tests[i].b.([]int); ok {
			tests[i].b = append(s, 1, 2)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if a, b := anyKey(t, test.a), anyKey(t, test.b); a != b {
				t.Errorf("keys %q and %q of equal arguments %v and %v", a, b, test.a, test.b)
			}
		})
	}
}

func TestByNameUnexportedFieldsCount(t *testing.T) {
	at := time.Unix(100, 0)
	base := func() hidden {
		return hidden{at, 1, map[any]any{"a": 1}, &hidden{}, []any{1}, [2]any{1, 2}}
	}
	changes := map[string]func(*hidden){
		"nothing":          func(*hidden) {},
		"time":             func(h *hidden) { h.at = at.Add(1) },
		"interface":        func(h *hidden) { h.any = 2 },
		"map":              func(h *hidden) { h.byKey["a"] = 2 },
		"pointee":          func(h *hidden) { h.next.any = 1 },
		"time of pointee":  func(h *hidden) { h.next.at = at },
		"slice":            func(h *hidden) { h.list[0] = 2 },
		"array":            func(h *hidden) { h.two[1] = 3 },
		"nil pointer":      func(h *hidden) { h.next = nil },
		"struct in struct": func(h *hidden) { h.any = hidden{at: at} },
		"time in struct":   func(h *hidden) { h.any = hidden{at: at.Add(1)} },
	}
	x := keys.ByName[hidden]("f")
	owner := make(map[string]string)
	for name, change := range changes {
		h := base()
		change(&h)
		key := mustKey(t, x, h)
		if other, ok := owner[key]; ok {
			t.Errorf("a change of %s and one of %s have one key", name, other)
		}
		owner[key] = name
	}
}

func TestByNameIgnoresBlankFields(t *testing.T) {
	type padded struct {
		A int
		_ func()
		_ int
	}
	a := padded{A: 1}
	b := padded{A: 1}
	*(*int)(unsafe.Add(unsafe.Pointer(&b), unsafe.Sizeof(b)-unsafe.Sizeof(0))) = 5
	x := keys.ByName[padded]("f")
	if mustKey(t, x, a) != mustKey(t, x, b) {
		t.Error("a field named _ changed the key")
	}
}

func TestByNameNames(t *testing.T) {
	owner := make(map[string]string)
	for _, name := range []string{"", "f", "g", "ff", "f\x12\x01a", "f\x12", "\x01f", strings.Repeat("f", 300)} {
		for _, arg := range []string{"", "a", "f", "\x12\x01a"} {
			key := mustKey(t, keys.ByName[string](name), arg)
			id := fmt.Sprintf("%q of %q", name, arg)
			if other, ok := owner[key]; ok {
				t.Errorf("%s and %s have one key, %q", id, other, key)
			}
			owner[key] = id
		}
	}
}

// The keys of the most common types are made without reflection; both ways have to agree.
func TestByNameScalarsLikeStructs(t *testing.T) {
	type (
		s1 struct {
			A string
			B int
		}
		s2 struct {
			A int32
			B int64
			C bool
		}
		s3 struct {
			A uint
			B uint32
			C uint64
		}
		s4 struct {
			A bool
			B string
			C float64
		}
	)
	long := strings.Repeat("long", 1000)
	compare(t, s1{"a", -5}, keys.Of2("a", -5))
	compare(t, s1{long, math.MaxInt32}, keys.Of2(long, math.MaxInt32))
	compare(t, s2{-1, math.MinInt64, true}, keys.Of3(int32(-1), int64(math.MinInt64), true))
	compare(t, s3{1, 2, math.MaxUint64}, keys.Of3(uint(1), uint32(2), uint64(math.MaxUint64)))
	compare(t, s4{false, "日", 0.5}, keys.Of3(false, "日", 0.5))
	compare(t, [1]string{long}[0], long)

	type oneInt struct{ A int }
	prefix := mustKey(t, keys.ByName[struct{}]("f"), struct{}{})
	prefix = prefix[:len(prefix)-2]
	inStruct := strings.TrimPrefix(mustKey(t, keys.ByName[oneInt]("f"), oneInt{300}), prefix)
	alone := strings.TrimPrefix(mustKey(t, keys.ByName[int]("f"), 300), prefix)
	if diff := cmp.Diff(inStruct[2:], alone); diff != "" {
		t.Errorf("int in a struct and alone (-struct +alone):\n%s", diff)
	}
}

func compare[A, B any](t *testing.T, a A, b B) {
	t.Helper()
	ka, kb := mustKey(t, keys.ByName[A]("f"), a), mustKey(t, keys.ByName[B]("f"), b)
	if ka != kb {
		t.Errorf("%T has key %q, %T has key %q", a, ka, b, kb)
	}
}

// The bytes of keys are a format: entries in storages outside the process are found by them. A change is to be made on purpose.
func TestByNameGolden(t *testing.T) {
	type args struct {
		Name  string
		limit int
		since time.Time
		Tags  []string
		Any   any
		Map   map[string]int8
		Ptr   *bool
	}
	tests := []struct {
		name string
		args any
		want string
	}{
		{"nil", nil, "01046e616d651d"},
		{"nil slice", []bool(nil), "01046e616d651e065b5d626f6f6c13"},
		{"nil bytes", []byte(nil), "01046e616d651e075b5d75696e743813"},
		{"nil map", map[bool]bool(nil), "01046e616d651e0d6d61705b626f6f6c5d626f6f6c18"},
		{"nil pointer", (*bool)(nil), "01046e616d651e052a626f6f6c1b"},
		{"numbers", []any{int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), complex64(0)}, "01046e616d65" +
			"1e0d5b5d696e746572666163657b7d" + "1409" +
			"1e04696e74380402" + "1e05696e7431360502" + "1e05696e7433320602" + "1e05696e7436340702" +
			"1e0475696e740801" + "1e0575696e74380901" + "1e0675696e7431360a01" + "1e0675696e7433320b01" +
			"1e09636f6d706c65783634100000000000000000"},
		{"array", [1]bool{true}, "01046e616d651e075b315d626f6f6c160102"},
		{"false", false, "01046e616d651e04626f6f6c01"},
		{"true", true, "01046e616d651e04626f6f6c02"},
		{"int", -3, "01046e616d651e03696e740305"},
		{"uint64", uint64(math.MaxUint64), "01046e616d651e0675696e7436340cffffffffffffffffff01"},
		{"uintptr", uintptr(300), "01046e616d651e0775696e747074720dac02"},
		{"float32", float32(1.5), "01046e616d651e07666c6f617433320e3fc00000"},
		{"NaN", math.NaN(), "01046e616d651e07666c6f617436340f7ff8000000000000"},
		{"complex128", complex(1, -1), "01046e616d651e0a636f6d706c657831323811" + "3ff0000000000000" + "bff0000000000000"},
		{"string", "héllo", "01046e616d651e06737472696e67120668c3a96c6c6f"},
		{"bytes", []byte{0, 1}, "01046e616d651e075b5d75696e743815020001"},
		{"byte array", [2]byte{0, 1}, "01046e616d651e085b325d75696e743817020001"},
		{"time", time.Unix(-1, 5), "01046e616d651e0974696d652e54696d651f0105"},
		{"map", map[string]int{"b": 1, "a": 2}, "01046e616d651e0e6d61705b737472696e675d696e7419021201610304" + "1201620302"},
		{
			"named type", userID(1),
			"01046e616d651e2e" + hex.EncodeToString([]byte("github.com/memoize-go/memoize/keys_test.userID")) + "0302",
		},
		{
			"struct", struct {
				A int `k:"v"`
				b []any
			}{1, []any{nil}},
			"01046e616d651e4f" + hex.EncodeToString([]byte(`struct{A int"k:\"v\"";github.com/memoize-go/memoize/keys_test.b []interface{};}`)) +
				"1a02" + "0302" + "14011d",
		},
	}
	x := keys.ByName[any]("name")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, hex.EncodeToString([]byte(mustKey(t, x, test.args)))); diff != "" {
				t.Errorf("key (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("without interface", func(t *testing.T) {
		got := mustKey(t, keys.ByName[args]("name"), args{
			Name: "n", limit: 2, since: time.Unix(1, 0), Tags: []string{"x"}, Any: int8(-1), Map: map[string]int8{}, Ptr: ptr(false),
		})
		const want = "01046e616d65" + "1a07" + "12016e" + "0304" + "1f0200" + "1401120178" + "1e04696e74380401" + "1900" + "1c01"
		if diff := cmp.Diff(want, hex.EncodeToString([]byte(got))); diff != "" {
			t.Errorf("key (-want +got):\n%s", diff)
		}
	})
}

type node struct {
	Next *node
	Any  any
}

func TestByNameUnencodable(t *testing.T) {
	type (
		callback struct {
			Name     string
			Callback func()
		}
		ringMap map[string]ringMap
		self    *self
	)
	ring := &node{}
	ring.Next = &node{Next: ring}
	viaAny := &node{}
	viaAny.Any = []any{0, viaAny}
	list := []any{1, nil}
	list[1] = list
	half := []any{nil, 1}
	half[0] = half[:1]
	table := map[string]any{}
	table["self"] = table
	typed := ringMap{}
	typed["x"] = typed
	var pointer self
	pointer = &pointer
	long := &node{}
	for range 100_000 {
		long = &node{Next: long}
	}
	deep := any(1)
	for range 100_000 {
		deep = pair{deep, nil}
	}
	huge := strings.Repeat("x", 16<<20)
	twice := any(strings.Repeat("x", 1<<16))
	for range 100 {
		twice = &pair{twice, twice}
	}

	tests := []struct {
		name string
		args any
		want string
	}{
		{"function", func() {}, "keys: cannot encode func()"},
		{"nil function", (func(int) error)(nil), "keys: cannot encode func(int) error"},
		{"channel", make(chan int), "keys: cannot encode chan int"},
		{"unsafe pointer", unsafe.Pointer(ring), "keys: cannot encode unsafe.Pointer"},
		{"field", callback{"a", func() {}}, "keys: cannot encode .Callback: func()"},
		{"nil field", &callback{}, "keys: cannot encode .Callback: func()"},
		{"path", map[string]any{"a": 1, "b": []any{0, pair{1, callback{}}}}, `keys: cannot encode ["b"][1].Second.Callback: func()`},
		{"path with numbers", map[int]map[uint8]any{-1: {2: make(chan<- int)}}, "keys: cannot encode [-1][2]: chan<- int"},
		{"path with other keys", map[float64]any{1: func() {}}, "keys: cannot encode [float64]: func()"},
		{"map key", map[any]int{make(chan int): 1}, "keys: cannot encode [key]: chan int"},
		{"atomic pointer, in fields without export", struct{ once, m any }{1, &sync.Map{}}, ""},
		{"NaN as a map key", map[float64]int{math.NaN(): 1}, "keys: cannot encode [key]: NaN in the key of a map"},
		{"NaN in a map key", []any{map[any]int{keys.Of2(1, float32(math.NaN())): 1}}, "keys: cannot encode [0][key].Second: NaN in the key of a map"},
		{"complex NaN as a map key", map[complex128]int{complex(0, math.NaN()): 1}, "keys: cannot encode [key]: NaN in the key of a map"},
		{"complex NaN, real part", map[complex128]int{complex(math.NaN(), 0): 1}, "keys: cannot encode [key]: NaN in the key of a map"},
		{"complex NaN of 64 bits", map[complex64]int{complex(float32(math.NaN()), 0): 1}, "keys: cannot encode [key]: NaN in the key of a map"},
		{"cycle of pointers", ring, "keys: cannot encode .Next.Next: cycle through *keys_test.node"},
		{"cycle of pointers and interfaces", viaAny, "keys: cannot encode .Any[1]: cycle through *keys_test.node"},
		{"slice in itself", list, "keys: cannot encode [1]: cycle through []interface {}"},
		{"half a slice in itself", half, "keys: cannot encode [0][0]: cycle through []interface {}"},
		{"map in itself", table, `keys: cannot encode ["self"]: cycle through map[string]interface {}`},
		{"typed map in itself", typed, `keys: cannot encode ["x"]: cycle through keys_test.ringMap`},
		{"pointer to itself", pointer, "keys: cannot encode cycle through keys_test.self"},
		{"long list", long, "keys: cannot encode " + strings.Repeat(".Next", 12) + "...: nested deeper than 1000 levels"},
		{"deep nesting", deep, "keys: cannot encode " + strings.Repeat(".First", 12) + "...: nested deeper than 1000 levels"},
		{"exponential", twice, "keys: cannot encode " + strings.Repeat(".First", 12) + "...: longer than 16 MiB"},
		{"huge slice of nothing", make([]struct{}, math.MaxInt), "keys: cannot encode longer than 16 MiB"},
		{"huge array of nothing", &[math.MaxInt]struct{}{}, "keys: cannot encode longer than 16 MiB"},
		{"huge element", []string{huge}, "keys: cannot encode longer than 16 MiB"},
		{"huge entry", map[string]string{"a": huge}, "keys: cannot encode longer than 16 MiB"},
		{"huge string", huge, "keys: cannot encode longer than 16 MiB"},
	}
	x := keys.ByName[any]("f")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key, err := x.Key(test.args)
			if !errors.Is(err, keys.ErrUnencodable) {
				t.Fatalf("Key = %.20q, %v; want an error that matches ErrUnencodable", key, err)
			}
			if key != "" {
				t.Errorf("key %.20q beside an error", key)
			}
			if test.want != "" && err.Error() != test.want {
				t.Errorf("error %q, want %q", err, test.want)
			}
			// The call that failed leaves nothing behind for the next one.
			if got, want := mustKey(t, x, any(1)), anyKey(t, 1); got != want {
				t.Errorf("the next key is %q, want %q", got, want)
			}
		})
	}
	t.Run("huge string without interface", func(t *testing.T) {
		if _, err := keys.ByName[string]("f").Key(huge); !errors.Is(err, keys.ErrUnencodable) {
			t.Errorf("error %v, want one that matches ErrUnencodable", err)
		}
	})
}

func TestByNameDeepWithinBounds(t *testing.T) {
	list := &node{}
	for range 900 {
		list = &node{Next: list}
	}
	x := keys.ByName[*node]("f")
	if mustKey(t, x, list) == mustKey(t, x, list.Next) {
		t.Error("lists of 900 and 899 nodes have one key")
	}
}

// Depth counts levels, not values.
func TestByNameManySiblings(t *testing.T) {
	type wide struct {
		Pointers []*int
		Any      []any
	}
	var w wide
	for i := range 3000 {
		w.Pointers, w.Any = append(w.Pointers, &i), append(w.Any, i)
	}
	if _, err := keys.ByName[wide]("f").Key(w); err != nil {
		t.Error(err)
	}
}

// Two types with one name cannot be told apart in a way that holds in every process; better no key than one for two values.
func TestByNameRefusesTypesWithOneName(t *testing.T) {
	x := keys.ByName[any]("f")
	first := mustKey(t, x, localType())
	key, err := x.Key(otherLocalType())
	if !errors.Is(err, keys.ErrUnencodable) {
		t.Errorf("Key = %q, %v; want an error that matches ErrUnencodable", key, err)
	}
	if got := mustKey(t, x, localType()); got != first {
		t.Errorf("the first type's key was %q and is %q", first, got)
	}
}

func TestByNameKeepsNothingOfTheArguments(t *testing.T) {
	x := keys.ByName[[]byte]("f")
	args := []byte("abc")
	key := mustKey(t, x, args)
	args[0] = 'x'
	mustKey(t, x, args)
	if want := mustKey(t, x, []byte("abc")); key != want {
		t.Errorf("a key became %q, was %q", key, want)
	}
}

func TestByNameConcurrently(t *testing.T) {
	x := keys.ByName[any]("f")
	values := []any{1, "a", pair{1, "a"}, map[string]any{"a": []int{1}, "b": when{}}, &node{Next: &node{}}, func() {}, hidden{}, [1]any{userID(1)}}
	var want []string
	for _, v := range values {
		key, _ := keys.ByName[any]("f").Key(v)
		want = append(want, key)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := (i + g) % len(values)
				if key, _ := x.Key(values[n]); key != want[n] {
					t.Errorf("key of %v is %q, want %q", values[n], key, want[n])
				}
			}
		})
	}
	wg.Wait()
}

func TestByReference(t *testing.T) {
	one, two := keys.ByReference[int](), keys.ByReference[int]()
	if a, b := mustKey(t, one, 5), mustKey(t, one, 5); a != b {
		t.Errorf("one extractor gives 5 the keys %q and %q", a, b)
	}
	owner := make(map[string]string)
	for name, x := range map[string]keys.Extractor[int, string]{"one": one, "two": two, "by name": keys.ByName[int]("")} {
		for n := range 300 {
			key := mustKey(t, x, n)
			id := fmt.Sprintf("%d of %s", n, name)
			if other, ok := owner[key]; ok {
				t.Errorf("%s and %s have one key, %q", id, other, key)
			}
			owner[key] = id
		}
	}
	if a, b := mustKey(t, one, 0), mustKey(t, keys.ByName[int](""), 0); a[0] == b[0] {
		t.Errorf("keys by reference and by name start alike, with %d: a name could imitate a reference", a[0])
	}
	if _, err := keys.ByReference[func()]().Key(nil); !errors.Is(err, keys.ErrUnencodable) {
		t.Errorf("Key of a function: error %v, want one that matches ErrUnencodable", err)
	}
}

const childKeys = "MEMOIZE_TEST_PRINT_KEYS"

// TestKeysInOtherProcesses runs the test binary again: hash seeds and addresses differ there.
func TestKeysInOtherProcesses(t *testing.T) {
	byName := keys.ByName[any]("f")
	byReference := keys.ByReference[string]()
	args := pair{map[any]any{1: "a", "b": 2.5, userID(3): ptr(hidden{at: time.Unix(1, 2)}), keys.Of2(1, 2): nil}, ptr(localType())}
	printed := fmt.Sprintf("%x %x", mustKey(t, byName, any(args)), mustKey(t, byReference, "a"))
	if os.Getenv(childKeys) != "" {
		fmt.Println("keys:", printed)
		return
	}
	byNameHere, byReferenceHere, _ := strings.Cut(printed, " ")

	child := exec.Command(os.Args[0], "-test.run=^TestKeysInOtherProcesses$", "-test.v")
	child.Env = append(os.Environ(), childKeys+"=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("other process: %v\n%s", err, out)
	}
	var byNameThere, byReferenceThere string
	_, rest, _ := strings.Cut(string(out), "keys: ")
	if _, err := fmt.Sscan(rest, &byNameThere, &byReferenceThere); err != nil {
		t.Fatalf("other process printed %q: %v", out, err)
	}
	if byNameHere != byNameThere {
		t.Errorf("by name: key %s here, %s in another process", byNameHere, byNameThere)
	}
	if tail := hex.EncodeToString([]byte("\x12\x01a")); !strings.HasSuffix(byReferenceThere, tail) {
		t.Fatalf("by reference: key %s in another process, want one that ends with %s", byReferenceThere, tail)
	}
	// The counter may differ too, depending on what ran before; the nonce in front of it has to.
	const tag, nonce = 1, 16
	if byReferenceHere[:2*(tag+nonce)] == byReferenceThere[:2*(tag+nonce)] {
		t.Errorf("by reference: prefix of %s is the same in another process", byReferenceHere)
	}
}
