package probes

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	tableFile = flag.String("table", "", "write the table to this `file`, as Markdown")
	seed      = flag.Uint64("seed", 1, "seed of the random choices")
)

// childProbe makes the test binary run one probe of one library, "probe library", and print its answers.
const childProbe = "MEMOIZE_PROBE"

func TestMain(m *testing.M) {
	if order := os.Getenv(childProbe); order != "" {
		if err := obey(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// amount is how much a probe does: short in a normal run, long with EVIDENCE=long.
func amount(short, long int) int {
	if os.Getenv("EVIDENCE") == "long" {
		return long
	}
	return short
}
