package keys

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// The tags that values begin with. They are part of keys that may be stored outside the process: they must not change.
const (
	tagFalse        = 1
	tagTrue         = 2
	tagInt          = 3
	tagInt8         = 4
	tagInt16        = 5
	tagInt32        = 6
	tagInt64        = 7
	tagUint         = 8
	tagUint8        = 9
	tagUint16       = 10
	tagUint32       = 11
	tagUint64       = 12
	tagUintptr      = 13
	tagFloat32      = 14
	tagFloat64      = 15
	tagComplex64    = 16
	tagComplex128   = 17
	tagString       = 18
	tagNilSlice     = 19
	tagSlice        = 20
	tagBytes        = 21 // a slice of bytes
	tagArray        = 22
	tagByteArray    = 23
	tagNilMap       = 24
	tagMap          = 25
	tagStruct       = 26
	tagNilPointer   = 27
	tagPointer      = 28
	tagNilInterface = 29
	tagInterface    = 30
	tagTime         = 31
)

const (
	// maxDepth bounds the nesting through pointers, slices, maps and interfaces, and so the stack.
	maxDepth = 1000

	// maxLength bounds a key, in bytes. Pointers are encoded by pointee, so a few dozen nodes that point to one another twice would
	// otherwise fill the memory, and so would a huge slice of elements without a size.
	maxLength = 16 << 20
)

// encoding is the state of one run over the arguments.
type encoding struct {
	buf       []byte
	types     *dynamicTypes
	depth     int
	inMapKey  int     // how many maps the current value is part of a key of
	ancestors []visit // the pointers, slices and maps around the current value
}

// visit identifies a pointer, slice or map. Two different values that contain one another can share an address (a struct and its first
// field, a slice and its first half) but not all three.
type visit struct {
	typ     reflect.Type
	address unsafe.Pointer
	length  int
}

// descend counts one more level of nesting.
func (e *encoding) descend() *unencodable {
	if e.depth == maxDepth {
		return &unencodable{what: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	if len(e.buf) > maxLength {
		return tooLong()
	}
	e.depth++
	return nil
}

func (e *encoding) ascend() { e.depth-- }

// enter descends into what v, a pointer, slice or map, refers to, and notices if it is already inside of it. Shared
// values that do not contain themselves are fine.
func (e *encoding) enter(v reflect.Value, length int) *unencodable {
	here := visit{v.Type(), v.UnsafePointer(), length}
	// The path is short in nearly all arguments, so that a scan beats a map.
	if slices.Contains(e.ancestors, here) {
		return &unencodable{what: "cycle through " + here.typ.String()}
	}
	if bad := e.descend(); bad != nil {
		return bad
	}
	e.ancestors = append(e.ancestors, here)
	return nil
}

func (e *encoding) leave() {
	last := len(e.ancestors) - 1
	e.ancestors[last] = visit{} // nothing of the caller's is kept
	e.ancestors = e.ancestors[:last]
	e.ascend()
}

// encoder appends values of one type to a buffer. It is a struct so that the encoder of a recursive type can refer to itself.
//
// What encode appends is prefix-free: no encoding of a value is the beginning of another one's. So a sequence of them can be cut
// up in one way only.
//
// The value must have been reached through exported means, which is why encoders of structs lift the restriction on unexported
// fields; structs and arrays must be addressable, for that purpose.
type encoder struct {
	encode func(e *encoding, v reflect.Value) *unencodable
}

// newEncoder returns the encoder of t.
func newEncoder(t reflect.Type) *encoder { return encoders{}.of(t) }

// encoders holds the encoders of one type and of what it is made of, the unfinished ones included.
type encoders map[reflect.Type]*encoder

var timeType = reflect.TypeFor[time.Time]()

func (known encoders) of(t reflect.Type) *encoder {
	if enc := known[t]; enc != nil {
		return enc
	}
	enc := new(encoder)
	known[t] = enc
	switch t.Kind() {
	case reflect.Bool:
		enc.encode = encodeBool
	case reflect.Int:
		enc.encode = signed(tagInt)
	case reflect.Int8:
		enc.encode = signed(tagInt8)
	case reflect.Int16:
		enc.encode = signed(tagInt16)
	case reflect.Int32:
		enc.encode = signed(tagInt32)
	case reflect.Int64:
		enc.encode = signed(tagInt64)
	case reflect.Uint:
		enc.encode = unsigned(tagUint)
	case reflect.Uint8:
		enc.encode = unsigned(tagUint8)
	case reflect.Uint16:
		enc.encode = unsigned(tagUint16)
	case reflect.Uint32:
		enc.encode = unsigned(tagUint32)
	case reflect.Uint64:
		enc.encode = unsigned(tagUint64)
	case reflect.Uintptr:
		enc.encode = unsigned(tagUintptr)
	case reflect.Float32:
		enc.encode = encodeFloat32
	case reflect.Float64:
		enc.encode = encodeFloat64
	case reflect.Complex64:
		enc.encode = encodeComplex64
	case reflect.Complex128:
		enc.encode = encodeComplex128
	case reflect.String:
		enc.encode = encodeString
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			enc.encode = encodeBytes
		} else {
			enc.encode = sliceOf(known.of(t.Elem()))
		}
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			enc.encode = encodeByteArray
		} else {
			enc.encode = arrayOf(known.of(t.Elem()))
		}
	case reflect.Map:
		enc.encode = mapOf(t, known.of(t.Key()), known.of(t.Elem()))
	case reflect.Struct:
		// A struct converts to time.Time only if its underlying type is the same.
		if t.ConvertibleTo(timeType) {
			enc.encode = encodeTime
		} else {
			enc.encode = known.structOf(t)
		}
	case reflect.Pointer:
		enc.encode = pointerTo(known.of(t.Elem()))
	case reflect.Interface:
		enc.encode = encodeInterface
	default: // Func, Chan, UnsafePointer
		enc.encode = encodeNothing
	}
	return enc
}

