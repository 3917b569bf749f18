package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"packseal.example/sink"
)

// List implements [sink.Sink]. It walks the folder part of the prefix without
// the folders whose keys are all up to after, and holds the names of one folder
// of each level at a time.
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
		if err := w.folder(dir, rest); err != nil && err != errStopped {
			yield(sink.Entry{}, err)
		}
	}
}

// errStopped is a walk that its caller has seen enough of.
var errStopped = errors.New("stopped")

// walk yields what is below a folder in the order of the keys.
type walk struct {
	ctx   context.Context
	fsys  fs.FS
	after string
	yield func(sink.Entry, error) bool
}

// folder yields the objects in dir whose names begin with prefix, and those
// in its folders whose names do.
func (w walk) folder(dir, prefix string) error {
	files, err := fs.ReadDir(w.fsys, dir)
	if notExist(err) {
		return nil
	}
	if err != nil {
		return classify(fmt.Errorf("listing: %w", err))
	}
	// A folder's name sorts with the slash that follows it in each of its
	// keys: that alone makes the order of a walk the order of the keys.
	slices.SortFunc(files, func(a, b fs.DirEntry) int { return strings.Compare(slashed(a), slashed(b)) })
	for _, f := range files {
		if err := sink.Ended(w.ctx); err != nil {
			return err
		}
		if !strings.HasPrefix(f.Name(), prefix) || strings.HasPrefix(f.Name(), ".") {
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
		// Each key below begins with key and a slash.
		if key += "/"; key < w.after && !strings.HasPrefix(w.after, key) {
			return nil
		}
		return w.folder(strings.TrimSuffix(key, "/"), "")
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

func slashed(f fs.DirEntry) string {
	if f.IsDir() {
		return f.Name() + "/"
	}
	return f.Name()
}
