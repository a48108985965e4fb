package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden file anew")

const (
	input  = "testdata/rounds.txt"
	golden = "testdata/golden.md"
)

func readInput(t *testing.T) *results {
	t.Helper()
	f, err := os.Open(input)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := read(f, input)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// document returns text with a place for each of the blocks.
func document(blocks ...string) string {
	text := "# Title\n\nThis stays.\n"
	for _, name := range blocks {
		text += "\n## " + name + "\n\n<!-- begin " + name + " -->\nOutdated.\n<!-- end " + name + " -->\n"
	}
	return text + "\nThis stays, too."
}

var allBlocks = []string{"run", "targets", "hit", "writes", "miss", "stampede", "refresh", "churn", "memory", "ratio"}

func TestTables(t *testing.T) {
	info := &debug.BuildInfo{Deps: []*debug.Module{
		{Path: "github.com/memoize-go/memoize", Version: "v0.0.0", Replace: &debug.Module{Path: "../.."}},
		{Path: "github.com/maypok86/otter/v2", Version: "v2.3.4"},
	}}
	blocks, err := allTables(readInput(t), "go1.2.3", info)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(blocks); !slices.Equal(got, allBlocks) {
		t.Errorf("blocks %v, want %v", got, allBlocks)
	}
	got, err := replace([]byte(document(allBlocks...)), blocks)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if line(gotLines, i) != line(wantLines, i) {
			t.Fatalf("%s:%d: (-want +got)\n-%s\n+%s", golden, i+1, line(wantLines, i), line(gotLines, i))
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

func TestReportTwiceGivesTheSameBytes(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "doc.md")
	plots := filepath.Join(t.TempDir(), "made", "on", "demand")
	if err := os.WriteFile(doc, []byte(document(allBlocks...)), 0o644); err != nil {
		t.Fatal(err)
	}
	written := func() map[string]string {
		t.Helper()
		if err := report(input, doc, plots); err != nil {
			t.Fatal(err)
		}
		files := make(map[string]string)
		for _, path := range []string{doc, filepath.Join(plots, "hit.svg"), filepath.Join(plots, "ratio.svg"), filepath.Join(plots, "refresh.svg")} {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = string(data)
		}
		return files
	}
	first, second := written(), written()
	for name, data := range first {
		if second[name] != data {
			t.Errorf("%s is another the second time", name)
		}
	}
	if !strings.HasPrefix(first["doc.md"], "# Title\n\nThis stays.\n\n## run\n") || !strings.HasSuffix(first["doc.md"], "\n\nThis stays, too.") {
		t.Errorf("text outside of the markers has changed:\n%s", first["doc.md"])
	}
	if strings.Contains(first["doc.md"], "Outdated") {
		t.Error("text between the markers has stayed")
	}
}

func TestReportWritesNothingAfterAnError(t *testing.T) {
	dir := t.TempDir()
	doc, plots := filepath.Join(dir, "doc.md"), filepath.Join(dir, "plots")
	before := []byte(document(allBlocks[1:]...))
	if err := os.WriteFile(doc, before, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report(input, doc, plots); err == nil || err.Error() != doc+": no line <!-- begin run -->" {
		t.Errorf("a marker is missing, but the error is %v", err)
	}
	after, err := os.ReadFile(doc)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the document has changed, or %v", err)
	}
	if _, err := os.Stat(plots); !os.IsNotExist(err) {
		t.Errorf("plots were written: %v", err)
	}
}

func TestPlots(t *testing.T) {
	plots, err := allPlots(readInput(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string][]string{
		"hit.svg":     {"Hit, 4,096 entries, string keys", "Hit, 1,000,000 entries, string keys", "goroutines", "memoize", "otter", "ns per hit"},
		"ratio.svg":   {"Hit ratio, loop", "1,000", "capacity", "memoize-s3fifo", "optimal"},
		"refresh.svg": {"Hits while entries are refreshed", "p99.9", "percentile", "10 µs", "otter"},
	} {
		svg := string(plots[name])
		if !strings.HasPrefix(svg, "<?xml") {
			t.Errorf("%s is no SVG: %.40q", name, svg)
		}
		for _, text := range wanted {
			if !strings.Contains(svg, text) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
		for _, text := range []string{"NaN", "Inf"} {
			if strings.Contains(svg, text) {
				t.Errorf("%s has %s", name, text)
			}
		}
	}
	if strings.Contains(string(plots["hit.svg"]), "memoize-sieve") {
		t.Error("hit.svg shows a variant")
	}
}
