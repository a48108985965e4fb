// Package docs_test is where the snippets of the documentation are compiled and run. Each of its
// files is named after the text that quotes it.
package docs_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
