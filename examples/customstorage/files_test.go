package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
	"github.com/memoize-go/memoize/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFiles(t *testing.T, dir string, schema uint32) *Files[string] {
	t.Helper()
	files, err := NewFiles(dir, serde.Framed(serde.JSON[string](), schema))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesKeepTheContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage[string, string] {
		return newFiles(t, t.TempDir(), schema)
	})
}

func TestEntriesOutliveTheStorage(t *testing.T) {
	dir := t.TempDir()
	entry := storage.NewEntry("value", time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0))
	if err := newFiles(t, dir, schema).Offer(t.Context(), "key", entry); err != nil {
		t.Fatal(err)
	}

	got, err := newFiles(t, dir, schema).Get(t.Context(), "key")
	if err != nil || !got.Equal(entry) {
		t.Errorf("another storage on the same directory: Get = %v, %v, want the entry", got, err)
	}
	if got, err := newFiles(t, dir, schema+1).Get(t.Context(), "key"); got != nil || !errors.Is(err, serde.ErrVersion) {
		t.Errorf("a program with another schema: Get = %v, %v, want ErrVersion", got, err)
	}
}

func TestDamagedFilesAreNoEntries(t *testing.T) {
	files := newFiles(t, t.TempDir(), schema)
	entry := storage.NewEntry("value", time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0))
	if err := files.Offer(t.Context(), "key", entry); err != nil {
		t.Fatal(err)
	}
	intact, err := os.ReadFile(files.path("key"))
	if err != nil {
		t.Fatal(err)
	}
	for size := range intact {
		if err := os.WriteFile(files.path("key"), intact[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := files.Get(t.Context(), "key"); got != nil || !errors.Is(err, serde.ErrCorrupt) {
			t.Fatalf("a file cut to %d bytes: Get = %v, %v, want ErrCorrupt", size, got, err)
		}
	}
}

func TestFailedOffersLeaveNothingBehind(t *testing.T) {
	files := newFiles(t, t.TempDir(), schema)
	if err := os.Mkdir(files.path("key"), 0o700); err != nil { // what no file can replace
		t.Fatal(err)
	}
	if err := files.Offer(t.Context(), "key", storage.NewEntry("v", time.Unix(1, 0), time.Time{}, time.Time{})); err == nil {
		t.Error("Offer in place of a directory returned no error")
	}
	drafts, err := filepath.Glob(filepath.Join(files.dir, "*"+draftSuffix))
	if err != nil || len(drafts) != 0 {
		t.Errorf("left behind: %v, %v", drafts, err)
	}
}
