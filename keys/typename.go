package keys

import (
	"reflect"
	"strconv"
	"sync"
)

// dynamicTypes holds what is known of the types that were found in interfaces. The zero value is ready for use.
type dynamicTypes struct {
	types sync.Map // reflect.Type to *dynamicType
	names sync.Map // string to the reflect.Type that has it
}

// dynamicType is how to encode a value in an interface.
type dynamicType struct {
	name      []byte // with its length
	ambiguous bool   // another type has the same name
	*encoder
}

func (d *dynamicTypes) of(t reflect.Type) *dynamicType {
	if known, ok := d.types.Load(t); ok {
		return known.(*dynamicType)
	}
	name := string(appendTypeName(nil, t))
	owner, _ := d.names.LoadOrStore(name, t)
	made, _ := d.types.LoadOrStore(t, &dynamicType{
		name:      appendText(nil, name),
		ambiguous: owner != t,
		encoder:   newEncoder(t),
	})
	return made.(*dynamicType)
}

// appendTypeName appends a description of t that is the same in every process. Unlike t.String it has the import paths of packages in
// full, so that only types declared inside functions, or in package main, can have it in common.
//
// It ends, because only a named type can contain itself.
func appendTypeName(b []byte, t reflect.Type) []byte {
	if t.Name() != "" {
		if t.PkgPath() != "" {
			b = append(append(b, t.PkgPath()...), '.')
		}
		return append(b, t.Name()...)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return appendTypeName(append(b, '*'), t.Elem())
	case reflect.Slice:
		return appendTypeName(append(b, "[]"...), t.Elem())
	case reflect.Array:
		b = strconv.AppendInt(append(b, '['), int64(t.Len()), 10)
		return appendTypeName(append(b, ']'), t.Elem())
	case reflect.Map:
		b = appendTypeName(append(b, "map["...), t.Key())
		return appendTypeName(append(b, ']'), t.Elem())
	case reflect.Chan:
		// Without the parentheses, chan (<-chan T) and chan<- (chan T) would be one.
		b = append(append(b, t.ChanDir().String()...), '(')
		return append(appendTypeName(b, t.Elem()), ')')
	case reflect.Func:
		return appendFuncName(b, t)
	case reflect.Struct:
		return appendStructName(b, t)
	default: // Interface; all other kinds have names
		return appendInterfaceName(b, t)
	}
}

func appendFuncName(b []byte, t reflect.Type) []byte {
	b = append(b, "func("...)
	for i := range t.NumIn() {
		in := t.In(i)
		if t.IsVariadic() && i == t.NumIn()-1 {
			b, in = append(b, "..."...), in.Elem()
		}
		b = append(appendTypeName(b, in), ',')
	}
	b = append(b, ")("...)
	for i := range t.NumOut() {
		b = append(appendTypeName(b, t.Out(i)), ',')
	}
	return append(b, ')')
}

func appendStructName(b []byte, t reflect.Type) []byte {
	b = append(b, "struct{"...)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			b = append(b, "embedded "...)
		}
		b = append(appendIdentifier(b, f.PkgPath, f.Name), ' ')
		b = appendTypeName(b, f.Type)
		if f.Tag != "" {
			b = strconv.AppendQuote(b, string(f.Tag))
		}
		b = append(b, ';')
	}
	return append(b, '}')
}

func appendInterfaceName(b []byte, t reflect.Type) []byte {
	b = append(b, "interface{"...)
	for i := range t.NumMethod() {
		m := t.Method(i)
		b = append(appendTypeName(appendIdentifier(b, m.PkgPath, m.Name), m.Type), ';')
	}
	return append(b, '}')
}

// appendIdentifier appends the name of a field or method: an unexported one is another in every package.
func appendIdentifier(b []byte, pkgPath, name string) []byte {
	if pkgPath != "" {
		b = append(append(b, pkgPath...), '.')
	}
	return append(b, name...)
}
