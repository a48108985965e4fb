package keys

import "encoding/binary"

// appendScalar appends what p points to, exactly as the encoder of its type would, if that is of one of the most common types; ok is
// false otherwise. It does without reflection, and p does not escape.
func appendScalar(b []byte, p any) (_ []byte, ok bool) {
	switch p := p.(type) {
	case *string:
		return appendText(append(b, tagString), *p), true
	case *int:
		return binary.AppendVarint(append(b, tagInt), int64(*p)), true
	case *int32:
		return binary.AppendVarint(append(b, tagInt32), int64(*p)), true
	case *int64:
		return binary.AppendVarint(append(b, tagInt64), *p), true
	case *uint:
		return binary.AppendUvarint(append(b, tagUint), uint64(*p)), true
	case *uint32:
		return binary.AppendUvarint(append(b, tagUint32), uint64(*p)), true
	case *uint64:
		return binary.AppendUvarint(append(b, tagUint64), *p), true
	case *bool:
		if *p {
			return append(b, tagTrue), true
		}
		return append(b, tagFalse), true
	default:
		return b, false
	}
}

// scalarMaker makes keys without reflection, for arguments of type A that are scalars or made of scalars; ok is false if they are
// something else, which depends on their type alone. The arguments come by value because pointers would escape here.
type scalarMaker[A any] interface {
	scalarKey(prefix []byte, args A) (key string, ok bool)
}

// scalarMakerOf returns the scalarMaker for type A, or nil.
func scalarMakerOf[A any]() scalarMaker[A] {
	var none A
	maker, ok := any(none).(scalarMaker[A]) // Args2 and Args3 make their own keys
	if !ok {
		maker = single[A]{}
	}
	if _, ok := maker.scalarKey(nil, none); !ok {
		return nil
	}
	return maker
}

// onStack is the length, in bytes, up to which a key of scalars is put together on the stack.
const onStack = 128

type single[A any] struct{}

func (single[A]) scalarKey(prefix []byte, args A) (key string, ok bool) {
	var buf [onStack]byte
	b, ok := appendScalar(append(buf[:0], prefix...), &args)
	if !ok {
		return "", false
	}
	return string(b), true
}

func (Args2[A, B]) scalarKey(prefix []byte, args Args2[A, B]) (key string, ok bool) {
	var buf [onStack]byte
	b := append(append(buf[:0], prefix...), tagStruct, 2)
	if b, ok = appendScalar(b, &args.First); !ok {
		return "", false
	}
	if b, ok = appendScalar(b, &args.Second); !ok {
		return "", false
	}
	return string(b), true
}

func (Args3[A, B, C]) scalarKey(prefix []byte, args Args3[A, B, C]) (key string, ok bool) {
	var buf [onStack]byte
	b := append(append(buf[:0], prefix...), tagStruct, 3)
	if b, ok = appendScalar(b, &args.First); !ok {
		return "", false
	}
	if b, ok = appendScalar(b, &args.Second); !ok {
		return "", false
	}
	if b, ok = appendScalar(b, &args.Third); !ok {
		return "", false
	}
	return string(b), true
}
