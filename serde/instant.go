package serde

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// maxUnix is the last second of which package time can tell that it is in the future: it counts from year 1, in an int64, and
// wraps around beyond.
const maxUnix = math.MaxInt64 - 62135596800

// appendInstant appends t as a JSON number of seconds since the epoch, exact to the nanosecond, or null for the zero Time.
func appendInstant(dst []byte, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return append(dst, "null"...), nil
	}
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	if sec > maxUnix {
		return nil, errors.New("an instant that is beyond the range of seconds since the epoch")
	}
	if sec < 0 && nsec > 0 {
		// Go counts nanoseconds upwards from the second before; a decimal counts away from zero.
		dst = append(dst, '-')
		sec, nsec = -(sec + 1), 1e9-nsec
	}
	dst = strconv.AppendInt(dst, sec, 10)
	if nsec > 0 {
		dst = append(dst, '.')
		for unit := int64(1e8); nsec > 0; unit /= 10 {
			dst = append(dst, byte('0'+nsec/unit))
			nsec %= unit
		}
	}
	return dst, nil
}

// parseInstant parses what appendInstant has written, and any other JSON number. It does not go through a float64, which cannot tell two
// instants of our time apart that are less than 238 ns from each other. What is beyond the nanosecond is dropped. The text
// is known to be a JSON value; the work is linear in its length, whatever its exponent says.
func parseInstant(text []byte) (time.Time, error) {
	if string(text) == "null" {
		return time.Time{}, nil
	}
	n, ok := parseDecimal(text)
	if !ok {
		return time.Time{}, fmt.Errorf("%.40q is not a number of seconds", text)
	}
	whole, ok := n.whole()
	nsec := n.nanos()
	switch {
	case !ok:
	case !n.negative && whole <= maxUnix:
		return time.Unix(int64(whole), nsec).UTC(), nil
	case n.negative && whole <= math.MaxInt64:
		sec := -int64(whole)
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
		return time.Unix(sec, nsec).UTC(), nil
	case n.negative && whole == 1<<63 && nsec == 0:
		return time.Unix(math.MinInt64, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%.40q seconds are out of range", text)
}

// decimal is the number 0.DIGITS times ten to the power of point.
type decimal struct {
	negative bool
	digits   []byte
	point    int64
}

func parseDecimal(text []byte) (n decimal, ok bool) {
	if len(text) > 0 && text[0] == '-' {
		n.negative, text = true, text[1:]
	}
	if len(text) == 0 || text[0] < '0' || text[0] > '9' {
		return n, false
	}
	digits := make([]byte, 0, len(text))
	i := 0
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		digits = append(digits, text[i])
	}
	n.point = int64(i)
	if i < len(text) && text[i] == '.' {
		for i++; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
			digits = append(digits, text[i])
		}
	}
	if i < len(text) {
		n.point += exponent(text[i+1:])
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
		n.point--
	}
	n.digits = digits
	return n, true
}

// exponent parses the digits after the e of a JSON number. Beyond any number of digits that fits into memory it stops counting.
func exponent(text []byte) int64 {
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	var e int64
	for _, digit := range text {
		if e < 1<<50 {
			e = e*10 + int64(digit-'0')
		}
	}
	if negative {
		return -e
	}
	return e
}

// at returns the digit that stands i places right of the point of 0.DIGITS.
func (n decimal) at(i int64) uint64 {
	if i < 0 || i >= int64(len(n.digits)) {
		return 0
	}
	return uint64(n.digits[i] - '0')
}

// whole returns the part before the decimal point, unless it has more than 19 digits.
func (n decimal) whole() (whole uint64, ok bool) {
	if len(n.digits) == 0 {
		return 0, true
	}
	if n.point > 19 {
		return 0, false
	}
	for i := range n.point {
		whole = whole*10 + n.at(i)
	}
	return whole, true
}

// nanos returns the first nine places after the decimal point.
func (n decimal) nanos() (nanos int64) {
	for i := range int64(9) {
		nanos = nanos*10 + int64(n.at(n.point+i))
	}
	return nanos
}