func encodeNothing(_ *encoding, v reflect.Value) *unencodable {
	return &unencodable{what: v.Type().String()}
}

func encodeBool(e *encoding, v reflect.Value) *unencodable {
	if v.Bool() {
		e.buf = append(e.buf, tagTrue)
	} else {
		e.buf = append(e.buf, tagFalse)
	}
	return nil
}

func signed(tag byte) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		e.buf = binary.AppendVarint(append(e.buf, tag), v.Int())
		return nil
	}
}

func unsigned(tag byte) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		e.buf = binary.AppendUvarint(append(e.buf, tag), v.Uint())
		return nil
	}
}

func encodeFloat32(e *encoding, v reflect.Value) *unencodable {
	e.buf = append(e.buf, tagFloat32)
	return e.float32(float32(v.Float()))
}

func encodeFloat64(e *encoding, v reflect.Value) *unencodable {
	e.buf = append(e.buf, tagFloat64)
	return e.float64(v.Float())
}

func encodeComplex64(e *encoding, v reflect.Value) *unencodable {
	e.buf = append(e.buf, tagComplex64)
	if bad := e.float32(float32(real(v.Complex()))); bad != nil {
		return bad
	}
	return e.float32(float32(imag(v.Complex())))
}

func encodeComplex128(e *encoding, v reflect.Value) *unencodable {
	e.buf = append(e.buf, tagComplex128)
	if bad := e.float64(real(v.Complex())); bad != nil {
		return bad
	}
	return e.float64(imag(v.Complex()))
}

func (e *encoding) float32(f float32) *unencodable {
	bits := math.Float32bits(f)
	switch {
	case f != f:
		if bad := e.notANumber(); bad != nil {
			return bad
		}
		bits = 0x7fc00000 // of all NaNs, one
	case f == 0:
		bits = 0 // of both zeros, one
	}
	e.buf = binary.BigEndian.AppendUint32(e.buf, bits)
	return nil
}

func (e *encoding) float64(f float64) *unencodable {
	bits := math.Float64bits(f)
	switch {
	case f != f:
		if bad := e.notANumber(); bad != nil {
			return bad
		}
		bits = 0x7ff8000000000000
	case f == 0:
		bits = 0
	}
	e.buf = binary.BigEndian.AppendUint64(e.buf, bits)
	return nil
}

