package main

import (
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	doc := "before\n<!-- begin a -->\nold\nolder\n<!-- end a -->\r\nbetween <!-- begin b -->\n<!-- begin b -->\n<!-- end b -->\nafter"
	want := "before\n<!-- begin a -->\nA\n<!-- end a -->\r\nbetween <!-- begin b -->\n<!-- begin b -->\nB\n<!-- end b -->\nafter"
	blocks := []block{{"a", "A\n"}, {"b", "B\n"}}
	for _, doc := range []string{doc, want} {
		got, err := replace([]byte(doc), blocks)
		if err != nil || string(got) != want {
			t.Errorf("%q\nwant %q, got %q, %v", doc, want, got, err)
		}
	}
}

func TestReplaceErrors(t *testing.T) {
	const a = "<!-- begin a -->\n<!-- end a -->\n"
	for name, test := range map[string]struct{ doc, want string }{
		"missing":    {"text\n", "no line <!-- begin a -->"},
		"unknown":    {a + "<!-- begin b -->\n<!-- end b -->\n", `line 3: "b" begins a second time, or is none of [a]`},
		"twice":      {a + a, `line 3: "a" begins a second time, or is none of [a]`},
		"no end":     {"text\n<!-- begin a -->\n", `line 2: "a" begins and does not end`},
		"no begin":   {"<!-- end a -->\n" + a, `line 1: "a" ends but has not begun`},
		"nested":     {"<!-- begin a -->\n" + a, `line 2: "a" begins inside "a", which began at line 1`},
		"other end":  {"<!-- begin a -->\n<!-- end b -->\n", `line 2: "b" ends but has not begun`},
		"not a line": {strings.ReplaceAll(a, "<", " <"), "no line <!-- begin a -->"},
	} {
		if _, err := replace([]byte(test.doc), []block{{"a", "A\n"}}); err == nil || err.Error() != test.want {
			t.Errorf("%s: error %v, want %s", name, err, test.want)
		}
	}
}
