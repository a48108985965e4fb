package serdetest

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// Run checks a codec against the contract of [serde.Codec], one subtest per rule. Factory returns a codec and is called once per rule
// at least; the codecs it returns have to understand each other's bytes. The values are those that the codec has to carry, compared with
// [reflect.DeepEqual]; without any it is the zero value of V. Give it those that are easily confused: nil and empty, zero, long.
//
// Whole seconds have to survive exactly; of an instant between seconds the codec may lose the fraction. An instant or a
// value that the codec cannot hold has to be an error of Encode; for the values given and for instants between 1970 and 2200
// it may not be one.
func Run[V any](t *testing.T, factory func() serde.Codec[V], values ...V) {
	t.Helper()
	run(t, codecRules[V](), underTest(factory, values))
}

// RunIntegrity checks that a codec notices damage: that what it decodes from damaged bytes is either an error or the entry that was
// encoded, and never another one. The contract does not demand it of every codec; [serde.Framed] gives it to any.
func RunIntegrity[V any](t *testing.T, factory func() serde.Codec[V], values ...V) {
	t.Helper()
	run(t, integrityRules[V](), underTest(factory, values))
}

func underTest[V any](factory func() serde.Codec[V], values []V) codecUnderTest[V] {
	if len(values) == 0 {
		values = make([]V, 1)
	}
	return codecUnderTest[V]{factory, values}
}

func codecRules[V any]() []rule[codecUnderTest[V]] {
	return []rule[codecUnderTest[V]]{
		{"round trip", "Decode of what Encode returned gives an entry that is Equal to the first.", checkRoundTrip[V]},
		{"never", "A zero time, which means never, is kept as such, and no other instant becomes one.", checkNever[V]},
		{"instants", "Instants are kept to the second, wherever they lie, or are an error of Encode.", checkInstants[V]},
		{"fractions", "An instant is not moved by a second or more, nor again when it is encoded anew.", checkFractions[V]},
		{"total", "Whatever the bytes are, Decode returns an entry or an error that matches ErrCorrupt, ErrVersion or ErrTooLarge, without a panic.", checkTotal[V]},
		{"arguments", "Neither the entry nor the data is modified.", checkArguments[V]},
		{"ownership", "What is returned shares no memory with the argument, nor with what is returned later.", checkOwnership[V]},
		{"new entry", "Every Decode returns a new entry, whose mark is zero.", checkNewEntry[V]},
		{"concurrency", "Encode and Decode are called from many goroutines at once.", checkConcurrency[V]},
	}
}

func integrityRules[V any]() []rule[codecUnderTest[V]] {
	return []rule[codecUnderTest[V]]{
		{"integrity", "A damaged entry is an error or the same entry, never another one.", checkIntegrity[V]},
	}
}

// noon is an ordinary instant.
var noon = time.Date(2024, time.February, 29, 12, 0, 0, 0, time.UTC)

func ordinary[V any](value V) *storage.Entry[V] {
	return storage.NewEntry(value, noon, noon.Add(10*time.Minute), noon.Add(30*time.Minute))
}

func describe[V any](e *storage.Entry[V]) string {
	const layout = "2006-01-02T15:04:05.999999999Z07:00"
	return fmt.Sprintf("{value %.200s, created %s, update after %s, expire after %s}", fmt.Sprintf("%#v", e.Value),
		e.Created().Format(layout), e.UpdateAfter().Format(layout), e.ExpireAfter().Format(layout))
}

// passed encodes and decodes entry.
func passed[V any](codec serde.Codec[V], entry *storage.Entry[V]) (*storage.Entry[V], error) {
	data, err := encode(codec, entry)
	if err != nil {
		return nil, err
	}
	return decode(codec, data)
}

// expectSame checks that entry survives its trip.
func expectSame[V any](codec serde.Codec[V], entry *storage.Entry[V]) error {
	got, err := passed(codec, entry)
	if err != nil {
		return fmt.Errorf("with the entry %s: %w", describe(entry), err)
	}
	if !got.Equal(entry) {
		return fmt.Errorf("the entry\n%s came back as\n%s", describe(entry), describe(got))
	}
	return nil
}

