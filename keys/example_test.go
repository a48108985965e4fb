package keys_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/memoize-go/memoize/keys"
)

func ExampleIdentity() {
	key := keys.Identity[int]()
	fmt.Println(key.Key(4711))
	// Output: 4711 <nil>
}

// A key of one's own: what the answer depends on, in a form of which there is only one.
func ExampleFunc() {
	type request struct {
		User    string
		Headers map[string]string
	}
	byUser := keys.Func(func(r request) (string, error) {
		if r.User == "" {
			return "", errors.New("request without user")
		}
		return strings.ToLower(r.User), nil
	})

	fmt.Println(byUser.Key(request{User: "Ada", Headers: map[string]string{"Accept": "*/*"}}))
	_, err := byUser.Key(request{})
	fmt.Println(err)
	// Output:
	// ada <nil>
	// request without user
}

func ExampleByName() {
	type query struct {
		Tenant string
		Filter map[string]any
		Since  time.Time
	}
	midnight := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	inTokyo := midnight.In(time.FixedZone("Tokyo", 9*3600))
	key := keys.ByName[query]("orders")

	first, _ := key.Key(query{"acme", map[string]any{"state": "open", "limit": 10}, midnight})
	second, _ := key.Key(query{"acme", map[string]any{"limit": 10, "state": "open"}, inTokyo})
	third, _ := key.Key(query{"acme", map[string]any{"limit": "10", "state": "open"}, midnight})
	fmt.Println("same filter, same instant:", first == second)
	fmt.Println("10 and \"10\":", first == third)

	invoices, _ := keys.ByName[query]("invoices").Key(query{"acme", map[string]any{"state": "open", "limit": 10}, midnight})
	fmt.Println("another name:", first == invoices)
	// Output:
	// same filter, same instant: true
	// 10 and "10": false
	// another name: false
}

// Arguments that cannot become a key fail their own call; the error says where the culprit is.
func ExampleByName_unencodable() {
	type job struct {
		ID     int
		OnDone func()
	}
	_, err := keys.ByName[[]job]("run").Key([]job{{ID: 1}})
	fmt.Println(err)
	fmt.Println(errors.Is(err, keys.ErrUnencodable))
	// Output:
	// keys: cannot encode [0].OnDone: func()
	// true
}

func ExampleByReference() {
	one, two := keys.ByReference[string](), keys.ByReference[string]()
	a, _ := one.Key("x")
	b, _ := one.Key("x")
	c, _ := two.Key("x")
	fmt.Println("one extractor:", a == b)
	fmt.Println("two extractors:", a == c)
	// Output:
	// one extractor: true
	// two extractors: false
}

func ExampleOf2() {
	// Args2 is comparable if its parts are, so that it can be a key as it is.
	key := keys.Identity[keys.Args2[string, int]]()
	fmt.Println(key.Key(keys.Of2("page", 3)))
	// Output: {page 3} <nil>
}

func ExampleOf3() {
	args := keys.Of3("Berlin", time.May, true)
	fmt.Println(args.First, args.Second, args.Third)
	// Output: Berlin May true
}

// A load function that needs a logger, which has no part in the answer.
func ExampleSkipFirst() {
	key := keys.SkipFirst[*slog.Logger](keys.ByName[string]("user"))

	quiet, _ := key.Key(keys.Of2(slog.New(slog.DiscardHandler), "ada"))
	loud, _ := key.Key(keys.Of2(slog.Default(), "ada"))
	other, _ := key.Key(keys.Of2(slog.Default(), "bob"))
	fmt.Println("another logger:", quiet == loud)
	fmt.Println("another user:", quiet == other)
	// Output:
	// another logger: true
	// another user: false
}

// Several arguments remain when the one that follows the receiver is an Args2 itself.
func ExampleSkipFirst_severalArguments() {
	type client struct{ token string }
	key := keys.SkipFirst[*client](keys.Identity[keys.Args2[string, int]]())

	fmt.Println(key.Key(keys.Of2(&client{"secret"}, keys.Of2("repositories", 2))))
	// Output: {repositories 2} <nil>
}
