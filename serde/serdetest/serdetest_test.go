package serdetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func TestSuitesPassSoundImplementations(t *testing.T) {
	t.Run("Run", func(t *testing.T) { Run(t, sound, "", "a", "long enough") })
	t.Run("Run without values", func(t *testing.T) { Run(t, serde.Gob[int]) })
	t.Run("Run with a coarse codec", func(t *testing.T) { Run(t, func() serde.Codec[string] { return coarse{} }, "", "a") })
	t.Run("RunIntegrity", func(t *testing.T) { RunIntegrity(t, sound, "", "a") })
	t.Run("RunEncoding", func(t *testing.T) { RunEncoding(t, serde.Base64) })
	t.Run("RunEncoding without redundancy", func(t *testing.T) { RunEncoding(t, func() serde.Encoding { return rot{} }) })
}

func sound() serde.Codec[string] { return serde.Framed(serde.JSON[string](), 1) }

// coarse keeps seconds only, and only those of years with four digits.
type coarse struct{}

type coarseEntry struct {
	Created, UpdateAfter, ExpireAfter string
	Value                             *string
}

func (coarse) Encode(e *storage.Entry[string]) ([]byte, error) {
	for _, t := range []time.Time{e.Created(), e.UpdateAfter(), e.ExpireAfter()} {
		if year := t.UTC().Year(); year < 0 || year > 9999 {
			return nil, errors.New("year out of range")
		}
	}
	format := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	return json.Marshal(coarseEntry{format(e.Created()), format(e.UpdateAfter()), format(e.ExpireAfter()), &e.Value})
}

func (coarse) Decode(data []byte) (*storage.Entry[string], error) {
	var e coarseEntry
	if err := json.Unmarshal(data, &e); err != nil || e.Value == nil {
		return nil, serde.ErrCorrupt
	}
	var times [3]time.Time
	for i, text := range []string{e.Created, e.UpdateAfter, e.ExpireAfter} {
		var err error
		if times[i], err = time.Parse(time.RFC3339, text); err != nil {
			return nil, serde.ErrCorrupt
		}
	}
	return storage.NewEntry(*e.Value, times[0], times[1], times[2]), nil
}

// rot is an encoding in which all bytes mean something.
type rot struct{}

func (rot) Encode(data []byte) ([]byte, error) {
	out := bytes.Clone(data)
	for i := range out {
		out[i] += 13
	}
	return out, nil
}

func (rot) Decode(data []byte, maxBytes int) ([]byte, error) {
	if len(data) > maxBytes {
		return nil, serde.ErrTooLarge
	}
	out := bytes.Clone(data)
	for i := range out {
		out[i] -= 13
	}
	return out, nil
}

// broken is a codec that differs from a sound one in what is set.
type broken[V any] struct {
	serde.Codec[V]
	encode func(sound serde.Codec[V], entry *storage.Entry[V]) ([]byte, error)
	decode func(sound serde.Codec[V], data []byte) (*storage.Entry[V], error)
}

func (b *broken[V]) Encode(entry *storage.Entry[V]) ([]byte, error) {
	if b.encode == nil {
		return b.Codec.Encode(entry)
	}
	return b.encode(b.Codec, entry)
}

func (b *broken[V]) Decode(data []byte) (*storage.Entry[V], error) {
	if b.decode == nil {
		return b.Codec.Decode(data)
	}
	return b.decode(b.Codec, data)
}

// mapTimes changes the times of what decode returns.
func mapTimes(change func(time.Time) time.Time) func(serde.Codec[string], []byte) (*storage.Entry[string], error) {
	return func(sound serde.Codec[string], data []byte) (*storage.Entry[string], error) {
		e, err := sound.Decode(data)
		if err != nil {
			return nil, err
		}
		return storage.NewEntry(e.Value, change(e.Created()), change(e.UpdateAfter()), change(e.ExpireAfter())), nil
	}
}

// expectFlagged checks that subject breaks the rule of that name. It tries no other: what is broken in one way may well race, which is for the
// rule about concurrency alone to provoke.
func expectFlagged[S any](t *testing.T, rules []rule[S], name string, subject S) {
	t.Helper()
	i := slices.IndexFunc(rules, func(r rule[S]) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("there is no rule %q", name)
	}
	if err := rules[i].check(subject); err == nil {
		t.Errorf("not flagged by the rule %q", name)
	}
}

