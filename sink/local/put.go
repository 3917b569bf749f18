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
// Content that is in a file of its own on the same file system is not written
// again: that file is made 0444, read back, and linked as it is. A crash leaves
// at worst a file in .tmp, which a later Open removes.
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
	dir, durable, err := s.names.enter(root, path.Dir(key))
	if err != nil {
		return fmt.Errorf("making the folder of %s: %w", key, err)
	}
	defer func() { _ = dir.Close() }()
	if err := place(ctx, root, dir, key, c); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	if err := errors.Join(syncFolder(dir), durable()); err != nil {
		return fmt.Errorf("storing the name of %s: %w", key, err)
	}
	return nil
}

// place gives c its name in dir, unless the name is taken: by c itself, which
// is fine, or by something else. The name is not durable yet.
func place(ctx context.Context, root *os.Root, dir *os.File, key string, c sink.Content) error {
	name := path.Base(key)
	// No need to write what is there; that nothing is there decides nothing.
	var there unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return settle(ctx, root, key, c)
	}
	done, err := adopt(ctx, dir, name, c)
	if !done && err == nil {
		err = write(ctx, root, dir, name, c)
	}
	if errors.Is(err, fs.ErrExist) {
		return settle(ctx, root, key, c)
	}
	return err
}

// settle answers for a key that is taken: nil when it holds c.
func settle(ctx context.Context, root *os.Root, key string, c sink.Content) error {
	conflict := fault.New(fault.Conflict, "other bytes are there")
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
		return nil
	case fault.Damaged:
		return conflict
	case fault.Internal:
		return fault.New(fault.SinkUnavailable, "reading it: %w", err)
	default:
		return err
	}
}
