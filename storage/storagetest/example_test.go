package storagetest_test

import (
	"testing"

	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

// In the tests of a storage these are functions named TestSomething.
func ExampleRun() {
	_ = func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Storage[string, string] {
			return storage.NewMemory[string, string]()
		})
	}
}

// A storage for keys and values of particular types brings samples of both.
func ExampleRunFor() {
	type user struct{ Name string }
	names := []string{"", "Ada", "Grace"}

	_ = func(t *testing.T) {
		storagetest.RunFor(t,
			func(*testing.T) storage.Storage[int64, *user] { return storage.NewMemory[int64, *user]() },
			func(i int) int64 { return int64(i - 1) },
			func(i int) *user { return &user{Name: names[i%len(names)] + string(rune('a'+i/len(names)))} })
	}
}

// A storage that other processes share leaves an entry where it is when this one needs it no more.
func ExampleKeepsReleased() {
	type shared struct {
		storage.Storage[string, string]
	}

	_ = func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Storage[string, string] {
			return shared{storage.NewMemory[string, string]()}
		}, storagetest.KeepsReleased())
	}
}
