package serde_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestJSONText(t *testing.T) {
	var never time.Time
	for _, test := range []struct {
		name  string
		entry *storage.Entry[any]
		want  string
	}{
		{"seconds", newEntry[any]("x"), `{"created":1.5,"update_after":2,"expires_after":3,"value":"x"}`},
		{"never", storage.NewEntry[any](nil, never, never, never), `{"created":null,"update_after":null,"expires_after":null,"value":null}`},
		{
			"before the epoch",
			storage.NewEntry[any](1, time.Unix(-1, 500_000_000), time.Unix(-2, 999_999_999), time.Unix(-3, 0)),
			`{"created":-0.5,"update_after":-1.000000001,"expires_after":-3,"value":1}`,
		},
		{
			"nanoseconds",
			storage.NewEntry[any](1, time.Unix(0, 0), time.Unix(0, 1), time.Unix(1_700_000_000, 123_456_780)),
			`{"created":0,"update_after":0.000000001,"expires_after":1700000000.12345678,"value":1}`,
		},
		{
			"the ends of time",
			storage.NewEntry[any](1, time.Unix(math.MinInt64, 0), time.Unix(math.MinInt64, 1), time.Unix(math.MaxInt64-62135596800, 999_999_999)),
			`{"created":-9223372036854775808,"update_after":-9223372036854775807.999999999,"expires_after":9223371974719179007.999999999,"value":1}`,
		},
		{"no needless escapes", newEntry[any]("<&>"), `{"created":1.5,"update_after":2,"expires_after":3,"value":"<&>"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			codec := serde.JSON[any](serde.UseNumber())
			data, err := codec.Encode(test.entry)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(data)); diff != "" {
				t.Errorf("Encode (-want +got):\n%s", diff)
			}
			got, err := codec.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			want := []time.Time{test.entry.Created(), test.entry.UpdateAfter(), test.entry.ExpireAfter()}
			if diff := cmp.Diff(want, []time.Time{got.Created(), got.UpdateAfter(), got.ExpireAfter()}); diff != "" {
				t.Errorf("times after Decode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestJSONFromPython decodes what DreamLab's memoize 3.1.1 writes, with json and with ujson.
func TestJSONFromPython(t *testing.T) {
	want := storage.NewEntry(map[string]any{"a": "ü"}, time.Unix(1795448227, 362683000), time.Unix(1795448827, 362683000), time.Unix(1795450027, 0))
	for _, text := range []string{
		`{"created": 1795448227.362683, "update_after": 1795448827.362683, "expires_after": 1795450027.0, "value": {"a": "\u00fc"}}`,
		`{"created":1795448227.362683,"update_after":1795448827.362683,"expires_after":1795450027.0,"value":{"a":"\u00fc"}}`,
	} {
		got, err := serde.JSON[map[string]any]().Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Decode(%s) (-want +got):\n%s", text, diff)
		}
	}
}

func TestJSONNumbersAreReadExactly(t *testing.T) {
	for text, want := range map[string]time.Time{
		"0":                                   time.Unix(0, 0),
		"-0":                                  time.Unix(0, 0),
		"-0.0":                                time.Unix(0, 0),
		"1e0":                                 time.Unix(1, 0),
		"1E+2":                                time.Unix(100, 0),
		"1.5e1":                               time.Unix(15, 0),
		"12345e-3":                            time.Unix(12, 345_000_000),
		"1e-9":                                time.Unix(0, 1),
		"1.9999999999":                        time.Unix(1, 999_999_999),
		"-1.9999999999":                       time.Unix(-2, 1),
		"1e-10":                               time.Unix(0, 0),
		"1e-1000000000":                       time.Unix(0, 0),
		"0e1000000000":                        time.Unix(0, 0),
		"0.000e99999999999999999999999999999": time.Unix(0, 0),
		"1e-99999999999999999999999999999999": time.Unix(0, 0),
		"1795448227362683e-6":                 time.Unix(1795448227, 362_683_000),
		"9007199254740993.5":                  time.Unix(9007199254740993, 500_000_000),
		"253402300799.999999":                 time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		"-62135596800":                        {},
		"9223371974719179007":                 time.Unix(9223371974719179007, 0),
		"-9223372036854775808":                time.Unix(math.MinInt64, 0),
		"0." + strings.Repeat("0", 1000) + "1e1001": time.Unix(1, 0),
		"1" + strings.Repeat("0", 1000) + "e-1000":  time.Unix(1, 0),
	} {
		got, err := serde.JSON[int]().Decode(fmt.Appendf(nil, `{"created":%s,"update_after":null,"expires_after":null,"value":1}`, text))
		if err != nil {
			t.Errorf("Decode of %.60s: %v", text, err)
			continue
		}
		if !got.Created().Equal(want) {
			t.Errorf("Decode of %.60s: created %v, want %v", text, got.Created(), want)
		}
	}
}

func TestJSONCorrupt(t *testing.T) {
	bad := map[string]string{
		"empty":                 ``,
		"null":                  `null`,
		"array":                 `[]`,
		"empty object":          `{}`,
		"not UTF-8":             "{\"created\":1,\"update_after\":2,\"expires_after\":3,\"value\":\"\xff\"}",
		"created missing":       `{"update_after":2,"expires_after":3,"value":"x"}`,
		"update_after missing":  `{"created":1,"expires_after":3,"value":"x"}`,
		"expires_after missing": `{"created":1,"update_after":2,"value":"x"}`,
		"value missing":         `{"created":1,"update_after":2,"expires_after":3}`,
		"value null":            `{"created":1,"update_after":2,"expires_after":3,"value":null}`,
		"value of another type": `{"created":1,"update_after":2,"expires_after":3,"value":1}`,
		"garbage after":         `{"created":1,"update_after":2,"expires_after":3,"value":"x"}x`,
		"cut":                   `{"created":1,"update_after":2,"expires_after":3,"value":"x"`,
		"two of them":           `{"created":1,"update_after":2,"expires_after":3,"value":"x"}{"created":1,"update_after":2,"expires_after":3,"value":"x"}`,
		"never as a number":     `{"created":1,"update_after":-62135596800,"expires_after":3,"value":"x"}`,
		"never as a number, 2":  `{"created":1,"update_after":2,"expires_after":-62135596800.0,"value":"x"}`,
	}
	for _, created := range []string{
		`"1"`, `true`, `[]`, `{}`, `NaN`, `Infinity`, `-`, `01`, `+1`, `.5`, `1.`, `1e`, `0x1`,
		`9223371974719179008`, `9223372036854775808`, `-9223372036854775808.1`, `-9223372036854775809`, `18446744073709551616`,
		`1e19`, `1e20`, `-1e300`, `1e1000000000`, `-1e1000000000`, `1e99999999999999999999999999`, strings.Repeat("9", 100_000),
	} {
		bad[fmt.Sprintf("created %.40s", created)] = `{"created":` + created + `,"update_after":2,"expires_after":3,"value":"x"}`
	}
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			entry, err := serde.JSON[string]().Decode([]byte(text))
			if !errors.Is(err, serde.ErrCorrupt) || entry != nil {
				t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt", entry, err)
			}
		})
	}
}

func TestJSONTolerates(t *testing.T) {
	want := newEntry("x")
	for name, text := range map[string]string{
		"unknown fields": `{"created":1.5,"update_after":2,"expires_after":3,"value":"x","version":{"a":[1]}}`,
		"another order":  `{"value":"x","expires_after":3,"update_after":2,"created":1.5}`,
		"white space":    "\n{ \"created\" : 1.5 ,\t\"update_after\":2,\r\n\"expires_after\":3,\"value\":\"x\"}\n",
		"the last wins":  `{"created":1,"created":1.5,"update_after":2,"expires_after":3,"value":"y","value":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := serde.JSON[string]().Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestJSONRepeatedValueIsNotMerged(t *testing.T) {
	got, err := serde.JSON[map[string]int]().Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":{"a":1},"value":{"b":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"b": 2}, got.Value); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestJSONInstantsRoundTrip tries instants anywhere in the range of package time.
func TestJSONInstantsRoundTrip(t *testing.T) {
	codec := serde.JSON[int]()
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		sec := rapid.OneOf(rapid.Int64Range(-10, 10), rapid.Int64Range(-62135596802, 253402300802), rapid.Int64Range(math.MinInt64, math.MaxInt64-62135596800)).Draw(t, "sec")
		return time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, "nsec"))
	})
	rapid.Check(t, func(t *rapid.T) {
		want := storage.NewEntry(1, instant.Draw(t, "created"), instant.Draw(t, "update after"), instant.Draw(t, "expire after"))
		data, err := codec.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec.Decode(data)
		if err != nil {
			t.Fatalf("Decode(%s): %v", data, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("Decode(%s) (-want +got):\n%s", data, diff)
		}
	})
}

// TestJSONTimesAgreeWithFloat64 compares with what a reader gets who, like Python, parses times as float64.
func TestJSONTimesAgreeWithFloat64(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Float64Range(-62135596799, 253402300799).Draw(t, "seconds")
		text := strconv.FormatFloat(want, rapid.SampledFrom([]byte("eg")).Draw(t, "format"), -1, 64)
		got, err := serde.JSON[int]().Decode(fmt.Appendf(nil, `{"created":%s,"update_after":1,"expires_after":1,"value":1}`, text))
		if err != nil {
			t.Fatalf("Decode of %s: %v", text, err)
		}
		created := float64(got.Created().Unix()) + float64(got.Created().Nanosecond())/1e9
		if math.Abs(created-want) > 1e-4 {
			t.Fatalf("%s was read as %v", text, created)
		}
	})
}

func TestJSONRefusesTimeThatWrapped(t *testing.T) {
	// Package time takes this for a past beyond the range of a Unix time.
	wrapped := time.Unix(math.MaxInt64, 0)
	if data, err := serde.JSON[int]().Encode(storage.NewEntry(1, wrapped, wrapped, wrapped)); err == nil {
		t.Errorf("Encode = %s, want an error", data)
	}
}

func TestUseNumber(t *testing.T) {
	const text = `{"created":1,"update_after":2,"expires_after":3,"value":9007199254740993}`
	for _, test := range []struct {
		codec serde.Codec[any]
		want  any
	}{
		{serde.JSON[any](), 9007199254740992.0},
		{serde.JSON[any](serde.UseNumber()), json.Number("9007199254740993")},
	} {
		entry, err := test.codec.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, entry.Value); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestDisallowUnknownFields(t *testing.T) {
	const text = `{"created":1,"update_after":2,"expires_after":3,"extra":0,"value":{"Title":"x","Author":"y"}}`
	if _, err := serde.JSON[page]().Decode([]byte(text)); err != nil {
		t.Errorf("without the option: %v", err)
	}
	if _, err := serde.JSON[page](serde.DisallowUnknownFields()).Decode([]byte(text)); !errors.Is(err, serde.ErrCorrupt) {
		t.Errorf("with the option: error %v, want one that matches ErrCorrupt", err)
	}
	if _, err := serde.JSON[page](serde.DisallowUnknownFields()).Decode([]byte(strings.Replace(text, `,"Author":"y"`, "", 1))); err != nil {
		t.Errorf("an unknown field beside the value: %v", err)
	}
}

// counter has its methods on the pointer only.
type counter struct{ n int }

func (c *counter) MarshalJSON() ([]byte, error) { return json.Marshal(c.n) }
func (c *counter) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &c.n)
}