func TestRunFlagsBrokenCodecs(t *testing.T) {
	type entry = storage.Entry[string]
	type codec = serde.Codec[string]
	for _, test := range []struct {
		name  string
		rule  string
		codec func() codec
	}{
		{"loses the value", "round trip", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				return sound.Encode(storage.NewEntry("", e.Created(), e.UpdateAfter(), e.ExpireAfter()))
			}}
		}},
		{"swaps two times", "round trip", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				return sound.Encode(storage.NewEntry(e.Value, e.Created(), e.ExpireAfter(), e.UpdateAfter()))
			}}
		}},
		{"refuses a value", "round trip", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				if e.Value == "" {
					return nil, errors.New("empty")
				}
				return sound.Encode(e)
			}}
		}},
		{"panics while encoding", "round trip", func() codec {
			return &broken[string]{encode: func(codec, *entry) ([]byte, error) { panic("boom") }}
		}},
		{"remembers instead of encoding", "round trip", func() codec {
			var last *entry
			return &broken[string]{
				encode: func(_ codec, e *entry) ([]byte, error) { last = e; return []byte("x"), nil },
				decode: func(codec, []byte) (*entry, error) {
					if last == nil {
						return nil, serde.ErrCorrupt
					}
					return last, nil
				},
			}
		}},
		{"takes the epoch for never", "never", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.Unix() == 0 {
					return time.Time{}
				}
				return t
			})}
		}},
		{"takes never for the epoch", "never", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.IsZero() {
					return time.Unix(0, 0)
				}
				return t
			})}
		}},
		{"counts nanoseconds in 64 bits", "instants", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.IsZero() {
					return t
				}
				return time.Unix(0, t.UnixNano())
			})}
		}},
		{"counts seconds in 32 bits", "instants", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.IsZero() {
					return t
				}
				return time.Unix(int64(int32(t.Unix())), int64(t.Nanosecond()))
			})}
		}},
		{"drops the zone", "instants", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				wall := func(t time.Time) time.Time {
					return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
				}
				return sound.Encode(storage.NewEntry(e.Value, wall(e.Created()), wall(e.UpdateAfter()), wall(e.ExpireAfter())))
			}}
		}},
		{"rounds up fractions to the next second but one", "fractions", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.Nanosecond() == 0 {
					return t
				}
				return t.Truncate(time.Second).Add(2 * time.Second)
			})}
		}},
		{"drifts", "fractions", func() codec {
			return &broken[string]{decode: mapTimes(func(t time.Time) time.Time {
				if t.Nanosecond() == 0 {
					return t
				}
				return t.Add(1)
			})}
		}},
		{"panics on nothing", "total", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				_ = data[0]
				return sound.Decode(data)
			}}
		}},
		{"panics when cut", "total", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				if len(data) > 0 {
					_ = data[30]
				}
				return sound.Decode(data)
			}}
		}},
		{"returns nothing at all", "total", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				if len(data) == 0 {
					return nil, nil
				}
				return sound.Decode(data)
			}}
		}},
		{"returns both", "total", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if e == nil {
					e = &entry{}
				}
				return e, err
			}}
		}},
		{"returns other errors", "total", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if err != nil {
					return nil, io.ErrUnexpectedEOF
				}
				return e, nil
			}}
		}},
		{"decodes in place", "arguments", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				clear(data)
				return e, err
			}}
		}},
		{"modifies the data when it fails", "arguments", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if err != nil {
					clear(data)
				}
				return e, err
			}}
		}},
		{"uses the mark", "arguments", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				e.Mark().Store(1)
				return sound.Encode(e)
			}}
		}},
		{"modifies the entry", "arguments", func() codec {
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				data, err := sound.Encode(e)
				e.Value += " (encoded)"
				return data, err
			}}
		}},
		{"reuses its buffer", "ownership", func() codec {
			var buffer []byte
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				data, err := sound.Encode(e)
				buffer = append(buffer[:0], data...)
				return buffer, err
			}}
		}},
		{"hands out one entry for all", "ownership", func() codec {
			var only *entry
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if only == nil || e == nil {
					only = e
				} else {
					only.Value = e.Value
				}
				return only, err
			}}
		}},
		{"caches entries", "new entry", func() codec {
			known := map[string]*entry{}
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if err == nil && known[string(data)] == nil {
					known[string(data)] = e
				}
				return known[string(data)], err
			}}
		}},
		{"sets the mark", "new entry", func() codec {
			return &broken[string]{decode: func(sound codec, data []byte) (*entry, error) {
				e, err := sound.Decode(data)
				if err == nil {
					e.Mark().Store(1)
				}
				return e, err
			}}
		}},
		{"keeps what it works on in a field", "concurrency", func() codec {
			// Atomic, so that the race detector does not see it first.
			var current atomic.Pointer[entry]
			return &broken[string]{encode: func(sound codec, e *entry) ([]byte, error) {
				current.Store(e)
				runtime.Gosched()
				return sound.Encode(current.Load())
			}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			factory := func() codec {
				c := test.codec().(*broken[string])
				c.Codec = serde.JSON[string]()
				return c
			}
			expectFlagged(t, codecRules[string](), test.rule, underTest(factory, []string{"", "a", "long enough"}))
		})
	}
}

