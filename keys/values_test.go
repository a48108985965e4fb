package keys_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/keys"
)

type (
	userID  int
	orderID int
	label   string
	when    time.Time
	pair    struct{ First, Second any }
	hidden  struct {
		at    time.Time
		any   any
		byKey map[any]any
		next  *hidden
		list  []any
		two   [2]any
	}
)

// equal is the equality of the package comment, written down a second time and without any encoding. It takes any two values
// without cycles and without what cannot be encoded. Values in structs must be reachable through exported fields.
func equal(a, b any) bool { return equalValues(reflect.ValueOf(a), reflect.ValueOf(b)) }

func equalValues(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return a.IsValid() == b.IsValid()
	}
	if a.Type() != b.Type() {
		return false
	}
	if a.Type() == reflect.TypeFor[time.Time]() {
		return a.Interface().(time.Time).Round(0).Equal(b.Interface().(time.Time).Round(0))
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		x, y := a.Float(), b.Float()
		return x == y || x != x && y != y
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return equalValues(a.Elem(), b.Elem())
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() || a.Kind() == reflect.Slice && a.IsNil() != b.IsNil() {
			return false
		}
		for i := range a.Len() {
			if !equalValues(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !equalValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
			return false
		}
		taken := make(map[int]bool)
		bKeys := b.MapKeys()
	search:
		for _, ka := range a.MapKeys() {
			for i, kb := range bKeys {
				if !taken[i] && equalValues(ka, kb) && equalValues(a.MapIndex(ka), b.MapIndex(kb)) {
					taken[i] = true
					continue search
				}
			}
			return false
		}
		return true
	default:
		return a.Interface() == b.Interface()
	}
}

// build makes a value out of any bytes: few bytes, so that two values are often equal or nearly so. The same bytes make an equal value that
// shares no memory with the first. Variant changes what must not matter: the order in which maps are filled, locations, NaNs, zeros.
func build(program []byte, variant bool) any {
	b := builder{program, variant}
	return b.value(4)
}

type builder struct {
	program []byte
	variant bool
}

func (b *builder) next() int {
	if len(b.program) == 0 {
		return 0
	}
	op := b.program[0]
	b.program = b.program[1:]
	return int(op)
}

func (b *builder) value(depth int) any {
	op := b.next() % 27
	if depth == 0 {
		op %= 16
	}
	switch op {
	case 0:
		return nil
	case 1:
		return b.next()%2 == 0
	case 2:
		return b.next() % 3
	case 3:
		return int64(b.next() % 3)
	case 4:
		return uint8(b.next() % 3)
	case 5:
		return userID(b.next() % 3)
	case 6:
		return orderID(b.next() % 3)
	case 7:
		return b.text()
	case 8:
		return label(b.text())
	case 9:
		return []byte(b.text())
	case 10:
		return float64(b.float())
	case 11:
		return b.float()
	case 12:
		return b.time()
	case 13:
		n := b.next() % 3
		return &n
	case 14:
		return [2]byte{byte(b.next() % 3), byte(b.next() % 3)}
	case 15:
		return [][]any{nil, {}}[b.next()%2]
	case 16, 17, 18:
		return b.list(depth - 1)
	case 19:
		v := b.value(depth - 1)
		return &v
	case 20:
		return pair{b.value(depth - 1), b.value(depth - 1)}
	case 21:
		return &pair{b.value(depth - 1), b.value(depth - 1)}
	case 22:
		return keys.Of2(b.text(), b.text())
	case 23:
		return [2]any{b.value(depth - 1), b.value(depth - 1)}
	case 24:
		m := make(map[string]any)
		b.fill(b.next()%4, func() { m[strconv.Itoa(b.next())] = b.value(depth - 1) })
		return m
	case 25:
		m := make(map[any]int)
		b.fill(b.next()%4, func() { m[b.mapKey()] = b.next() % 3 })
		return m
	default:
		m := make(map[*int]any)
		b.fill(b.next()%4, func() {
			n := b.next() % 2
			m[&n] = b.value(depth - 1)
		})
		return m
	}
}

// fill calls put n times, in another order in the variant. The bytes for every call are cut out beforehand, so that the
// calls do the same; parts whose first byte was seen before are left out, because then the order might count.
func (b *builder) fill(n int, put func()) {
	seen := make(map[byte]bool)
	var parts [][]byte
	for range n {
		size := min(8, len(b.program))
		part := b.program[:size]
		b.program = b.program[size:]
		if size > 0 && !seen[part[0]] {
			seen[part[0]] = true
			parts = append(parts, part)
		}
	}
	if b.variant {
		slices.Reverse(parts)
	}
	rest := b.program
	for _, part := range parts {
		b.program = part
		put()
	}
	b.program = rest
}

func (b *builder) list(depth int) []any {
	list := make([]any, b.next()%4)
	for i := range list {
		list[i] = b.value(depth)
	}
	return list
}

func (b *builder) text() string {
	return []string{"", "a", "b", "ab", "a\x00", "\x12\x01a", "1", "日"}[b.next()%8]
}

func (b *builder) float() float32 {
	switch b.next() % 5 {
	case 0:
		if b.variant {
			return float32(math.Copysign(0, -1))
		}
		return 0
	case 1:
		return 1
	case 2:
		return float32(math.Inf(-1))
	case 3:
		if b.variant {
			return math.Float32frombits(0x7fc00001)
		}
		return float32(math.NaN())
	default:
		return 0.1
	}
}

