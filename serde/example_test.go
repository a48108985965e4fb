package serde_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

type user struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

var born = time.Unix(1_700_000_000, 500_000_000)

func ExampleJSON() {
	codec := serde.JSON[user]()
	data, err := codec.Encode(storage.NewEntry(user{"Ada", 36}, born, born.Add(10*time.Minute), time.Time{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(data))

	entry, err := codec.Decode(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(entry.Value.Name, "expires:", !entry.ExpireAfter().IsZero())

	_, err = codec.Decode([]byte(`<html>502 Bad Gateway</html>`))
	fmt.Println(errors.Is(err, serde.ErrCorrupt))
	// Output:
	// {"created":1700000000.5,"update_after":1700000600.5,"expires_after":null,"value":{"name":"Ada","age":36}}
	// Ada expires: false
	// true
}

func ExampleUseNumber() {
	data := []byte(`{"created":1,"update_after":2,"expires_after":3,"value":9007199254740993}`)
	for _, codec := range []serde.Codec[any]{serde.JSON[any](), serde.JSON[any](serde.UseNumber())} {
		entry, err := codec.Decode(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%T %[1]v\n", entry.Value)
	}
	// Output:
	// float64 9.007199254740992e+15
	// json.Number 9007199254740993
}

func ExampleDisallowUnknownFields() {
	data := []byte(`{"created":1,"update_after":2,"expires_after":3,"value":{"name":"Ada","email":"ada@example.org"}}`)
	_, err := serde.JSON[user](serde.DisallowUnknownFields()).Decode(data)
	fmt.Println(err)
	// Output:
	// serde: JSON: corrupt entry: json: unknown field "email"
}

func ExampleJSONVia() {
	// The fields of a URL that hold the user are not exported: JSON alone would lose them.
	codec := serde.JSONVia(
		func(u *url.URL) (string, error) { return u.String(), nil },
		url.Parse,
	)
	data, err := codec.Encode(storage.NewEntry(&url.URL{Scheme: "ftp", User: url.User("ada"), Host: "example.org"}, born, born, born))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(data))

	entry, err := codec.Decode(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(entry.Value.User)

	_, err = codec.Decode(bytes.Replace(data, []byte("ftp"), []byte(" "), 1))
	fmt.Println(err)
	// Output:
	// {"created":1700000000.5,"update_after":1700000000.5,"expires_after":1700000000.5,"value":"ftp://ada@example.org"}
	// ada
	// serde: JSONVia: corrupt entry: parse " ://ada@example.org": first path segment in URL cannot contain colon
}

func ExampleGob() {
	codec := serde.Gob[map[user][]complex128]()
	data, err := codec.Encode(storage.NewEntry(map[user][]complex128{{"Ada", 36}: {1 + 2i}}, born, born, born))
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, err := codec.Decode(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(entry.Value)
	// Output:
	// map[{Ada 36}:[(1+2i)]]
}

func ExampleEncoded() {
	plain := serde.JSON[string]()
	entry := storage.NewEntry(strings.Repeat("all work and no play ", 100), born, born, born)
	for _, codec := range []serde.Codec[string]{
		plain,
		serde.Encoded(plain, serde.Zlib()),
		serde.Encoded(serde.Encoded(plain, serde.Zlib()), serde.Base64()), // For a storage that takes text only.
	} {
		data, err := codec.Encode(entry)
		if err != nil {
			fmt.Println(err)
			return
		}
		decoded, err := codec.Decode(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(data) < 250, decoded.Equal(entry))
	}
	// Output:
	// false true
	// true true
	// true true
}

func ExampleZlib() {
	roundTrip(serde.Zlib())
	// Output:
	// decoded: "hello hello hello"
	// too large: true
}

func ExampleGzip() {
	roundTrip(serde.Gzip())
	// Output:
	// decoded: "hello hello hello"
	// too large: true
}

func ExampleBase64() {
	data, err := serde.Base64().Encode([]byte("hello"))
	fmt.Printf("%s %v\n", data, err)
	roundTrip(serde.Base64())
	// Output:
	// aGVsbG8= <nil>
	// decoded: "hello hello hello"
	// too large: true
}

func roundTrip(encoding serde.Encoding) {
	data, err := encoding.Encode([]byte("hello hello hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := encoding.Decode(data, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("decoded: %q\n", plain)

	_, err = encoding.Decode(data, 10)
	fmt.Println("too large:", errors.Is(err, serde.ErrTooLarge))
}

func ExampleFramed() {
	codec := serde.Framed(serde.JSON[user](), 1)
	data, err := codec.Encode(storage.NewEntry(user{"Ada", 36}, born, born, born))
	if err != nil {
		fmt.Println(err)
		return
	}
	entry, err := codec.Decode(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(entry.Value)

	// A byte was damaged on the way; JSON alone would have read another age.
	damaged := bytes.Replace(data, []byte("36"), []byte("86"), 1)
	_, err = codec.Decode(damaged)
	fmt.Println(err)

	// The next version of the program, in which user means something else.
	_, err = serde.Framed(serde.JSON[user](), 2).Decode(data)
	fmt.Println(err)
	// Output:
	// {Ada 36}
	// serde: Framed: corrupt entry: wrong checksum
	// serde: Framed: entry of another version: schema 1, not 2
}

func ExampleMaxBytes() {
	codec := serde.Framed(serde.JSON[string](), 1, serde.MaxBytes(1000))
	_, err := codec.Encode(storage.NewEntry(strings.Repeat("x", 1000), born, born, born))
	fmt.Println(errors.Is(err, serde.ErrTooLarge))
	// Output:
	// true
}
