package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/memoize-go/memoize/serde"
	"github.com/memoize-go/memoize/storage"
)

// Files is a storage that keeps every entry in a file of its own. It is no storage.Local, because a disk can be slow,
// so the callers of a key share one read of its file, within the storage timeout.
//
// It does not list its entries: those of an earlier run are found, but count towards the capacity only when they have
// been written again. Nor does it sync: a crash of the machine may leave a damaged file behind, which the codec has to
// notice.
type Files[V any] struct {
	dir   string
	codec serde.Codec[V]
}

var (
	_ storage.Storage[string, int] = (*Files[int])(nil)
	_ storage.Clearer              = (*Files[int])(nil)
)

const (
	entrySuffix = ".entry"
	draftSuffix = ".draft" // of a file that is being written
)

// NewFiles returns a storage in dir, which is made if it is not there. Nothing else may be in it.
func NewFiles[V any](dir string, codec serde.Codec[V]) (*Files[V], error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Files[V]{dir: dir, codec: codec}, nil
}

// path returns the file of a key. The hash makes a name out of any key, whatever its length and characters, on any file
// system.
func (f *Files[V]) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:])+entrySuffix)
}

// Get reads and decodes the file of key. A file that cannot be decoded is the codec's error, which is a miss to the
// cache.
func (f *Files[V]) Get(ctx context.Context, key string) (*storage.Entry[V], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return f.codec.Decode(data)
}

// Offer writes a draft and gives it the name of the entry when it is complete: nobody reads half a file.
func (f *Files[V]) Offer(ctx context.Context, key string, entry *storage.Entry[V]) error {
	data, err := f.codec.Encode(entry)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	draft, err := os.CreateTemp(f.dir, "*"+draftSuffix)
	if err != nil {
		return err
	}
	_, err = draft.Write(data)
	err = errors.Join(err, draft.Close())
	if err == nil {
		err = ctx.Err() // given up on: the entry must not appear any more
	}
	if err == nil {
		err = os.Rename(draft.Name(), f.path(key))
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	return nil
}

// Release removes the file of key: no other process shares the directory.
func (f *Files[V]) Release(ctx context.Context, key string) error { return f.Invalidate(ctx, key) }

// Invalidate removes the file of key.
func (f *Files[V]) Invalidate(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return remove(f.path(key))
}

// Clear removes all files. It leaves drafts alone, each of which belongs to an Offer that will finish it.
func (f *Files[V]) Clear(ctx context.Context) error {
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !strings.HasSuffix(file.Name(), entrySuffix) {
			continue
		}
		if err := remove(filepath.Join(f.dir, file.Name())); err != nil {
			return err
		}
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
