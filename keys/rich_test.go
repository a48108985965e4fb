package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/memoize-go/memoize/keys"
)

type point struct{ X, Y int8 }

// rich is an argument with everything that a key can be made of, in fields with and without export.
type rich struct {
	Text   string
	Bytes  []byte
	Flag   bool
	Int    int
	Small  int8
	Big    uint64
	Float  float64
	Single float32
	Both   complex128
	When   time.Time
	Three  [3]string
	Ptr    *string
	PtrPtr **int8
	Nested *rich
	List   []rich
	Lists  [][]string
	Map    map[string]float64
	Points map[point][]byte
	ByPtr  map[int8]*point
	Any    any
	point
	hidden struct {
		text string
		when time.Time
		any  any
		list []float32
	}
}

// richOf makes an argument out of any bytes, like build: the same bytes make an equal one that shares no memory with the first, and variant
// changes what must not matter.
func richOf(program []byte, variant bool) rich {
	b := builder{program, variant}
	return b.rich(2)
}

func (b *builder) rich(depth int) (r rich) {
	// Few fields are set, so that a byte more or less decides about one of them.
	for range 1 + b.next()%6 {
		b.field(&r, depth)
	}
	return r
}

func (b *builder) field(r *rich, depth int) {
	switch b.next() % 26 {
	case 0:
		r.Text = string(b.blob())
	case 1:
		r.Bytes = b.blob()
	case 2:
		r.Flag = b.next()%2 == 0
	case 3:
		r.Int = int(b.integer())
	case 4:
		r.Small = int8(b.next())
	case 5:
		r.Big = b.integer()
	case 6:
		r.Float = b.float64()
	case 7:
		r.Single = b.float()
	case 8:
		r.Both = complex(b.float64(), b.float64())
	case 9:
		r.When = b.instant()
	case 10:
		r.Three[b.next()%3] = string(b.blob())
	case 11:
		s := string(b.blob())
		r.Ptr = &s
	case 12:
		n := int8(b.next())
		p := &n
		r.PtrPtr = &p
	case 13:
		r.PtrPtr = new(*int8)
	case 14:
		if depth > 0 {
			nested := b.rich(depth - 1)
			r.Nested = &nested
		}
	case 15:
		r.List = []rich{}
		for range b.next() % 3 {
			if depth > 0 {
				r.List = append(r.List, b.rich(depth-1))
			}
		}
	case 16:
		r.Lists = make([][]string, b.next()%3)
		for i := range r.Lists {
			for range b.next() % 3 {
				r.Lists[i] = append(r.Lists[i], string(b.blob()))
			}
		}
	case 17:
		r.Map = make(map[string]float64)
		b.fill(b.next()%4, func() { r.Map[string(rune(b.next()))] = b.float64() })
	case 18:
		r.Points = make(map[point][]byte)
		b.fill(b.next()%4, func() { r.Points[point{int8(b.next()), 1}] = b.blob() })
	case 19:
		r.ByPtr = make(map[int8]*point)
		b.fill(b.next()%4, func() { r.ByPtr[int8(b.next())] = &point{int8(b.next()), 0} })
	case 20:
		r.Any = b.value(depth)
	case 21:
		r.point = point{int8(b.next()), int8(b.next())}
	case 22:
		r.hidden.text = string(b.blob())
	case 23:
		r.hidden.when = b.instant()
	case 24:
		r.hidden.any = b.value(depth)
	default:
		r.hidden.list = make([]float32, b.next()%3)
		for i := range r.hidden.list {
			r.hidden.list[i] = b.float()
		}
	}
}

// blob is a few bytes of any kind, or nil.
func (b *builder) blob() []byte {
	n := b.next() % 6
	if n == 5 {
		return nil
	}
	blob := make([]byte, n)
	for i := range blob {
		blob[i] = byte(b.next())
	}
	return blob
}

func (b *builder) integer() (n uint64) {
	for range b.next() % 9 {
		n = n<<8 | uint64(b.next())
	}
	return n
}

func (b *builder) float64() float64 {
	var f float64
	switch b.next() % 5 {
	case 0:
	case 1:
		f = math.NaN()
	case 2:
		f = math.Inf(1)
	case 3:
		f = 1
	default:
		f = math.Float64frombits(b.integer())
	}
	if b.variant && f == 0 {
		return math.Copysign(0, -1)
	}
	if b.variant && f != f {
		return math.Float64frombits(math.Float64bits(f) | 1<<63 | 0xbad)
	}
	return f
}

