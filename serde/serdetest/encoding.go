package serdetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/memoize-go/memoize/serde"
)

// RunEncoding checks an encoding against the contract of [serde.Encoding], one subtest per rule. Factory returns an encoding and is called
// once per rule at least; the encodings it returns have to understand each other's bytes.
func RunEncoding(t *testing.T, factory func() serde.Encoding) {
	t.Helper()
	run(t, encodingRules(), factory)
}

func encodingRules() []rule[func() serde.Encoding] {
	return []rule[func() serde.Encoding]{
		{"round trip", "Decode of what Encode returned gives the first bytes.", checkEncodingRoundTrip},
		{"limit", "Decode returns maxBytes bytes, and if there are more an error that matches ErrTooLarge.", checkEncodingLimit},
		{"memory", "Decode does not need memory for more than maxBytes bytes.", checkEncodingMemory},
		{"total", "Whatever the bytes are, Decode does not panic and returns no more than maxBytes bytes.", checkEncodingTotal},
		{"end", "Bytes after the end are an error.", checkEncodingEnd},
		{"arguments", "The data is neither modified nor kept.", checkEncodingArguments},
		{"concurrency", "Encode and Decode are called from many goroutines at once.", checkEncodingConcurrency},
	}
}

const roomy = 1 << 20

func plainTexts() [][]byte {
	random := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 10_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return [][]byte{
		{}, {0}, []byte("a"), []byte("ab"), []byte("abc"), []byte("abcd\r\n"), []byte(`{"created":1.5,"value":"..."}`),
		make([]byte, 100_000), bytes.Repeat([]byte("all work and no play "), 1000), noise,
	}
}

func encodeBytes(e serde.Encoding, data []byte) (out []byte, err error) {
	defer recovered(&err, "Encode")
	out, err = e.Encode(data)
	if err != nil {
		return nil, fmt.Errorf("its Encode of %.40q: %w", data, err)
	}
	return out, nil
}

// errBroken marks an error of decodeBytes that is not Decode's own but says what is wrong with it.
var errBroken = errors.New("broken Decode")

func decodeBytes(e serde.Encoding, data []byte, maxBytes int) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic: %v", errBroken, r)
		}
	}()
	out, err = e.Decode(data, maxBytes)
	if err == nil && len(out) > maxBytes {
		return nil, fmt.Errorf("%w: %d bytes, where no more than %d are allowed", errBroken, len(out), maxBytes)
	}
	return out, err
}

func expectSameBytes(encoder, decoder serde.Encoding, plain []byte) error {
	data, err := encodeBytes(encoder, plain)
	if err != nil {
		return err
	}
	got, err := decodeBytes(decoder, data, roomy)
	if err != nil {
		return fmt.Errorf("its Decode of the encoded %.40q: %w", plain, err)
	}
	if !bytes.Equal(got, plain) {
		return fmt.Errorf("%.40q came back as %.40q", plain, got)
	}
	return nil
}

func checkEncodingRoundTrip(factory func() serde.Encoding) error {
	encoding := factory()
	for _, plain := range plainTexts() {
		if err := errors.Join(expectSameBytes(encoding, encoding, plain), expectSameBytes(encoding, factory(), plain)); err != nil {
			return err
		}
	}
	return nil
}

func checkEncodingLimit(factory func() serde.Encoding) error {
	encoding := factory()
	for _, plain := range plainTexts() {
		data, err := encodeBytes(encoding, plain)
		if err != nil {
			return err
		}
		if got, err := decodeBytes(encoding, data, len(plain)); err != nil || !bytes.Equal(got, plain) {
			return fmt.Errorf("its Decode of %d bytes that may be so many: %d bytes, error %v", len(plain), len(got), err)
		}
		for _, limit := range []int{len(plain) - 1, len(plain) / 2, 0, -1} {
			if limit >= len(plain) {
				continue
			}
			if _, err := decodeBytes(encoding, data, limit); !errors.Is(err, serde.ErrTooLarge) {
				return fmt.Errorf("its Decode of %d bytes, where no more than %d are allowed, returned the error %v", len(plain), limit, err)
			}
		}
	}
	return nil
}

