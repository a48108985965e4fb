package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/memoize-go/memoize/cache"
)

func main() {
	weather, err := cache.New(func(ctx context.Context, city string) (string, error) {
		fmt.Println("asking for", city) // a database, an API, a computation
		return "sunny", nil
	}, cache.WithUpdateAfter(time.Minute), cache.WithExpireAfter(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		fmt.Println(weather.Get(context.Background(), "Oslo"))
	}
}