func (b *builder) time() time.Time {
	t := time.Unix(int64(b.next()%3), int64(b.next()%2)).UTC()
	if b.variant {
		t = t.In(time.FixedZone("elsewhere", 3600))
	}
	return t
}

// mapKey makes a key that depends on one byte only, and not on the same one for two different bytes.
func (b *builder) mapKey() any {
	n := b.next()
	switch n % 4 {
	case 0:
		return n
	case 1:
		return fmt.Sprint(n)
	case 2:
		return float64(n)
	default:
		return keys.Of2(n, "")
	}
}

// check returns an error if x does not give a and b the same key exactly if they are equal.
func check(x keys.Extractor[any, string], a, b any) error {
	ka, err := x.Key(a)
	if err != nil {
		return fmt.Errorf("first: %w", err)
	}
	kb, err := x.Key(b)
	if err != nil {
		return fmt.Errorf("second: %w", err)
	}
	if want := equal(a, b); (ka == kb) != want {
		return fmt.Errorf("%#v and %#v: equal %t, same key %t: %q and %q", a, b, want, ka == kb, ka, kb)
	}
	return nil
}

// checkProgram checks the values of two programs, and that of the first against its own variant.
func checkProgram(x keys.Extractor[any, string], first, second []byte) error {
	a, b := build(first, false), build(second, false)
	if err := check(x, a, b); err != nil {
		return err
	}
	same := build(first, true)
	if !equal(a, same) {
		return fmt.Errorf("the test is wrong: %#v is not equal to its variant %#v", a, same)
	}
	return check(x, a, same)
}

func TestByNameEqualKeysExactlyForEqualArguments(t *testing.T) {
	x := keys.ByName[any]("f")
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "first")
		second := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 1, 40),
			rapid.Custom(func(t *rapid.T) []byte { // the first with another byte
				changed := slices.Clone(first)
				changed[rapid.IntRange(0, len(changed)-1).Draw(t, "index")] = rapid.Byte().Draw(t, "byte")
				return changed
			}),
		)
		for _, second := range rapid.SliceOfN(second, 10, 10).Draw(t, "second") {
			if err := checkProgram(x, first, second); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// seeds cover every kind that build knows, and pairs that are told apart by framing only.
var seeds = [][2]string{
	{"", "\x00"},
	{"\x01\x00", "\x02\x01"},
	{"\x02\x01", "\x03\x01"},
	{"\x04\x01", "\x05\x01"},
	{"\x05\x01", "\x06\x01"},
	{"\x07\x06", "\x08\x06"},
	{"\x07\x01", "\x09\x01"},
	{"\x0a\x00", "\x0a\x03"},
	{"\x0b\x03", "\x0b\x00"},
	{"\x0c\x01\x00", "\x0c\x01\x01"},
	{"\x0d\x01", "\x02\x01"},
	{"\x0e\x01\x02", "\x09\x01"},
	{"\x0f\x00", "\x0f\x01"},
	{"\x10\x02\x02\x01\x02\x02", "\x10\x02\x02\x01\x03\x02"},
	{"\x13\x13\x02\x01", "\x13\x02\x01"},
	{"\x14\x07\x01\x07\x02", "\x15\x07\x01\x07\x02"},
	{"\x16\x01\x03", "\x16\x03\x01"},
	{"\x17\x02\x01\x02\x01", "\x10\x02\x02\x01\x02\x01"},
	{"\x18\x02\x01\x02\x01xxxxx\x02\x02\x02xxxxx", "\x18\x02\x02\x02\x02xxxxx\x01\x02\x01xxxxx"},
	{"\x19\x03\x00\x01xxxxxx\x01\x01xxxxxx\x02\x01xxxxxx", "\x19\x01\x00\x01xxxxxx"},
	{"\x1a\x02\x01\x02\x01xxxxx\x03\x02\x02xxxxx", "\x1a\x02\x01\x02\x02xxxxx\x03\x02\x01xxxxx"},
}

func FuzzByName(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	x := keys.ByName[any]("f")
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if err := checkProgram(x, first, second); err != nil {
			t.Error(err)
		}
	})
}

// TestCheckFlagsBrokenExtractors shows that the property above can fail: on the seeds alone it finds the faults that makers of keys
// usually have.
func TestCheckFlagsBrokenExtractors(t *testing.T) {
	broken := map[string]func(args any) (string, error){
		"fmt.Sprint":             func(args any) (string, error) { return fmt.Sprint(args), nil },
		"Go syntax with address": func(args any) (string, error) { return fmt.Sprintf("%#v", args), nil },
		"type and text":          func(args any) (string, error) { return fmt.Sprintf("%T %v", args, args), nil },
		"JSON": func(args any) (string, error) {
			data, err := json.Marshal(args)
			return string(data), err
		},
		"constant": func(any) (string, error) { return "", nil },
		"error":    func(any) (string, error) { return "", errors.New("no key") },
	}
	for name, key := range broken {
		t.Run(name, func(t *testing.T) {
			for _, seed := range seeds {
				if checkProgram(keys.Func(key), []byte(seed[0]), []byte(seed[1])) != nil {
					return
				}
			}
			t.Error("no seed shows the fault")
		})
	}
}