func (b *builder) instant() time.Time {
	t := time.Unix(int64(b.integer()), int64(b.next())).UTC()
	if b.next()%3 == 0 {
		t = time.Time{}
	}
	if b.variant {
		t = t.In(time.FixedZone("elsewhere", -5400))
	}
	return t
}

// equalRich is the equality of the package comment for rich, field by field and without reflection, apart from what is in interfaces.
func equalRich(a, b rich) bool {
	return a.Text == b.Text && a.Flag == b.Flag && a.Int == b.Int && a.Small == b.Small && a.Big == b.Big && a.Three == b.Three && a.point == b.point &&
		a.hidden.text == b.hidden.text &&
		equalBytes(a.Bytes, b.Bytes) &&
		equalFloats(a.Float, b.Float) && equalFloats(a.Single, b.Single) &&
		equalFloats(real(a.Both), real(b.Both)) && equalFloats(imag(a.Both), imag(b.Both)) &&
		a.When.Equal(b.When) && a.hidden.when.Equal(b.hidden.when) &&
		equalPointers(a.Ptr, b.Ptr, func(a, b string) bool { return a == b }) &&
		equalPointers(a.PtrPtr, b.PtrPtr, func(a, b *int8) bool { return equalPointers(a, b, func(a, b int8) bool { return a == b }) }) &&
		equalPointers(a.Nested, b.Nested, equalRich) &&
		equalSlices(a.List, b.List, equalRich) &&
		equalSlices(a.Lists, b.Lists, func(a, b []string) bool { return equalSlices(a, b, func(a, b string) bool { return a == b }) }) &&
		equalSlices(a.hidden.list, b.hidden.list, equalFloats[float32]) &&
		equalMaps(a.Map, b.Map, equalFloats[float64]) &&
		equalMaps(a.Points, b.Points, equalBytes) &&
		equalMaps(a.ByPtr, b.ByPtr, func(a, b *point) bool { return equalPointers(a, b, func(a, b point) bool { return a == b }) }) &&
		equal(a.Any, b.Any) && equal(a.hidden.any, b.hidden.any)
}

func equalBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func equalFloats[F float32 | float64](a, b F) bool { return a == b || a != a && b != b }

