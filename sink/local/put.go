package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// tmp is the folder of files that are being written: on the same file system
// as the objects, and hidden from List, for no key can name it.
const tmp = ".tmp"

// Put implements [sink.Sink]. These are the system calls, in their order, and
// what each is for:
//
//	mkdirat, fsync(parent)  of each new folder of the key: a power cut must not lose it
//	openat(.tmp/…, O_EXCL, 0444), write…   under a name that nobody reads, while hashing
//	fsync(file)             the bytes are on disk before they have a name
//	linkat(.tmp/…, key)     the commit: fails when the name is taken, where a rename would replace
//	fsync(folder)           the name is on disk
//	unlinkat(.tmp/…)
//
// A crash leaves at worst a file in .tmp, which a later Open removes.
func (s *Sink) Put(ctx context.Context, key string, c sink.Content) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	if err := sink.Ended(ctx); err != nil {
		return err
	}
	root, err := s.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	// No need to write what is there; that nothing is there decides nothing.
	if _, err := root.Lstat(key); err == nil {
		return settle(ctx, root, key, c)
	}
	if err := s.folders(root, path.Dir(key)); err != nil {
		return fmt.Errorf("making the folder of %s: %w", key, err)
	}
	name, err := write(ctx, root, c)
	if err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	defer func() { _ = root.Remove(name) }()
	if err := sink.Ended(ctx); err != nil {
		return err
	}
	switch err := root.Link(name, key); {
	case errors.Is(err, fs.ErrExist):
		return settle(ctx, root, key, c)
	case errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.Conflict, "an object stands where %s needs a folder", path.Dir(key))
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS):
		return fault.New(fault.SinkDenied, "linking %s: %w", key, err).
			WithHint("the file system seems to have no hard links, which keep objects from being replaced: use another (ext4, XFS, btrfs, ZFS, NFS)")
	case err != nil:
		return classify(fmt.Errorf("linking %s: %w", key, err))
	}
	return commit(root, key)
}

// folders makes the folder and its parents where they are not there, from the
// top, and each once: who finds one there waits until its name is durable.
func (s *Sink) folders(root *os.Root, dir string) error {
	for i := 1; i <= len(dir) && dir != "."; i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		if _, err, _ := s.making.Do(dir[:i], func() (any, error) { return nil, folder(root, dir[:i]) }); err != nil {
			return err
		}
	}
	return nil
}

func folder(root *os.Root, dir string) error {
	switch err := root.Mkdir(dir, 0o750); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return fault.New(fault.Conflict, "an object stands where %s needs a folder", dir)
	case err != nil:
		return classify(err)
	}
	return syncName(root, path.Dir(dir))
}

// write writes c to a file in the tmp folder and returns the file's name.
func write(ctx context.Context, root *os.Root, c sink.Content) (name string, err error) {
	name = path.Join(tmp, rand.Text())
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.Mkdir(tmp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", classify(err)
		}
		f, err = root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	}
	if err != nil {
		return "", classify(err)
	}
	err = c.Copy(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = classify(errors.Join(err, f.Close())); err != nil {
		_ = root.Remove(name)
		return "", err
	}
	return name, nil
}

// settle answers for a key that is taken: nil when it holds c.
func settle(ctx context.Context, root *os.Root, key string, c sink.Content) error {
	conflict := fault.New(fault.Conflict, "%s holds other bytes", key)
	f, err := open(root, key)
	if errors.Is(err, fs.ErrNotExist) {
		return conflict // a folder, or nothing that packseal has put
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return classify(err)
	}
	if fi.Size() != c.Size {
		return conflict
	}
	switch err := (sink.Content{ReaderAt: f, Size: c.Size, SHA256: c.SHA256}).Copy(ctx, io.Discard); fault.Of(err) {
	case "":
		// Who put it may not have come to its fsync of the folder yet.
		return commit(root, key)
	case fault.Damaged:
		return conflict
	case fault.Internal:
		return fault.New(fault.SinkUnavailable, "reading %s: %w", key, err)
	default:
		return err
	}
}

// commit makes the key's name durable.
func commit(root *os.Root, key string) error {
	if err := syncName(root, path.Dir(key)); err != nil {
		return fmt.Errorf("storing the name of %s: %w", key, err)
	}
	return nil
}

func syncName(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = f.Close() }()
	return classify(syncFolder(f))
}

// syncFolder makes the names in a folder durable. Some network file systems
// keep names durable themselves and refuse to be asked.
func syncFolder(f *os.File) error {
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// sweep removes files that crashes left in the tmp folder. Those of the last
// day may be at work in another process.
func sweep(root *os.Root) {
	files, _ := fs.ReadDir(root.FS(), tmp)
	for _, f := range files {
		if fi, err := f.Info(); err == nil && time.Since(fi.ModTime()) > 24*time.Hour {
			_ = root.Remove(path.Join(tmp, f.Name()))
		}
	}
}
