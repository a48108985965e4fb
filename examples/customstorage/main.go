// Customstorage shows a storage of one's own: entries as files in a directory, which survive a restart of the program.
// The program runs itself three times on one directory. The second run loads nothing; the third finds one file damaged,
// and loads that one again.
//
//	go run ./examples/customstorage
//
// To run it on a directory of your choice, as often as you like:
//
//	go run ./examples/customstorage -dir /tmp/rates
//
// The storage is in files.go. Its test checks it against the contract of package storage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/memoize-go/memoize/cache"
	"github.com/memoize-go/memoize/serde"
)

// rate is the value. It has to survive a trip through the codec.
type rate struct {
	From, To string
	Cents    int
}

// schema is the version of rate: files of another version are a miss. An incompatible change of the type needs the next
// number.
const schema = 1

func main() {
	dir := flag.String("dir", "", "run once on the entries in this `directory`")
	flag.Parse()

	ctx := context.Background()
	run := demonstrate
	if *dir != "" {
		run = func(ctx context.Context) error { return useCache(ctx, *dir) }
	}
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// useCache asks a cache on dir for three rates, and says how many of them it had to load.
func useCache(ctx context.Context, dir string) (err error) {
	files, err := NewFiles(dir, serde.Framed(serde.JSON[rate](), schema))
	if err != nil {
		return err
	}
	load := func(_ context.Context, currencies string) (rate, error) {
		return rate{From: currencies[:3], To: currencies[4:], Cents: 10 * len(currencies)}, nil
	}
	rates, err := cache.New(load, cache.WithStorage(files), cache.WithUpdateAfter(time.Hour), cache.WithExpireAfter(24*time.Hour))
	if err != nil {
		return err
	}
	// Callers get their value before it is written: without Close the last writes could be lost.
	defer func() { err = errors.Join(err, rates.Close(ctx)) }()

	for _, currencies := range []string{"EUR/USD", "EUR/CHF", "USD/JPY"} { // no file names
		if _, err := rates.Get(ctx, currencies); err != nil {
			return err
		}
	}
	stats := rates.Stats()
	fmt.Printf("loads: %d, undecodable files: %d\n", stats.LoadsSucceeded, stats.DecodeErrors)
	return nil
}

// demonstrate runs this program three times on a directory of its own.
func demonstrate(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "memoize-customstorage-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	for _, life := range []string{"first run", "second run"} {
		if err := restart(ctx, life, dir); err != nil {
			return err
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*"+entrySuffix))
	if err != nil || len(entries) == 0 {
		return fmt.Errorf("no entries in %s: %w", dir, err)
	}
	if err := os.Truncate(entries[0], 20); err != nil {
		return err
	}
	return restart(ctx, "run after a damage", dir)
}

// restart runs this program in a process of its own.
func restart(ctx context.Context, title, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("%s: ", title)
	child := exec.CommandContext(ctx, program, "-dir", dir)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	return child.Run()
}