func equalPointers[T any](a, b *T, equal func(a, b T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equal(*a, *b)
}

func equalSlices[T any](a, b []T, equal func(a, b T) bool) bool {
	return (a == nil) == (b == nil) && slices.EqualFunc(a, b, equal)
}

func equalMaps[K comparable, V any](a, b map[K]V, equal func(a, b V) bool) bool {
	if (a == nil) != (b == nil) || len(a) != len(b) {
		return false
	}
	for k, va := range a {
		if vb, ok := b[k]; !ok || !equal(va, vb) {
			return false
		}
	}
	return true
}

// richKeys makes the keys of an argument in every way in which extractors can come by it.
type richKeys struct {
	plain   keys.Extractor[rich, string]
	pointer keys.Extractor[*rich, string]
	dynamic keys.Extractor[any, string]
	second  keys.Extractor[keys.Args2[string, rich], string]
}

func newRichKeys() richKeys {
	return richKeys{keys.ByName[rich]("f"), keys.ByName[*rich]("f"), keys.ByName[any]("f"), keys.ByName[keys.Args2[string, rich]]("f")}
}

func (k richKeys) of(r rich) (ways [4]string, err error) {
	for i, make := range []func() (string, error){
		func() (string, error) { return k.plain.Key(r) },
		func() (string, error) { return k.pointer.Key(&r) },
		func() (string, error) { return k.dynamic.Key(r) },
		func() (string, error) { return k.second.Key(keys.Of2("", r)) },
	} {
		if ways[i], err = make(); err != nil {
			return ways, err
		}
	}
	return ways, nil
}

// checkRich checks an argument against its variant, and against another one.
func checkRich(of func(rich) ([4]string, error), first, second []byte) error {
	a, b, same := richOf(first, false), richOf(second, false), richOf(first, true)
	if !equalRich(a, same) {
		return fmt.Errorf("the test is wrong: %+v is not equal to its variant %+v", a, same)
	}
	for _, other := range []rich{b, same} {
		want := equalRich(a, other)
		ka, err := of(a)
		if err != nil {
			return err
		}
		kb, err := of(other)
		if err != nil {
			return err
		}
		for i := range ka {
			if (ka[i] == kb[i]) != want {
				return fmt.Errorf("%+v and %+v: equal %t, same key %t (way %d): %q and %q", a, other, want, ka[i] == kb[i], i, ka[i], kb[i])
			}
		}
	}
	return nil
}

// changed returns program with one byte changed, which makes arguments that differ in little or nothing.
func changed(program []byte, at uint16, mask byte) []byte {
	if len(program) == 0 {
		return []byte{mask}
	}
	program = bytes.Clone(program)
	program[int(at)%len(program)] ^= mask
	return program
}

func FuzzByNameRich(f *testing.F) {
	for _, seed := range richSeeds() {
		f.Add(seed.program, seed.at, seed.mask, []byte{})
	}
	// Texts side by side, of which one takes what might be the head of the next one.
	f.Add([]byte{1, 10, 0, 2, 'a', 0x12, 10, 1, 1, 'b'}, uint16(0), byte(0), []byte{1, 10, 0, 1, 'a', 10, 1, 2, 0x12, 'b'})
	of := newRichKeys().of
	f.Fuzz(func(t *testing.T, program []byte, at uint16, mask byte, another []byte) {
		for _, other := range [][]byte{changed(program, at, mask), another} {
			if err := checkRich(of, program, other); err != nil {
				t.Error(err)
			}
		}
	})
}

type richSeed struct {
	program []byte
	at      uint16
	mask    byte
}

// richSeeds set every field, each alone, and many together.
func richSeeds() []richSeed {
	seeds := []richSeed{
		{[]byte{0, 1, 0}, 2, 5},                                // empty and nil bytes
		{[]byte{0, 6, 0}, 2, 1},                                // zero and NaN
		{[]byte{0, 6, 1}, 2, 0},                                // NaN and NaN
		{[]byte{0, 17, 1, 'k', 0, 0, 0, 0, 0, 0, 0}, 4, 3},     // a map with another value
		{[]byte{0, 17, 1, 'k', 1, 0, 0, 0, 0, 0, 0}, 3, 1},     // a map with another key
		{[]byte{0, 15, 0}, 1, 1},                               // an empty list of arguments, and of lists of texts
		{[]byte{2, 0, 2, 'a', 'b', 22, 1, 'c', 0, 0}, 2, 3},    // a text that ends sooner
		{[]byte{0, 9, 8, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 3, 60}, // instants far away
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for field := range byte(26) {
		for range 8 {
			program := []byte{0, field}
			for range 14 {
				program = append(program, byte(rng.Uint32()))
			}
			seeds = append(seeds, richSeed{program, uint16(2 + rng.IntN(6)), byte(1 + rng.IntN(255))})
		}
	}
	for range 50 {
		program := []byte{5}
		for range 60 {
			program = append(program, byte(rng.Uint32()))
		}
		seeds = append(seeds, richSeed{program, uint16(rng.IntN(60)), byte(1 + rng.IntN(255))})
	}
	return seeds
}

// TestCheckRichFlagsBrokenKeys shows that the property above can fail: on the seeds alone it finds keys that tell apart too little or
// too much.
func TestCheckRichFlagsBrokenKeys(t *testing.T) {
	good := newRichKeys()
	// with returns the right keys with something more to them.
	with := func(extra func(rich) any) func(rich) ([4]string, error) {
		return func(r rich) ([4]string, error) {
			ways, err := good.of(r)
			ways[3] += fmt.Sprint(extra(r))
			return ways, err
		}
	}
	// without returns the keys of an argument from which something was taken.
	without := func(take func(*rich)) func(rich) ([4]string, error) {
		return func(r rich) ([4]string, error) {
			take(&r)
			return good.of(r)
		}
	}
	all := func(key string) (ways [4]string) {
		for i := range ways {
			ways[i] = key
		}
		return ways
	}
	for name, of := range map[string]func(rich) ([4]string, error){
		"constant":       func(rich) ([4]string, error) { return all(""), nil },
		"error":          func(rich) ([4]string, error) { return all(""), errors.New("no key") },
		"text":           func(r rich) ([4]string, error) { return all(fmt.Sprintf("%+v", r)), nil },
		"bits of zero":   with(func(r rich) any { return math.Signbit(r.Float) && r.Float == 0 }),
		"bits of NaN":    with(func(r rich) any { return math.IsNaN(r.Float) && math.Signbit(r.Float) }),
		"location":       with(func(r rich) any { return r.When.Location() }),
		"address":        with(func(r rich) any { return r.Ptr }),
		"no hidden text": without(func(r *rich) { r.hidden.text = "" }),
		"no hidden any":  without(func(r *rich) { r.hidden.any = nil }),
		"no embedded":    without(func(r *rich) { r.point = point{} }),
		"nil is empty": without(func(r *rich) {
			if len(r.Bytes) == 0 {
				r.Bytes = nil
			}
		}),
		"seconds": without(func(r *rich) { r.When = r.When.Truncate(time.Second) }),
		"UTF-8":   without(func(r *rich) { r.Text = string([]rune(r.Text)) }),
		"no values": without(func(r *rich) {
			r.Map = maps.Clone(r.Map)
			for k := range r.Map {
				r.Map[k] = 0
			}
		}),
		"no pointees": without(func(r *rich) {
			if r.PtrPtr != nil {
				r.PtrPtr = new(*int8)
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, seed := range richSeeds() {
				if checkRich(of, seed.program, changed(seed.program, seed.at, seed.mask)) != nil {
					return
				}
			}
			t.Error("no seed shows the fault")
		})
	}
}

// FuzzByNameTexts checks extractors that come without reflection, and how texts of any bytes are told from what is around them: arguments, names
// and lists have the same key exactly if all of their parts are equal.
func FuzzByNameTexts(f *testing.F) {
	f.Add("a", "bc", "ab", "c", int64(0), int64(0))
	f.Add("", "", "", "\x00", int64(1), int64(1))
	f.Add("\x12\x01a", "b", "", "\x12\x01ab", int64(-1), int64(math.MaxInt64))
	f.Add("a\x12", "b", "a", "\x12b", int64(7), int64(7))
	f.Add("same", "\xff\xfe", "same", "\xff\xfe", int64(64), int64(64))
	f.Fuzz(func(t *testing.T, a1, a2, b1, b2 string, an, bn int64) {
		texts, all := a1 == b1 && a2 == b2, a1 == b1 && a2 == b2 && an == bn
		expectKeys(t, keys.Of2(a1, a2), keys.Of2(b1, b2), texts)
		expectKeys(t, keys.Of3(a1, an, a2), keys.Of3(b1, bn, b2), all)
		expectKeys(t, keys.Of2(an, keys.Of2(a1, a2)), keys.Of2(bn, keys.Of2(b1, b2)), all)
		expectKeys(t, []string{a1, a2}, []string{b1, b2}, texts)
		expectKeys(t, [][]string{{a1}, {a2}}, [][]string{{b1, b2}}, false)
		expectKeys(t, []any{a1, an, a2}, []any{b1, bn, b2}, all)
		expectKeys(t, map[string]string{"1": a1, "2": a2}, map[string]string{"1": b1, "2": b2}, texts)
		expectKeys(t, any([]byte(a1)), any(b1), false)

		// The name is a part like the others.
		ka, kb := mustKey(t, keys.ByName[string](a1), a2), mustKey(t, keys.ByName[string](b1), b2)
		if (ka == kb) != texts {
			t.Errorf("function %q of %q, function %q of %q: %q and %q", a1, a2, b1, b2, ka, kb)
		}
	})
}

func expectKeys[A any](t *testing.T, a, b A, same bool) {
	t.Helper()
	x := keys.ByName[A]("f")
	if ka, kb := mustKey(t, x, a), mustKey(t, x, b); (ka == kb) != same {
		t.Errorf("%#v and %#v: same key %t, want %t: %q and %q", a, b, ka == kb, same, ka, kb)
	}
}

// TestByNameAllShortPrograms compares each value of a program of three bytes with each other one.
func TestByNameAllShortPrograms(t *testing.T) {
	x := keys.ByName[any]("f")
	owner := make(map[string]any)
	var different []any
	for op := range byte(27) {
		for second := range byte(8) {
			for third := range byte(4) {
				v := build([]byte{op, second, third}, false)
				key := mustKey(t, x, v)
				if other, known := owner[key]; known {
					if !equal(v, other) {
						t.Errorf("%#v and %#v have one key, %q", v, other, key)
					}
					continue
				}
				owner[key] = v
				for _, other := range different {
					if equal(v, other) {
						t.Errorf("%#v has two keys, one is %q", v, key)
					}
				}
				different = append(different, v)
			}
		}
	}
	t.Log(strconv.Itoa(len(different)) + " different values")
}
