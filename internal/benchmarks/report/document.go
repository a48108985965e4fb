package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// block is the text that belongs between a pair of marker lines.
type block struct{ name, text string }

var marker = regexp.MustCompile(`^<!-- (begin|end) (\S+) -->$`)

// replace puts each block between its marker lines. Every block must have its place, and every place its block; all other bytes stay.
func replace(doc []byte, blocks []block) ([]byte, error) {
	missing := make(map[string]string) // by name; those that have not been placed
	for _, b := range blocks {
		missing[b.name] = b.text
	}
	var out bytes.Buffer
	open, openedAt := "", 0 // the block that we are in
	number := 0
	for line := range bytes.Lines(doc) {
		number++
		m := marker.FindSubmatch(bytes.TrimRight(line, "\r\n"))
		switch {
		case m == nil && open != "":
			// replaced
		case m == nil:
			out.Write(line)
		case string(m[1]) == "begin":
			name := string(m[2])
			if open != "" {
				return nil, fmt.Errorf("line %d: %q begins inside %q, which began at line %d", number, name, open, openedAt)
			}
			text, ok := missing[name]
			if !ok {
				return nil, fmt.Errorf("line %d: %q begins a second time, or is none of %v", number, name, names(blocks))
			}
			delete(missing, name)
			open, openedAt = name, number
			out.Write(line)
			out.WriteString(text)
		default:
			if string(m[2]) != open {
				return nil, fmt.Errorf("line %d: %q ends but has not begun", number, m[2])
			}
			open = ""
			out.Write(line)
		}
	}
	if open != "" {
		return nil, fmt.Errorf("line %d: %q begins and does not end", openedAt, open)
	}
	var errs []error
	for _, b := range blocks {
		if _, ok := missing[b.name]; ok {
			errs = append(errs, fmt.Errorf("no line <!-- begin %s -->", b.name))
		}
	}
	return out.Bytes(), errors.Join(errs...)
}

func names(blocks []block) (names []string) {
	for _, b := range blocks {
		names = append(names, b.name)
	}
	return names
}