// TestRunFlagsSharedMemory has values that can be shared.
func TestRunFlagsSharedMemory(t *testing.T) {
	type codec = serde.Codec[[]byte]
	type entry = storage.Entry[[]byte]
	for _, test := range []struct {
		name, rule string
		encode     func(sound codec, e *entry) ([]byte, error)
		decode     func(sound codec, data []byte) (*entry, error)
	}{
		{"the entry is a part of the data", "ownership", nil, func(_ codec, data []byte) (*entry, error) {
			return ordinary(data), nil
		}},
		{"the data is a part of the entry", "ownership", func(_ codec, e *entry) ([]byte, error) {
			return e.Value, nil
		}, nil},
		{"sorts the value", "arguments", func(_ codec, e *entry) ([]byte, error) {
			slices.Sort(e.Value)
			return bytes.Clone(e.Value), nil
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			factory := func() codec { return &broken[[]byte]{raw{}, test.encode, test.decode} }
			expectFlagged(t, codecRules[[]byte](), test.rule, underTest(factory, [][]byte{[]byte("hello")}))
		})
	}
}

// raw is a codec whose bytes are the value of an ordinary entry.
type raw struct{}

func (raw) Encode(e *storage.Entry[[]byte]) ([]byte, error) { return bytes.Clone(e.Value), nil }
func (raw) Decode(data []byte) (*storage.Entry[[]byte], error) {
	return ordinary(bytes.Clone(data)), nil
}

func TestRunIntegrityFlagsCodecsWithoutIt(t *testing.T) {
	type codec = serde.Codec[string]
	for name, factory := range map[string]func() codec{
		"JSON": func() codec { return serde.JSON[string]() },
		"panic": func() codec {
			return &broken[string]{sound(), nil, func(sound codec, data []byte) (*storage.Entry[string], error) {
				e, err := sound.Decode(data)
				if err != nil {
					panic(err)
				}
				return e, nil
			}}
		},
		"checksum without the last byte": func() codec {
			return &broken[string]{
				Codec: sound(),
				encode: func(sound codec, e *storage.Entry[string]) ([]byte, error) {
					data, err := sound.Encode(e)
					return append(data, 'x'), err
				},
				decode: func(sound codec, data []byte) (*storage.Entry[string], error) {
					if len(data) == 0 {
						return nil, serde.ErrCorrupt
					}
					e, err := sound.Decode(data[:len(data)-1])
					if err != nil {
						return nil, err
					}
					if data[len(data)-1] != 'x' {
						e.Value += "?"
					}
					return e, nil
				},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			expectFlagged(t, integrityRules[string](), "integrity", underTest(factory, []string{"a"}))
		})
	}
}

// brokenEncoding is an encoding that differs from base64 in what is set.
type brokenEncoding struct {
	encode func(sound serde.Encoding, data []byte) ([]byte, error)
	decode func(sound serde.Encoding, data []byte, maxBytes int) ([]byte, error)
}

func (b brokenEncoding) Encode(data []byte) ([]byte, error) {
	if b.encode == nil {
		return serde.Base64().Encode(data)
	}
	return b.encode(serde.Base64(), data)
}

func (b brokenEncoding) Decode(data []byte, maxBytes int) ([]byte, error) {
	if b.decode == nil {
		return serde.Base64().Decode(data, maxBytes)
	}
	return b.decode(serde.Base64(), data, maxBytes)
}