func checkRoundTrip[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, value := range c.values {
		if err := expectSame(codec, ordinary(value)); err != nil {
			return err
		}
		// Another codec of the kind, as after a restart of the program.
		data, err := encode(codec, ordinary(value))
		if err != nil {
			return err
		}
		got, err := decode(c.factory(), data)
		if err != nil {
			return fmt.Errorf("in another codec of the same factory: %w", err)
		}
		if !got.Equal(ordinary(value)) {
			return fmt.Errorf("in another codec of the same factory the entry\n%s came back as\n%s", describe(ordinary(value)), describe(got))
		}
	}
	return nil
}

func checkNever[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	var never time.Time
	epoch := time.Unix(0, 0)
	for _, entry := range []*storage.Entry[V]{
		storage.NewEntry(c.values[0], noon, never, noon),
		storage.NewEntry(c.values[0], noon, noon, never),
		storage.NewEntry(c.values[0], noon, never, never),
		storage.NewEntry(c.values[0], never, noon, noon),
		storage.NewEntry(c.values[0], never, never, never),
		storage.NewEntry(c.values[0], never.In(time.FixedZone("", 3600)), never.In(time.FixedZone("", 3600)), noon),
		storage.NewEntry(c.values[0], epoch, epoch, epoch),
	} {
		if err := expectSame(codec, entry); err != nil {
			return err
		}
	}
	return nil
}

func checkInstants[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, instant := range []struct {
		time   time.Time
		demand bool
	}{
		{time.Unix(0, 0), true},
		{time.Unix(1, 0), true},
		{time.Unix(1<<31, 0), true},
		{time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC), true},
		{noon.In(time.FixedZone("east", 5*3600+1800)), true},
		{time.Unix(-1, 0), false},
		{time.Unix(-1<<31-1, 0), false},
		{time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), false},
		{time.Date(1677, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), false},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Unix(1<<53+1, 0), false},
		{time.Unix(1<<62, 0), false},
		{time.Unix(-1<<62, 0), false},
	} {
		entry := storage.NewEntry(c.values[0], instant.time, instant.time, instant.time)
		if _, err := encode(codec, entry); err != nil {
			if instant.demand {
				return err
			}
			continue
		}
		if err := expectSame(codec, entry); err != nil {
			return err
		}
	}
	return nil
}

func checkFractions[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, instant := range []time.Time{
		noon.Add(500 * time.Millisecond),
		noon.Add(123456789 * time.Nanosecond),
		noon.Add(999999999 * time.Nanosecond),
		time.Now(), // With a monotonic reading, which must not come along.
		time.Unix(0, 1),
		time.Unix(-1, 999999999),
	} {
		entry := storage.NewEntry(c.values[0], instant, instant, instant)
		data, err := encode(codec, entry)
		if err != nil {
			if instant.Unix() < 0 {
				continue
			}
			return err
		}
		got, err := decode(codec, data)
		if err != nil {
			return err
		}
		for _, t := range []time.Time{got.Created(), got.UpdateAfter(), got.ExpireAfter()} {
			if d := t.Sub(instant.Round(0)).Abs(); d >= time.Second {
				return fmt.Errorf("an instant of the entry\n%s moved by %v in\n%s", describe(entry), d, describe(got))
			}
		}
		if err := expectSame(codec, got); err != nil {
			return fmt.Errorf("when it was encoded for the second time, %w", err)
		}
	}
	return nil
}

