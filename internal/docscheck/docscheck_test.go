// Package docscheck_test holds the prose of the repository to its code: every Go snippet stands in
// a file that is compiled, and every link within the repository leads somewhere.
package docscheck_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

const (
	root = "../.."
	own  = "internal/docscheck" // what stands here is no evidence
)

// tree is what the checks look at, by slash-separated paths below the root of the repository.
type tree struct {
	prose  map[string]string // Markdown files
	code   map[string]string // Go files that are compiled
	exists map[string]bool   // files and folders
}

func TestSnippetsAreCompiled(t *testing.T) {
	repo := read(t)
	if n := len(repo.prose); n < 5 {
		t.Fatalf("only %d Markdown files found", n)
	}
	if n := len(repo.code); n < 50 {
		t.Fatalf("only %d Go files found", n)
	}
	for _, problem := range checkSnippets(repo) {
		t.Error(problem)
	}
}

func TestLinksResolve(t *testing.T) {
	for _, problem := range checkLinks(read(t)) {
		t.Error(problem)
	}
}

func TestSnippetCheckFindsFaults(t *testing.T) {
	const home = "package p\n\nfunc f() {\n\tif true {\n\t\tx := 1\n\n\t\t_ = x\n\t}\n}\n"
	tests := []struct {
		name  string
		prose string
		want  []string
	}{
		{"verbatim", "```go\nif true {\n\tx := 1\n\n\t_ = x\n}\n```\n", nil},
		{"deeper", "text\n\n```go\nx := 1\n\n_ = x\n```\n", nil},
		{"in a list", "- item\n\n  ```go\n  x := 1\n  ```\n", nil},
		{"blank lines around", "```go\n\nx := 1\n\n```\n", nil},
		{"other languages", "```sh\nrm x\n```\n\n~~~text\nx := 3\n~~~\n", nil},
		{"a longer fence", "````go\nx := 1\n````\n", nil},
		{"unknown", "a\n\n```go\nx := 2\n```\n", []string{"doc.md:3: this snippet stands in no Go file:\nx := 2"}},
		{"a line left out", "```go\nif true {\n\tx := 1\n\t_ = x\n}\n```\n", []string{"doc.md:1: this snippet stands in no Go file:\nif true {\n\tx := 1\n\t_ = x\n}"}},
		{"other indentation within", "```go\nif true {\nx := 1\n```\n", []string{"doc.md:1: this snippet stands in no Go file:\nif true {\nx := 1"}},
		{"part of a line", "```go\nx :=\n```\n", []string{"doc.md:1: this snippet stands in no Go file:\nx :="}},
		{"attributes", "```go playground\nx := 2\n```\n", []string{"doc.md:1: this snippet stands in no Go file:\nx := 2"}},
		{"spelled out", "```golang\nx := 2\n```\n", []string{"doc.md:1: this snippet stands in no Go file:\nx := 2"}},
		{"second of two", "```go\nx := 1\n```\n```go\nx := 2\n```\n", []string{"doc.md:4: this snippet stands in no Go file:\nx := 2"}},
		{"empty", "```go\n```\n", []string{"doc.md:1: empty snippet"}},
		{"no language", "```\nx := 2\n```\n", []string{"doc.md:1: block without a language"}},
		{"no end", "```go\nx := 1\n", []string{"doc.md:1: block without an end"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := checkSnippets(tree{
				prose: map[string]string{"doc.md": tt.prose},
				code:  map[string]string{"p.go": home},
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinkCheckFindsFaults(t *testing.T) {
	repo := tree{exists: map[string]bool{".": true, "README.md": true, "docs": true, "docs/a.md": true, "docs/b.md": true}}
	const other = "# A `b`: c, d?\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n"
	tests := []struct {
		name  string
		prose string
		want  []string
	}{
		{"to a file", "see [b](b.md) and [it](../README.md)", nil},
		{"to a folder", "[docs](../docs) [root](..)", nil},
		{"to the world", "[x](https://example.org/y.md) <https://example.org> [m](mailto:a@example.org)", nil},
		{"to a heading", "[b](b.md#a-b-c-d) [c](b.md#twice-1)", nil},
		{"to one of its own", "# Here\n\n[up](#here)", nil},
		{"by reference", "[b][1]\n\n[1]: b.md", nil},
		{"in code", "`[b](gone.md)`\n\n```text\n[b](gone.md)\n```\n", nil},
		{"no file", "[x](gone.md)", []string{"docs/a.md: gone.md leads nowhere"}},
		{"no file by reference", "[x][1]\n\n[1]: gone.md", []string{"docs/a.md: gone.md leads nowhere"}},
		{"an image", "![x](gone.png)", []string{"docs/a.md: gone.png leads nowhere"}},
		{"no heading", "[x](b.md#gone)", []string{"docs/a.md: b.md#gone leads to no heading"}},
		{"no heading, but code", "[x](b.md#no-heading)", []string{"docs/a.md: b.md#no-heading leads to no heading"}},
		{"no heading of its own", "[x](#gone)", []string{"docs/a.md: #gone leads to no heading"}},
		{"out of the repository", "[x](../../b.md)", []string{"docs/a.md: ../../b.md leads out of the repository"}},
		{"absolute", "[x](/docs/b.md)", []string{"docs/a.md: /docs/b.md leads out of the repository"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repo.prose = map[string]string{"docs/a.md": tt.prose, "docs/b.md": other}
			if diff := cmp.Diff(tt.want, checkLinks(repo)); diff != "" {
				t.Errorf("problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

// checkSnippets lists the code blocks that are not what they should be.
func checkSnippets(repo tree) (problems []string) {
	var homes [][]string
	for _, name := range sorted(repo.code) {
		homes = append(homes, lines(repo.code[name]))
	}
	for _, name := range sorted(repo.prose) {
		_, blocks := split(repo.prose[name])
		for _, b := range blocks {
			report := func(format string, args ...any) {
				problems = append(problems, fmt.Sprintf("%s:%d: ", name, b.line)+fmt.Sprintf(format, args...))
			}
			snippet := dedent(b.lines)
			switch {
			case !b.closed:
				report("block without an end")
			case b.language == "":
				report("block without a language")
			case b.language != "go" && b.language != "golang":
			case len(snippet) == 0:
				report("empty snippet")
			case !slices.ContainsFunc(homes, func(home []string) bool { return stands(snippet, home) }):
				report("this snippet stands in no Go file:\n%s", strings.Join(snippet, "\n"))
			}
		}
	}
	return problems
}

// stands reports whether snippet, which is dedented, stands in the lines of a file, at whatever
// indentation.
func stands(snippet, file []string) bool {
	for i := range len(file) - len(snippet) + 1 {
		if strings.TrimSpace(file[i]) == snippet[0] && slices.Equal(snippet, dedent(file[i:i+len(snippet)])) {
			return true
		}
	}
	return false
}

// block is a fenced code block.
type block struct {
	line     int // of its opening fence, from 1
	language string
	lines    []string
	closed   bool
}

var fence = regexp.MustCompile("^( *)(```+|~~~+) *([^ `]*)")

// split takes the code blocks out of a Markdown text.
func split(text string) (prose []string, blocks []block) {
	var open []string // the match of the opening fence, while in a block
	for i, line := range lines(text) {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m == nil:
			prose = append(prose, line)
		case open == nil:
			open = m
			blocks = append(blocks, block{line: i + 1, language: m[3]})
		case m != nil && m[3] == "" && strings.HasPrefix(m[2], open[2]):
			open = nil
			blocks[len(blocks)-1].closed = true
		default:
			b := &blocks[len(blocks)-1]
			b.lines = append(b.lines, outdent(line, len(open[1])))
		}
	}
	return prose, blocks
}

// outdent takes up to n blanks off a line.
func outdent(line string, n int) string {
	for ; n > 0 && strings.HasPrefix(line, " "); n-- {
		line = line[1:]
	}
	return line
}

// dedent returns the lines without blank ones around them and without the white space that all
// begin with.
func dedent(in []string) (out []string) {
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	for len(in) > 0 && blank(in[0]) {
		in = in[1:]
	}
	for len(in) > 0 && blank(in[len(in)-1]) {
		in = in[:len(in)-1]
	}
	if len(in) == 0 {
		return nil
	}
	indent := in[0][:len(in[0])-len(strings.TrimLeft(in[0], " \t"))]
	for _, line := range in {
		for !blank(line) && !strings.HasPrefix(line, indent) {
			indent = indent[:len(indent)-1]
		}
	}
	for _, line := range in {
		out = append(out, strings.TrimRight(strings.TrimPrefix(line, indent), " \t\r"))
	}
	return out
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	links      = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)`)
)

// checkLinks lists the links that lead nowhere.
func checkLinks(repo tree) (problems []string) {
	for _, name := range sorted(repo.prose) {
		prose, _ := split(repo.prose[name])
		for _, line := range prose {
			for _, m := range links.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
				if problem := checkLink(repo, name, m[1]+m[2]); problem != "" {
					problems = append(problems, fmt.Sprintf("%s: %s %s", name, m[1]+m[2], problem))
				}
			}
		}
	}
	return problems
}

// checkLink returns what is wrong with a link in the file named from.
func checkLink(repo tree, from, link string) string {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	file, heading, toHeading := strings.Cut(link, "#")
	target := from
	if file != "" {
		target = path.Join(path.Dir(from), file)
	}
	text, known := repo.prose[target]
	switch {
	case path.IsAbs(file) || target == ".." || strings.HasPrefix(target, "../"):
		return "leads out of the repository"
	case !known && !repo.exists[target]:
		return "leads nowhere"
	case toHeading && !slices.Contains(anchors(text), heading):
		return "leads to no heading"
	}
	return ""
}

// anchors lists the names that GitHub gives to the headings of a text.
func anchors(text string) (names []string) {
	prose, _ := split(text)
	seen := make(map[string]int)
	for _, line := range prose {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		if n := seen[name]; n > 0 {
			names = append(names, fmt.Sprintf("%s-%d", name, n))
		} else {
			names = append(names, name)
		}
		seen[name]++
	}
	return names
}

// read returns the repository.
func read(t *testing.T) tree {
	t.Helper()
	repo := tree{prose: map[string]string{}, code: map[string]string{}, exists: map[string]bool{}}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		repo.exists[name] = true
		into := map[string]map[string]string{".md": repo.prose, ".go": repo.code}[path.Ext(name)]
		if into == nil || d.IsDir() || path.Dir(name) == own || strings.Contains(name, "testdata/") {
			return nil
		}
		text, err := os.ReadFile(file)
		into[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func sorted(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