func TestRunEncodingFlagsBrokenEncodings(t *testing.T) {
	type encoding = serde.Encoding
	for _, test := range []struct {
		name, rule string
		encoding   func() encoding
	}{
		{"loses white space", "round trip", func() encoding {
			return brokenEncoding{encode: func(sound encoding, data []byte) ([]byte, error) { return sound.Encode(bytes.TrimSpace(data)) }}
		}},
		{"panics while encoding", "round trip", func() encoding {
			return brokenEncoding{encode: func(encoding, []byte) ([]byte, error) { panic("boom") }}
		}},
		{"has a key of its own", "round trip", func() encoding {
			var key [1]byte
			key[0] = byte(keys.Add(1))
			xor := func(data []byte) []byte {
				out := bytes.Clone(data)
				for i := range out {
					out[i] ^= key[0]
				}
				return out
			}
			return brokenEncoding{
				encode: func(sound encoding, data []byte) ([]byte, error) { return sound.Encode(xor(data)) },
				decode: func(sound encoding, data []byte, n int) ([]byte, error) {
					out, err := sound.Decode(data, n)
					return xor(out), err
				},
			}
		}},
		{"cuts what is too large", "limit", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, 1<<30)
				return out[:max(0, min(n, len(out)))], err
			}}
		}},
		{"knows no limit", "limit", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, _ int) ([]byte, error) { return sound.Decode(data, 1<<30) }}
		}},
		{"allows one byte less", "limit", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) { return sound.Decode(data, n-1) }}
		}},
		{"has an error of its own for too large", "limit", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, n)
				if errors.Is(err, serde.ErrTooLarge) {
					err = io.ErrShortBuffer
				}
				return out, err
			}}
		}},
		{"decodes first and measures then", "memory", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, 1<<30)
				if err == nil && len(out) > n {
					return nil, serde.ErrTooLarge
				}
				return out, err
			}}
		}},
		{"panics on nothing", "total", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				_ = data[0]
				return sound.Decode(data, n)
			}}
		}},
		{"panics on errors", "total", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, n)
				if err != nil && !errors.Is(err, serde.ErrTooLarge) {
					panic(err)
				}
				return out, err
			}}
		}},
		{"ignores white space at the end", "end", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				return sound.Decode(bytes.TrimRight(data, "\n"), n)
			}}
		}},
		{"encodes in place", "arguments", func() encoding {
			return brokenEncoding{encode: func(sound encoding, data []byte) ([]byte, error) {
				out, err := sound.Encode(data)
				clear(data)
				return out, err
			}}
		}},
		{"decodes in place", "arguments", func() encoding {
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, n)
				clear(data)
				return out, err
			}}
		}},
		{"reuses its buffer", "arguments", func() encoding {
			var buffer []byte
			return brokenEncoding{decode: func(sound encoding, data []byte, n int) ([]byte, error) {
				out, err := sound.Decode(data, n)
				buffer = append(buffer[:0], out...)
				return buffer, err
			}}
		}},
		{"keeps what it works on in a field", "concurrency", func() encoding {
			var current atomic.Pointer[[]byte]
			return brokenEncoding{encode: func(sound encoding, data []byte) ([]byte, error) {
				current.Store(&data)
				runtime.Gosched()
				return sound.Encode(*current.Load())
			}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			expectFlagged(t, encodingRules(), test.rule, test.encoding)
		})
	}
}

// keys are handed out to the encodings that each have their own.
var keys atomic.Uint32

func ExampleRun() {
	// In a test of your own:
	//
	//	func TestMyCodec(t *testing.T) {
	//		serdetest.Run(t, func() serde.Codec[Page] { return NewMyCodec() }, Page{}, Page{Title: "a"})
	//	}
	//
	// A rule that is broken is quoted. This is what a codec that loses the value looks like:
	factory := func() serde.Codec[string] {
		return &broken[string]{Codec: serde.JSON[string](), encode: func(sound serde.Codec[string], e *storage.Entry[string]) ([]byte, error) {
			return sound.Encode(storage.NewEntry("", e.Created(), e.UpdateAfter(), e.ExpireAfter()))
		}}
	}
	r := codecRules[string]()[0]
	fmt.Println(r.check(underTest(factory, []string{"a"})))
	fmt.Println("The rule:", r.text)
	// Output:
	// the entry
	// {value "a", created 2024-02-29T12:00:00Z, update after 2024-02-29T12:10:00Z, expire after 2024-02-29T12:30:00Z} came back as
	// {value "", created 2024-02-29T12:00:00Z, update after 2024-02-29T12:10:00Z, expire after 2024-02-29T12:30:00Z}
	// The rule: Decode of what Encode returned gives an entry that is Equal to the first.
}