// notANumber refuses a NaN in the key of a map: such a map has entries that cannot be looked up, and so does not equal itself.
func (e *encoding) notANumber() *unencodable {
	if e.inMapKey > 0 {
		return &unencodable{what: "NaN in the key of a map"}
	}
	return nil
}

func encodeString(e *encoding, v reflect.Value) *unencodable {
	e.buf = appendText(append(e.buf, tagString), v.String())
	return nil
}

// appendText appends the length of s and s.
func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func encodeBytes(e *encoding, v reflect.Value) *unencodable {
	if v.IsNil() {
		e.buf = append(e.buf, tagNilSlice)
		return nil
	}
	e.buf = append(binary.AppendUvarint(append(e.buf, tagBytes), uint64(v.Len())), v.Bytes()...)
	return nil
}

func encodeByteArray(e *encoding, v reflect.Value) *unencodable {
	e.buf = append(binary.AppendUvarint(append(e.buf, tagByteArray), uint64(v.Len())), v.Bytes()...)
	return nil
}

func sliceOf(elem *encoder) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		if v.IsNil() {
			e.buf = append(e.buf, tagNilSlice)
			return nil
		}
		if bad := e.enter(v, v.Len()); bad != nil {
			return bad
		}
		defer e.leave()
		e.buf = append(e.buf, tagSlice)
		return e.elements(v, elem)
	}
}

func arrayOf(elem *encoder) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		e.buf = append(e.buf, tagArray)
		return e.elements(v, elem)
	}
}

// elements appends the length and the elements of v, a slice or an array.
func (e *encoding) elements(v reflect.Value, elem *encoder) *unencodable {
	n := v.Len()
	if n > maxLength { // at a byte each, at least
		return tooLong()
	}
	e.buf = binary.AppendUvarint(e.buf, uint64(n))
	for i := range n {
		if bad := elem.encode(e, v.Index(i)); bad != nil {
			return bad.in("[" + strconv.Itoa(i) + "]")
		}
		if len(e.buf) > maxLength {
			return tooLong()
		}
	}
	return nil
}

func mapOf(t reflect.Type, key, elem *encoder) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		if v.IsNil() {
			e.buf = append(e.buf, tagNilMap)
			return nil
		}
		if bad := e.enter(v, 0); bad != nil {
			return bad
		}
		defer e.leave()
		e.buf = binary.AppendUvarint(append(e.buf, tagMap), uint64(v.Len()))

		start := len(e.buf)
		ends := make([]int, 0, v.Len())
		k, x := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		for entries := v.MapRange(); entries.Next(); {
			k.SetIterKey(entries)
			e.inMapKey++
			bad := key.encode(e, k)
			e.inMapKey--
			if bad != nil {
				return bad.in("[key]")
			}
			x.SetIterValue(entries)
			if bad := elem.encode(e, x); bad != nil {
				return bad.in(segment(k))
			}
			if len(e.buf) > maxLength {
				return tooLong()
			}
			ends = append(ends, len(e.buf))
		}
		sortParts(e.buf, start, ends)
		return nil
	}
}

// sortParts sorts the parts of b that begin at start and end at ends. Different keys of a map may have the same encoding (pointers to
// equal values), so it takes key and value together to get an order that does not depend on that of the map.
func sortParts(b []byte, start int, ends []int) {
	if len(ends) < 2 {
		return
	}
	unsorted := bytes.Clone(b[start:])
	parts := make([][]byte, len(ends))
	from := 0
	for i, end := range ends {
		parts[i] = unsorted[from : end-start]
		from = end - start
	}
	slices.SortFunc(parts, bytes.Compare)
	sorted := b[:start]
	for _, part := range parts {
		sorted = append(sorted, part...)
	}
}

