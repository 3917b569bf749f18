package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Put implements [sink.Sink] with these system calls, in this order:
//
//	mkdirat, fsync(parent)  for each new directory of the key, to survive a power failure
//	openat(.tmp/…, O_EXCL, 0600), write…   to a temporary file, while hashing
//	fchmod(0444)            not before: SMB shares let nobody write a file that was made read-only
//	fsync(file)             the content is on disk before it has a name
//	linkat(.tmp/…, key)     the commit: fails if the name exists, where a rename would replace
//	fsync(directory)        the name is on disk
//	unlinkat(.tmp/…)
//
// Content in a file of its own on the same file system is not copied: that file
// is set to 0444, read back, and linked. At worst, a crash leaves a file in
// .tmp, which a later Open removes.
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
	dir, durable, err := s.dirs.enter(root, path.Dir(key))
	if err != nil {
		return fmt.Errorf("creating the directory of %s: %w", key, err)
	}
	defer func() { _ = dir.Close() }()
	if err := place(ctx, root, dir, key, c); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	if err := errors.Join(syncDir(dir), durable()); err != nil {
		return fmt.Errorf("storing the name of %s: %w", key, err)
	}
	return nil
}

// place stores c in dir under the last element of key. It succeeds if the key
// holds c already. The name is not synced yet.
func place(ctx context.Context, root *os.Root, dir *os.File, key string, c sink.Content) error {
	name := path.Base(key)
	// Skip the write if the name exists; if it does not, linkat decides.
	var there unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return matches(ctx, root, key, c)
	}
	done, err := adopt(ctx, dir, name, c)
	if !done && err == nil {
		err = write(ctx, root, dir, name, c)
	}
	if errors.Is(err, fs.ErrExist) {
		return matches(ctx, root, key, c)
	}
	return err
}

// matches returns nil if the existing key holds c, and fault.Conflict if it
// holds other content.
func matches(ctx context.Context, root *os.Root, key string, c sink.Content) error {
	conflict := fault.New(fault.Conflict, "the key holds other content")
	f, err := open(root, key)
	if errors.Is(err, fs.ErrNotExist) {
		return conflict // a directory or a special file
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
		return nil
	case fault.Damaged:
		return conflict
	case fault.Internal:
		return fault.New(fault.SinkUnavailable, "reading the stored object: %w", err)
	default:
		return err
	}
}
