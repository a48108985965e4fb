package invalidation

import "reflect"

// same reports whether two targets are one. Targets that cannot be compared never are.
func same[A any](a, b Target[A]) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() &&
		reflect.ValueOf(a).Comparable() && a == b
}
