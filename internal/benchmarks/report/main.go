// Report turns the output of the benchmarks into the tables and plots of the documentation.
//
//	go run ./report -in compare.out -doc ../../docs/performance.md -plots ../../docs/performance
//
// The document has a pair of lines for each table, <!-- begin NAME --> and <!-- end NAME -->; what is between them is replaced. The input is
// what go test -bench prints, of any number of rounds one after the other, all on one machine.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("report: ")
	in := flag.String("in", "compare.out", "read the output of the benchmarks from this `file`")
	doc := flag.String("doc", "", "write the tables into this Markdown `file`")
	plots := flag.String("plots", "", "write the plots, as SVG, into this `folder`")
	flag.Parse()
	if *doc == "" || *plots == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := report(*in, *doc, *plots); err != nil {
		log.Fatal(err)
	}
}

// report writes only after all has been made: an error leaves the document and the plots as they were.
func report(in, doc, plots string) error {
	f, err := os.Open(in)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := read(f, in)
	if err != nil {
		return err
	}

	info, _ := debug.ReadBuildInfo() // nil if there is none, then no version is told
	tables, err := allTables(r, runtime.Version(), info)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	before, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	after, err := replace(before, tables)
	if err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	drawn, err := allPlots(r)
	if err != nil {
		return err
	}

	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for name, svg := range drawn {
		if err := os.WriteFile(filepath.Join(plots, name), svg, 0o644); err != nil {
			return err
		}
	}
	if bytes.Equal(before, after) {
		return nil
	}
	return os.WriteFile(doc, after, 0o644)
}