func TestJSONFindsMethodsOnThePointer(t *testing.T) {
	codec := serde.JSON[counter]()
	data, err := codec.Encode(newEntry(counter{7}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := codec.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Value != (counter{7}) {
		t.Errorf("%s was decoded as %v", data, got.Value)
	}
}

// bomb panics with what it holds, encoded or decoded.
type bomb struct{ value any }

func (b bomb) MarshalJSON() ([]byte, error) { panic(b.value) }
func (*bomb) UnmarshalJSON(data []byte) error {
	panic(fmt.Sprintf("tick %s", data))
}

func TestJSONPanicsAreErrors(t *testing.T) {
	codec := serde.JSON[bomb]()
	cause := errors.New("boom")
	if data, err := codec.Encode(newEntry(bomb{cause})); !errors.Is(err, cause) || data != nil {
		t.Errorf("Encode = %q, %v; want an error that wraps what was thrown", data, err)
	}
	entry, err := codec.Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"tock"}`))
	if !errors.Is(err, serde.ErrCorrupt) || entry != nil || !strings.Contains(err.Error(), `tick "tock"`) {
		t.Errorf(`Decode = %v, %v; want an error that matches ErrCorrupt and tells of tick "tock"`, entry, err)
	}
}

func TestJSONVia(t *testing.T) {
	codec := viaDuration()
	data, err := codec.Encode(newEntry(90 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"created":1.5,"update_after":2,"expires_after":3,"value":"1m30s"}`, string(data)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// typedNil is the kind of error that people return by mistake.
type typedNil struct{ text string }

func (e *typedNil) Error() string { return e.text }

func TestJSONViaFailures(t *testing.T) {
	cause := errors.New("cause")
	fine := func(s string) (string, error) { return s, nil }
	for name, failing := range map[string]func(string) (string, error){
		"error":     func(string) (string, error) { return "", cause },
		"panic":     func(string) (string, error) { panic(cause) },
		"typed nil": func(string) (string, error) { return "", fmt.Errorf("%w %w", cause, (*typedNil)(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			if data, err := serde.JSONVia(failing, fine).Encode(newEntry("x")); !errors.Is(err, cause) || data != nil {
				t.Errorf("Encode = %q, %v; want an error that wraps toRepr's", data, err)
			}
			entry, err := serde.JSONVia(fine, failing).Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"x"}`))
			if !errors.Is(err, cause) || !errors.Is(err, serde.ErrCorrupt) || entry != nil {
				t.Errorf("Decode = %v, %v; want an error that matches ErrCorrupt and wraps fromRepr's", entry, err)
			}
		})
	}
	t.Run("bare typed nil", func(t *testing.T) {
		failing := func(string) (string, error) { return "", (*typedNil)(nil) }
		if _, err := serde.JSONVia(fine, failing).Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"x"}`)); !errors.Is(err, serde.ErrCorrupt) {
			t.Errorf("Decode: %v", err)
		}
	})
	t.Run("verdict of fromRepr", func(t *testing.T) {
		other := func(string) (string, error) { return "", fmt.Errorf("%w: v0", serde.ErrVersion) }
		_, err := serde.JSONVia(fine, other).Decode([]byte(`{"created":1,"update_after":2,"expires_after":3,"value":"x"}`))
		if !errors.Is(err, serde.ErrVersion) || errors.Is(err, serde.ErrCorrupt) {
			t.Errorf("Decode: %v, want an error that matches ErrVersion alone", err)
		}
	})
}
