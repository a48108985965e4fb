package parallel_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/memoize-go/memoize/internal/evidence"
)

// How many calls are made with each number of processors: with -cpu 1,2,4,8 the long form makes ten
// million.
const (
	shortForm = 150_000
	longForm  = 2_500_000
)

// firstSeed returns the seed of the first round: another one for each number of processors, unless
// it was given.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("EVIDENCE_SEED")
	if given == "" {
		return uint64(runtime.GOMAXPROCS(0))*1_000_000 + 1
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("EVIDENCE_SEED: %v", err)
	}
	return seed
}

func TestParallel(t *testing.T) {
	share := int64(evidence.Amount(shortForm, longForm) / len(scenarios))
	var operations, partitions, violations, disorders int64
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			var done int64
			for seed := firstSeed(t); done < share; seed++ {
				r, err := newRound(s, seed, open)
				if err != nil {
					t.Fatal(err)
				}
				r.play()
				r.tell(t)
				done += r.operations
				partitions += r.partitions
				violations += r.findings.all()
				disorders += r.findings.count[order]
				if violations > 100 {
					break
				}
			}
			operations += done
		})
	}
	on := fmt.Sprintf("on %d processors", runtime.GOMAXPROCS(0))
	evidence.Report(t, "parallel", operations, fmt.Sprintf("operations in %d scenarios %s", len(scenarios), on), violations-disorders)
	evidence.Report(t, "parallel", partitions, "histories given to porcupine "+on, disorders)
}