// segment returns the part of a path that names an entry of a map.
func segment(key reflect.Value) string {
	switch {
	case key.CanInt():
		return "[" + strconv.FormatInt(key.Int(), 10) + "]"
	case key.CanUint():
		return "[" + strconv.FormatUint(key.Uint(), 10) + "]"
	case key.Kind() == reflect.String && key.Len() <= 40:
		return "[" + strconv.Quote(key.String()) + "]"
	default:
		return "[" + key.Type().String() + "]"
	}
}

// field is how to encode one field of a struct.
type field struct {
	index  int
	typ    reflect.Type
	name   string
	hidden bool // reflection allows only part of what encoders do
	*encoder
}

func (known encoders) structOf(t reflect.Type) func(*encoding, reflect.Value) *unencodable {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" { // no program can see what is in it, and == ignores it
			continue
		}
		fields = append(fields, field{i, f.Type, f.Name, !f.IsExported() && composite(f.Type), known.of(f.Type)})
	}
	return func(e *encoding, v reflect.Value) *unencodable {
		e.buf = binary.AppendUvarint(append(e.buf, tagStruct), uint64(len(fields)))
		for i := range fields {
			f := &fields[i]
			x := v.Field(f.index)
			if f.hidden {
				x = reflect.NewAt(f.typ, x.Addr().UnsafePointer()).Elem()
			}
			if bad := f.encode(e, x); bad != nil {
				return bad.in("." + f.name)
			}
		}
		return nil
	}
}

// composite reports whether encoding a value of type t takes more than reading a scalar, which reflection allows everywhere.
func composite(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct, reflect.Pointer, reflect.Interface:
		return true
	default:
		return false
	}
}

// encodeTime does not use UnixNano, which covers the years 1678 to 2262 only.
func encodeTime(e *encoding, v reflect.Value) *unencodable {
	t := (*time.Time)(v.Addr().UnsafePointer())
	e.buf = binary.AppendVarint(append(e.buf, tagTime), t.Unix())
	e.buf = binary.AppendUvarint(e.buf, uint64(t.Nanosecond()))
	return nil
}

func pointerTo(elem *encoder) func(*encoding, reflect.Value) *unencodable {
	return func(e *encoding, v reflect.Value) *unencodable {
		if v.IsNil() {
			e.buf = append(e.buf, tagNilPointer)
			return nil
		}
		if bad := e.enter(v, 0); bad != nil {
			return bad
		}
		defer e.leave()
		e.buf = append(e.buf, tagPointer)
		return elem.encode(e, v.Elem())
	}
}

func encodeInterface(e *encoding, v reflect.Value) *unencodable {
	if v.IsNil() {
		e.buf = append(e.buf, tagNilInterface)
		return nil
	}
	if bad := e.descend(); bad != nil {
		return bad
	}
	defer e.ascend()

	x := v.Elem()
	typ := e.types.of(x.Type())
	if typ.ambiguous {
		return &unencodable{what: x.Type().String() + ", a name of several types"}
	}
	if k := x.Kind(); k == reflect.Struct || k == reflect.Array {
		addressable := reflect.New(x.Type()).Elem()
		addressable.Set(x)
		x = addressable
	}
	e.buf = append(append(e.buf, tagInterface), typ.name...)
	return typ.encode(e, x)
}

// unencodable is the error of an argument that cannot be encoded.
type unencodable struct {
	what string
	path []string // from the inside out
}

func tooLong() *unencodable {
	return &unencodable{what: fmt.Sprintf("longer than %d MiB", maxLength>>20)}
}

// in adds the next outer part of the path.
func (u *unencodable) in(segment string) *unencodable {
	u.path = append(u.path, segment)
	return u
}

// maxPath is the number of segments after which a path is cut.
const maxPath = 12

func (u *unencodable) Error() string {
	var b strings.Builder
	b.WriteString(ErrUnencodable.Error())
	b.WriteByte(' ')
	for i, segment := range slices.Backward(u.path) {
		if len(u.path)-i > maxPath {
			b.WriteString("...")
			break
		}
		b.WriteString(segment)
	}
	if len(u.path) > 0 {
		b.WriteString(": ")
	}
	b.WriteString(u.what)
	return b.String()
}

func (u *unencodable) Unwrap() error { return ErrUnencodable }
