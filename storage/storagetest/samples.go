package storagetest

import (
	"fmt"
	"strings"
)

// oddKeys are strings that a storage confuses, cuts off or chokes on if it builds a file name, a path, a query or a
// pattern from the key.
var oddKeys = []string{
	"",
	" ", "  ", "a", "A", " a", "a ", "a a", "a\ta", "a\na", "a\r\na",
	".", "..", "/", "//", "a/", "/a", "a/a", "a//a", "a/./a", "a/../a", "../a", "../../a", `\`, `a\a`, `..\a`,
	"\x00", "a\x00", "a\x00a", "\x7f", "\x1b[0m",
	"\xff", "\xff\xfe", "a\xc3", "\ufffd", "\ufeff",
	"é", "e\u0301", "É", "ß", "ss", "İ", "ключ", "鍵", "🔑", "\u202ea",
	"*", "a*", "?", "[a]", "{a}", "{a}a", "a:a", "a|a", "a,a", "a;a", "a=a", "a&a", "a#a", "$a", "%", "%00", "a%2Fa", "a+a", "~",
	"'", `"`, "`", "' OR ''='", "-a", "--", "<a>", "nil", "null", "NULL", "NUL", "CON", "0", "00", "1", "1.0", "true",
	strings.Repeat("long", 64), strings.Repeat("long", 64) + "a", strings.Repeat("long", 64) + "b",
	strings.Repeat("x", 5000), strings.Repeat("x", 5001), strings.Repeat("x", 5000) + "y", strings.Repeat("/x", 2000),
}

func stringKey(i int) string {
	if i < len(oddKeys) {
		return oddKeys[i]
	}
	return fmt.Sprintf("key %d", i)
}

// oddValues are valid UTF-8: what a codec cannot express is not the storage's fault.
var oddValues = []string{
	"", " ", "\x00", "a\nb", "null", `{"value":1}`, "<&>", "\u2028", "🔑",
	strings.Repeat("a value of some length, ", 5000),
}

func stringValue(i int) string {
	if i < len(oddValues) {
		return oddValues[i]
	}
	return fmt.Sprintf("value %d", i)
}