func checkTotal[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	expectTotal := func(what string, data []byte) error {
		if _, err := decode(codec, data); err != nil && !errors.Is(err, errDecode) {
			return fmt.Errorf("with %s: %w", what, err)
		}
		return nil
	}
	if err := expectTotal("nil", nil); err != nil {
		return err
	}
	if err := expectTotal("empty data", []byte{}); err != nil {
		return err
	}
	for what, data := range foreign() {
		if err := expectTotal("the foreign data "+what, data); err != nil {
			return err
		}
	}
	for _, value := range c.values {
		data, err := encode(codec, ordinary(value))
		if err != nil {
			return err
		}
		for what, data := range damaged(data, 256) {
			if err := expectTotal("an entry "+what, data); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkIntegrity[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, value := range c.values {
		entry := ordinary(value)
		data, err := encode(codec, entry)
		if err != nil {
			return err
		}
		for what, data := range damaged(data, 4096) {
			got, err := decode(codec, data)
			switch {
			case errors.Is(err, errDecode):
			case err != nil:
				return fmt.Errorf("with an entry %s: %w", what, err)
			case !got.Equal(entry):
				return fmt.Errorf("the entry\n%s, %s, was decoded as\n%s", describe(entry), what, describe(got))
			}
		}
	}
	return nil
}

func checkArguments[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, value := range c.values {
		entry := ordinary(value)
		entry.Mark().Store(7)
		before := describe(entry)
		data, err := encode(codec, entry)
		if err != nil {
			return err
		}
		if after := describe(entry); after != before {
			return fmt.Errorf("its Encode modified the entry\n%s into\n%s", before, after)
		}
		if mark := entry.Mark().Load(); mark != 7 {
			return fmt.Errorf("its Encode changed the mark of the entry from 7 to %d", mark)
		}
		copied := slices.Clone(data)
		if _, err := decode(codec, data); err != nil {
			return err
		}
		if !bytes.Equal(data, copied) {
			return fmt.Errorf("its Decode modified the data %.200q into %.200q", copied, data)
		}
		for what, data := range damaged(copied, 64) {
			copied := slices.Clone(data)
			_, _ = decode(codec, data) // What it returns is a matter of other rules.
			if !bytes.Equal(data, copied) {
				return fmt.Errorf("its Decode modified the data of an entry %s, %.200q, into %.200q", what, copied, data)
			}
		}
	}
	return nil
}

func checkOwnership[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	for _, value := range c.values {
		entry := ordinary(value)
		data, err := encode(codec, entry)
		if err != nil {
			return err
		}
		first, err := decode(codec, slices.Clone(data))
		if err != nil {
			return err
		}

		// Later calls leave earlier results alone.
		copied := slices.Clone(data)
		for _, other := range c.values {
			if _, err := passed(codec, storage.NewEntry(other, noon.Add(time.Hour), noon.Add(2*time.Hour), time.Time{})); err != nil {
				return err
			}
		}
		if !bytes.Equal(data, copied) {
			return fmt.Errorf("a later Encode changed the data %.200q into %.200q", copied, data)
		}
		if !first.Equal(entry) {
			return fmt.Errorf("a later call changed the decoded entry\n%s into\n%s", describe(entry), describe(first))
		}

		second, err := decode(codec, data)
		if err != nil {
			return err
		}
		before := describe(entry)
		for i := range data {
			data[i] = ^data[i]
		}
		if !second.Equal(first) {
			return fmt.Errorf("the entry\n%s was\n%s before its data was overwritten", describe(second), describe(first))
		}
		if after := describe(entry); after != before {
			return fmt.Errorf("the encoded entry\n%s was\n%s before its data was overwritten", after, before)
		}
	}
	return nil
}

func checkNewEntry[V any](c codecUnderTest[V]) error {
	codec := c.factory()
	entry := ordinary(c.values[0])
	entry.Mark().Store(7)
	data, err := encode(codec, entry)
	if err != nil {
		return err
	}
	first, err := decode(codec, data)
	if err != nil {
		return err
	}
	if mark := first.Mark().Load(); mark != 0 {
		return fmt.Errorf("the mark of a decoded entry is %d", mark)
	}
	second, err := decode(codec, data)
	if err != nil {
		return err
	}
	if first == second || first == entry {
		return errors.New("its Decode returned an entry that was there before")
	}
	return nil
}

func checkConcurrency[V any](c codecUnderTest[V]) error {
	const rounds = 10
	codec := c.factory()
	errs := make([]error, max(4, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i := range errs {
		// Each goroutine has an entry of its own, so that it notices what belongs to another.
		created := noon.Add(time.Duration(i) * time.Hour)
		entry := storage.NewEntry(c.values[i%len(c.values)], created, created.Add(time.Minute), created.Add(2*time.Minute))
		wg.Go(func() {
			for range rounds {
				if errs[i] = expectSame(codec, entry); errs[i] != nil {
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
