// Package local keeps evidence in a directory of a local or mounted file system.
//
// An object is a file with mode 0444 whose path is its key. Names that begin
// with a dot, symbolic links and other special files are not objects: keys
// cannot contain the former, and links are not followed.
//
// If the directory disappears while the process runs, a file system has been
// unmounted. It is not created again, so that evidence does not end up beneath
// the mount point.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Sink is a directory as a [sink.Sink].
type Sink struct {
	dir string

	mu   sync.Mutex
	made bool // dir has existed

	dirs dirs
}

// root opens the directory, for each call anew, so that a file system that was
// unmounted and mounted again is found. The first call creates the directory.
func (s *Sink) root() (*os.Root, error) {
	if err := s.makeOnce(); err != nil {
		return nil, rootError(s.dir, err)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, rootError(s.dir, err)
	}
	return root, nil
}

func (s *Sink) makeOnce() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made {
		return nil
	}
	err := makeAll(s.dir)
	s.made = err == nil
	return err
}

// makeAll creates the directory and its parents, and syncs each to disk.
func makeAll(dir string) error {
	err := os.Mkdir(dir, 0o750)
	if os.IsExist(err) {
		return nil
	}
	parent := filepath.Dir(dir)
	if os.IsNotExist(err) && parent != dir {
		if err = makeAll(parent); err == nil {
			err = os.Mkdir(dir, 0o750)
		}
	}
	if err != nil && !os.IsExist(err) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return nil // not readable, so it is not one that we created
	}
	defer func() { _ = f.Close() }()
	return syncDir(f)
}

// Open implements [sink.Sink].
func (s *Sink) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := sink.CheckKey(key); err != nil {
		return nil, err
	}
	if err := sink.Ended(ctx); err != nil {
		return nil, err
	}
	root, err := s.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	f, err := open(root, key)
	if err != nil {
		return nil, err
	}
	return sink.Body{ReadCloser: f, Classify: classify}, nil
}

// open opens the object under key.
func open(root *os.Root, key string) (*os.File, error) {
	fi, err := root.Lstat(key)
	if notExist(err) {
		return nil, sink.NotExist(key)
	}
	if err != nil {
		return nil, classify(err)
	}
	// Opening a pipe would block, and a symbolic link is not an object.
	if !fi.Mode().IsRegular() {
		return nil, fault.New(fault.NotFound, "%s is not a regular file: %w", key, fs.ErrNotExist)
	}
	f, err := root.Open(key)
	return f, classify(err)
}

// List implements [sink.Sink]. It walks the directory part of the prefix, skips
// directories that only hold keys up to after, and holds the names of one
// directory per level in memory.
func (s *Sink) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		if !sink.CanBegin(prefix) {
			return
		}
		dir, rest := ".", prefix
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir, rest = prefix[:i], prefix[i+1:]
		}
		root, err := s.root()
		if err != nil {
			yield(sink.Entry{}, err)
			return
		}
		defer func() { _ = root.Close() }()
		w := walk{ctx, root.FS(), after, yield}
		if err := w.dir(dir, rest); err != nil && err != errStopped {
			yield(sink.Entry{}, err)
		}
	}
}

// errStopped ends a walk whose caller has stopped iterating.
var errStopped = errors.New("stopped")

// walk yields the objects below a directory in the order of their keys.
type walk struct {
	ctx   context.Context
	fsys  fs.FS
	after string
	yield func(sink.Entry, error) bool
}

// lostFound is a directory that some file systems have at their root, for root
// alone to read. No source can have that name.
const lostFound = "lost+found"

// dir yields the objects in dir whose names begin with prefix, and those below
// its subdirectories whose names begin with it.
func (w walk) dir(dir, prefix string) error {
	files, err := fs.ReadDir(w.fsys, dir)
	if notExist(err) {
		return nil
	}
	if err != nil {
		return classify(fmt.Errorf("listing: %w", err))
	}
	// Comparing the names of directories with their slash makes the order of
	// the walk that of the keys.
	slices.SortFunc(files, func(a, b fs.DirEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	for _, f := range files {
		if err := sink.Ended(w.ctx); err != nil {
			return err
		}
		if !strings.HasPrefix(f.Name(), prefix) || strings.HasPrefix(f.Name(), ".") || dir == "." && f.Name() == lostFound {
			continue
		}
		if err := w.entry(strings.TrimPrefix(dir+"/"+f.Name(), "./"), f); err != nil {
			return err
		}
	}
	return nil
}

func (w walk) entry(key string, f fs.DirEntry) error {
	if f.IsDir() {
		if key += "/"; key < w.after && !strings.HasPrefix(w.after, key) {
			return nil
		}
		return w.dir(strings.TrimSuffix(key, "/"), "")
	}
	if key <= w.after || !f.Type().IsRegular() || sink.CheckKey(key) != nil {
		return nil
	}
	fi, err := f.Info()
	switch {
	case notExist(err):
		return nil
	case err != nil:
		return classify(fmt.Errorf("listing: %w", err))
	case !w.yield(sink.Entry{Key: key, Size: fi.Size(), ModTime: fi.ModTime()}, nil):
		return errStopped
	}
	return nil
}

func sortName(f fs.DirEntry) string {
	if f.IsDir() {
		return f.Name() + "/"
	}
	return f.Name()
}
