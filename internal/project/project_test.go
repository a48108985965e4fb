package project

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/memoize-go/memoize"
)

// allowed names, for each package, what of the module and of others it may import. What is not listed here is a new edge: think
// before adding it.
var allowed = map[string][]string{
	"cache": {"clockwork", "entrybuilder", "eviction", "internal/clock", "internal/flight", "internal/hook", "invalidation", "keys",
		"postprocess", "serde", "storage"},
	"entrybuilder":               {"storage"},
	"eviction":                   {"internal/hash", "storage"},
	"eviction/evictiontest":      {"eviction", "storage"},
	"internal/clock":             {"clockwork", "storage"},
	"internal/evidence":          {},
	"internal/evidence/explore":  {},
	"internal/evidence/faults":   {},
	"internal/evidence/leaks":    {},
	"internal/evidence/mutants":  {},
	"internal/evidence/model":    {},
	"internal/evidence/parallel": {},
	"internal/flight":            {"internal/hash", "internal/hook", "storage"},
	"internal/hash":              {},
	"internal/hook":              {},
	"internal/project":           {},
	"invalidation":               {},
	"keys":                       {},
	"postprocess":                {"go-clone"},
	"serde":                      {"storage"},
	"serde/serdetest":            {"serde", "storage", "go-cmp"},
	"storage":                    {"internal/hash"},
	"storage/storagetest":        {"storage", "go-cmp"},
}

// others are the modules that may be imported at all, by the names used above.
var others = map[string]string{
	"github.com/jonboulle/clockwork": "clockwork",
	"github.com/huandu/go-clone":     "go-clone",
	"github.com/google/go-cmp/cmp":   "go-cmp",
}

func TestImports(t *testing.T) {
	for _, dir := range packages(t) {
		if isMain(dir) {
			continue
		}
		for _, problem := range forbidden(dir, imports(t, dir)) {
			t.Error(problem)
		}
	}
}

// forbidden lists the imports of a package that nobody has allowed.
func forbidden(dir string, imported []string) (problems []string) {
	edges, known := allowed[dir]
	if !known {
		return []string{fmt.Sprintf("package %s is new: say in the table what it may import", dir)}
	}
	for _, path := range imported {
		name, inside := strings.CutPrefix(path, module+"/")
		if !inside {
			if !strings.Contains(strings.Split(path, "/")[0], ".") {
				continue // the standard library
			}
			name = others[path]
		}
		if name == "" || !slices.Contains(edges, name) {
			problems = append(problems, fmt.Sprintf("%s imports %s", dir, path))
		}
	}
	return problems
}

func TestForbiddenSeesANewEdge(t *testing.T) {
	for dir, path := range map[string]string{
		"storage": module + "/cache",
		"keys":    module + "/eviction",
		"serde":   "github.com/redis/go-redis/v9",
		"novel":   "fmt",
	} {
		if len(forbidden(dir, []string{path})) != 1 {
			t.Errorf("%s may import %s, it seems", dir, path)
		}
	}
	if problems := forbidden("cache", []string{"context", module + "/keys"}); problems != nil {
		t.Errorf("edges that are allowed are reported: %v", problems)
	}
}

func TestEveryPackageHasItsComment(t *testing.T) {
	for _, dir := range packages(t) {
		pkg, err := build.ImportDir(filepath.Join(root, dir), 0)
		if err != nil {
			t.Fatal(err)
		}
		if pkg.Doc == "" {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// TestEveryConstructorHasItsExample looks for an Example with checked output for every exported function of the public packages that makes
// something.
func TestEveryConstructorHasItsExample(t *testing.T) {
	for _, dir := range packages(t) {
		if isMain(dir) || strings.HasPrefix(dir, "internal") || strings.HasSuffix(dir, "test") {
			continue
		}
		made, shown := constructors(t, dir), examples(t, dir)
		if len(made)+len(shown) == 0 {
			t.Errorf("%s exports nothing and shows nothing", dir)
		}
		for _, name := range made {
			if !slices.Contains(shown, name) && !isOption(dir, name) {
				t.Errorf("%s.%s has no Example with checked output", dir, name)
			}
		}
	}
}

// isOption reports whether a function is an option of the cache: they are shown in the Examples of New and of the recipes.
func isOption(dir, name string) bool {
	return dir == "cache" && (strings.HasPrefix(name, "With") || name == "AwaitConfiguration")
}

func constructors(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, f := range parse(t, dir, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() && fn.Type.Results != nil {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

func examples(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, e := range doc.Examples(parse(t, dir, func(name string) bool { return strings.HasSuffix(name, "_test.go") })...) {
		name, _, _ := strings.Cut(e.Name, "_")
		if e.Output != "" || e.EmptyOutput {
			names = append(names, name)
		}
	}
	return names
}

func parse(t *testing.T, dir string, want func(name string) bool) (files []*ast.File) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, path := range all {
		if want(path) {
			f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	return files
}

func imports(t *testing.T, dir string) []string {
	t.Helper()
	pkg, err := build.ImportDir(filepath.Join(root, dir), 0)
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Imports
}

func isMain(dir string) bool { return strings.HasPrefix(dir, "examples") }

// packages lists the folders of the root module that have code outside of tests.
func packages(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel != "." {
			if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		}
		if pkg, err := build.ImportDir(path, 0); err == nil && len(pkg.GoFiles) > 0 {
			dirs = append(dirs, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 10 {
		t.Fatalf("only %d packages found: %v", len(dirs), dirs)
	}
	return dirs
}