func checkEncodingMemory(factory func() serde.Encoding) error {
	const (
		plain = 2 << 20
		limit = 64 << 10
		// The tables of a decompressor are some forty kilobytes; another goroutine of the test may allocate meanwhile.
		most = 1 << 20
	)
	encoding := factory()
	data, err := encodeBytes(encoding, make([]byte, plain))
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = decodeBytes(encoding, data, limit)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, serde.ErrTooLarge) {
		return fmt.Errorf("its Decode of %d bytes, where no more than %d are allowed, returned the error %v", plain, limit, err)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
		return fmt.Errorf("its Decode allocated %d bytes, where no more than %d are allowed", allocated, limit)
	}
	return nil
}

func checkEncodingTotal(factory func() serde.Encoding) error {
	encoding := factory()
	expectTotal := func(what string, data []byte) error {
		for _, limit := range []int{roomy, 10, 0} {
			if _, err := decodeBytes(encoding, data, limit); errors.Is(err, errBroken) {
				return fmt.Errorf("with %s: %w", what, err)
			}
		}
		return nil
	}
	if err := errors.Join(expectTotal("nil", nil), expectTotal("empty data", []byte{})); err != nil {
		return err
	}
	for what, data := range foreign() {
		if err := expectTotal("the foreign data "+what, data); err != nil {
			return err
		}
	}
	data, err := encodeBytes(encoding, []byte(`{"created":1.5,"update_after":2,"expires_after":3,"value":"aaaaaaaaaaaaaaaaaaaaaaaa"}`))
	if err != nil {
		return err
	}
	for what, data := range damaged(data, 256) {
		if err := expectTotal("data "+what, data); err != nil {
			return err
		}
	}
	return nil
}

func checkEncodingEnd(factory func() serde.Encoding) error {
	encoding := factory()
	plain := []byte("the quick brown fox")
	data, err := encodeBytes(encoding, plain)
	if err != nil {
		return err
	}
	for _, tail := range []string{"\x00", "\n", "x", string(data)} {
		// Where every sequence of bytes is a valid one, as in a cipher without a checksum, a tail makes another plain text.
		got, err := decodeBytes(encoding, append(slices.Clone(data), tail...), roomy)
		if err == nil && bytes.Equal(got, plain) {
			return fmt.Errorf("its Decode ignored %.40q after the end", tail)
		}
	}
	return nil
}

func checkEncodingArguments(factory func() serde.Encoding) error {
	encoding := factory()
	for _, plain := range plainTexts() {
		copied := slices.Clone(plain)
		data, err := encodeBytes(encoding, plain)
		if err != nil {
			return err
		}
		if !bytes.Equal(plain, copied) {
			return fmt.Errorf("its Encode modified %.40q into %.40q", copied, plain)
		}
		data = slices.Clone(data) // It may be the argument itself.
		copied = slices.Clone(data)
		got, err := decodeBytes(encoding, data, roomy)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, copied) {
			return fmt.Errorf("its Decode modified %.40q into %.40q", copied, data)
		}
		if err := expectSameBytes(encoding, encoding, []byte("something else, and longer than most")); err != nil {
			return err
		}
		if !bytes.Equal(got, plain) {
			return fmt.Errorf("a later call changed the decoded %.40q into %.40q", plain, got)
		}
	}
	return nil
}

func checkEncodingConcurrency(factory func() serde.Encoding) error {
	const rounds = 10
	encoding := factory()
	errs := make([]error, max(4, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i := range errs {
		plain := fmt.Appendf(nil, "text of goroutine %d", i)
		wg.Go(func() {
			for range rounds {
				if errs[i] = expectSameBytes(encoding, encoding, plain); errs[i] != nil {
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
