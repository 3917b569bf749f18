// Package local keeps evidence in a folder of a local or mounted file system.
//
// An object is a file of mode 0444 under its key. Files and folders whose
// names begin with a dot, and whatever is neither a file nor a folder, are not
// objects: keys cannot name the former, and links are not followed.
//
// A folder that was there once and is not any more is taken for a mount that
// is gone, and is not made again: evidence must not end up beneath it.
package local

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Sink is a folder as a [sink.Sink].
type Sink struct {
	dir string

	mu   sync.Mutex
	made bool // dir was there

	names names // of folders
}

// root opens the folder, afresh for each call, so that a mount that went away
// and came back is found again. The folder is made the first time.
func (s *Sink) root() (*os.Root, error) {
	if err := s.makeOnce(); err != nil {
		return nil, gone(s.dir, err)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, gone(s.dir, err)
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

// makeAll makes the folder and its parents, each durably.
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
		return nil // a parent that we may not read was not made by us
	}
	defer func() { _ = f.Close() }()
	return syncFolder(f)
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
	// A pipe would hold up its reader for ever, and a link is not what was put.
	if !fi.Mode().IsRegular() {
		return nil, fault.New(fault.NotFound, "%s is not a file: %w", key, fs.ErrNotExist)
	}
	f, err := root.Open(key)
	return f, classify(err)
}
