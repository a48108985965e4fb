package benchmarks

import (
	"math"
	"math/bits"
	"testing"
	"time"
)

// histogram counts durations in buckets that are narrow below and wide above: none is wider than a 64th of what is in it.
type histogram struct {
	counts [(64 - histogramBits + 1) << histogramBits]uint32
	total  int
	max    time.Duration
}

const histogramBits = 6 // each power of two has so many bits of buckets

// bucketOf keeps the leading bits of a duration.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-histogramBits-1, 0)
	return shift<<histogramBits + int(v>>shift)
}

// bucketEnd is the greatest duration in a bucket.
func bucketEnd(i int) time.Duration {
	const perPower = 1 << histogramBits
	shift := max(i/perPower-1, 0)
	return time.Duration(uint64(i-shift*perPower+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// quantile returns the duration that a share q of all does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(h.total)))
	seen := 0
	for i, n := range h.counts {
		if seen += int(n); seen >= rank {
			return min(bucketEnd(i), h.max)
		}
	}
	return h.max
}

func (h *histogram) report(b *testing.B) {
	b.ReportMetric(float64(h.quantile(0.5)), "p50-ns")
	b.ReportMetric(float64(h.quantile(0.99)), "p99-ns")
	b.ReportMetric(float64(h.quantile(0.999)), "p99.9-ns")
	b.ReportMetric(float64(h.max), "max-ns")
}

func TestHistogramBuckets(t *testing.T) {
	previous := -1
	for _, d := range []time.Duration{0, 1, 63, 64, 127, 128, 129, 130, 1000, 1 << 20, 1<<20 + 1<<14, math.MaxInt64} {
		i := bucketOf(d)
		end := bucketEnd(i)
		if end < d || end-d > d>>histogramBits {
			t.Errorf("%d is in bucket %d, which ends at %d", d, i, end)
		}
		if bucketOf(end) != i || end < math.MaxInt64 && bucketOf(end+1) != i+1 {
			t.Errorf("bucket %d does not end at %d", i, end)
		}
		if i < previous {
			t.Errorf("%d is in bucket %d, below that of a shorter one", d, i)
		}
		previous = i
	}
}

func TestHistogramQuantiles(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %d", got)
	}
	for d := range time.Duration(1000) {
		h.add(d + 1)
	}
	h.add(time.Hour)
	for q, want := range map[float64]time.Duration{0.001: 2, 0.05: 51, 0.5: 501, 0.99: 991, 0.999: 1000, 1: time.Hour} {
		if got := h.quantile(q); got < want || got-want > want>>histogramBits {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}
