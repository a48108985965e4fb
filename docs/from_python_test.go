package docs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/entrybuilder"
	"github.com/memoize-go/memoize/eviction"
	"github.com/memoize-go/memoize/keys"
	"github.com/memoize-go/memoize/postprocess"
	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

func expensiveComputation(_ context.Context, args search) (string, error) {
	return "expensive computation for " + args.Tenant, nil
}

func Example_everythingReplaced() {
	ctx := context.Background()

	cached, err := cache.NewKeyed(expensiveComputation,
		keys.ByName[search]("expensive-computation"),
		cache.WithTimeout(2*time.Minute),
		cache.WithEntryBuilder(entrybuilder.PerValue(func(string, string) (updateAfter, expireAfter time.Duration) {
			return 2 * time.Minute, 5 * time.Minute
		})),
		cache.WithEviction(eviction.NewLeastRecentlyUpdated[string](2048)),
		cache.WithStorage(storage.NewMemory[string, string]()),
		cache.WithPostprocess(postprocess.DeepCopy[string]()),
		cache.WithUpdateLockTimeout(5*time.Minute))
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(cached.Get(ctx, search{Tenant: "acme"}))
	// Output: expensive computation for acme <nil>
}

// What the Python library writes: floating-point seconds.
func Example_pythonEntry() {
	written := []byte(`{"created": 1700000000.25, "update_after": 1700000600.25, "expires_after": 1700001800.25, "value": {"Total": 12}}`)

	entry, err := serde.JSON[order]().Decode(written)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(entry.Value.Total, entry.UpdateAfter().Sub(entry.Created()), entry.ExpireAfter().Sub(entry.Created()))
	// Output: 12 10m0s 30m0s
}
