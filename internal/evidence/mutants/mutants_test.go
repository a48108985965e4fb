package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Every fault still fits the library as it is, and some checker has to find it.
func TestMutantsFit(t *testing.T) {
	if len(mutants) < 20 {
		t.Errorf("only %d mutants", len(mutants))
	}
	names := map[string]bool{}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "..", m.file))
			if err != nil {
				t.Fatal(err)
			}
			mutated, err := m.apply(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), m.file, mutated, 0); err != nil {
				t.Error(err)
			}
			if names[m.name] || len(m.finds) == 0 {
				t.Error("the name is taken, or nobody has to find it")
			}
			names[m.name] = true
		})
	}
	for _, c := range checkers {
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return slices.Contains(m.finds, c.name) }) {
			t.Errorf("there is no mutant for %s", c.name)
		}
	}
}

func TestTextThatIsNotThereOnce(t *testing.T) {
	m := mutant{old: "a", new: "b"}
	for _, text := range []string{"", "xyz", "a a"} {
		if _, err := m.apply([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
