package keys_test

import (
	"testing"
	"time"

	"github.com/memoize-go/memoize/keys"
)

func benchmark[A any](b *testing.B, name string, args A) {
	b.Run(name, func(b *testing.B) {
		x := keys.ByName[A]("benchmark")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x.Key(args); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkByName(b *testing.B) {
	type query struct {
		Tenant string
		From   time.Time
		Limit  int
		tags   []string
	}
	benchmark(b, "string", "user/4711")
	benchmark(b, "int", 4711)
	benchmark(b, "Args2[string,int]", keys.Of2("user", 4711))
	benchmark(b, "Args3[string,int,bool]", keys.Of3("user", 4711, true))
	benchmark[any](b, "any/string", "user/4711")
	benchmark(b, "struct", query{"acme", time.Unix(1700000000, 0), 50, []string{"a", "b"}})
	benchmark(b, "[]string/8", []string{"a", "b", "c", "d", "e", "f", "g", "h"})
	benchmark(b, "map/8", map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8})
	benchmark(b, "map[any]any/2", map[any]any{"a": 1, 2: []any{3, "b"}})
}

func BenchmarkByNameParallel(b *testing.B) {
	x := keys.ByName[keys.Args2[string, int]]("benchmark")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := x.Key(keys.Of2("user", 4711)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkIdentity(b *testing.B) {
	x := keys.Identity[string]()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x.Key("user/4711"); err != nil {
			b.Fatal(err)
		}
	}
}
