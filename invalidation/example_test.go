package invalidation_test

import (
	"context"
	"fmt"

	"github.com/memoize-go/memoize/invalidation"
)

// users stands for a cache: anything with these two methods is a target.
type users map[int]string

func (u users) Invalidate(_ context.Context, id int) error {
	delete(u, id)
	return nil
}

func (u users) InvalidateAll(context.Context) error {
	clear(u)
	return nil
}

func ExampleNew() {
	ctx := context.Background()
	support := invalidation.New[int]()
	fmt.Println(support.Invalidate(ctx, 1))

	cached := users{1: "ada", 2: "grace", 3: "barbara"}
	support.Bind(cached) // a cache does this itself
	fmt.Println(support.Invalidate(ctx, 1), cached)
	fmt.Println(support.InvalidateAll(ctx), cached)
	// Output:
	// invalidation: not bound to any cache
	// <nil> map[2:grace 3:barbara]
	// <nil> map[]
}

// renaming is the part of a program that changes users, in another package than the cache. It knows neither the cache
// nor what is cached, only that users are told apart by their id.
type renaming struct {
	changed *invalidation.Support[int]
}

func (r renaming) rename(ctx context.Context, id int, name string) error {
	fmt.Printf("user %d is now %s\n", id, name)
	return r.changed.Invalidate(ctx, id)
}

// Who changes the data throws away what is cached of it, in all caches at once.
func Example_fromAnotherPackage() {
	ctx := context.Background()
	changed := invalidation.New[int]()
	service := renaming{changed}

	// Elsewhere, and maybe later.
	names, pictures := users{1: "ada", 2: "grace"}, users{1: "ada.png"}
	changed.Bind(names)
	changed.Bind(pictures)

	if err := service.rename(ctx, 1, "augusta"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(names, pictures)
	// Output:
	// user 1 is now augusta
	// map[2:grace] map[]
}
