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

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// tmp is the directory for files that are being written. It is on the same file
// system as the objects, and hidden from List since no key can begin with it.
const tmp = ".tmp"

// write writes c to a file in the tmp directory and links it to its name in dir.
// The error is fs.ErrExist if the name exists.
func write(ctx context.Context, root *os.Root, dir *os.File, name string, c sink.Content) error {
	temp, err := openTmp(root)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = temp.Close() }()
	at, tempName := int(temp.Fd()), rand.Text()
	fd, err := unix.Openat(at, tempName, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = unix.Unlinkat(at, tempName, 0) }()
	f := os.NewFile(uintptr(fd), tempName)
	if err = c.Copy(ctx, f); err == nil {
		err = errors.Join(f.Chmod(0o444), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return classify(err)
	}
	if err := sink.Ended(ctx); err != nil {
		return err
	}
	switch err := unix.Linkat(at, tempName, int(dir.Fd()), name, 0); {
	case errors.Is(err, fs.ErrExist):
		return err
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS):
		return fault.New(fault.SinkDenied, "linking: %w", err).
			WithHint("the file system does not seem to support hard links, which keep objects from being replaced: use another (ext4, XFS, btrfs, ZFS, NFS)")
	case err != nil:
		return classify(fmt.Errorf("linking: %w", err))
	}
	return nil
}

// openTmp opens the tmp directory, creating it if needed.
func openTmp(root *os.Root) (*os.File, error) {
	dir, err := root.OpenFile(tmp, openFlags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := root.Mkdir(tmp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return root.OpenFile(tmp, openFlags, 0)
}

// adopt links the file of c to its name in dir, if c has a file on the same file
// system that has no other link: a file that another sink has adopted is not
// shared. The error is fs.ErrExist if the name exists; done is false if there is
// no such file or it cannot be linked.
//
// The file is read back while it is synced, which takes little extra time, to
// detect a file that a crash has damaged.
func adopt(ctx context.Context, dir *os.File, name string, c sink.Content) (done bool, err error) {
	if c.File == "" {
		return false, nil
	}
	f, err := os.OpenFile(c.File, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false, nil
	}
	defer func() { _ = f.Close() }()
	if !adoptable(f, dir) {
		return false, nil
	}
	synced := make(chan error, 1)
	go func() { synced <- f.Sync() }()
	err = (sink.Content{ReaderAt: f, Size: c.Size, SHA256: c.SHA256}).Copy(ctx, io.Discard)
	if err = errors.Join(err, <-synced); err == nil {
		err = sink.Ended(ctx)
	}
	if err != nil {
		return false, classify(err)
	}
	err = unix.Linkat(unix.AT_FDCWD, c.File, int(dir.Fd()), name, 0)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, nil // another mount, or forbidden by the system
	}
	return true, err
}

// adoptable reports whether f can be linked into dir, and makes it read-only.
func adoptable(f *os.File, dir *os.File) bool {
	var file, folder unix.Stat_t
	if unix.Fstat(int(f.Fd()), &file) != nil || unix.Fstat(int(dir.Fd()), &folder) != nil {
		return false
	}
	if file.Mode&unix.S_IFMT != unix.S_IFREG || file.Nlink != 1 || file.Dev != folder.Dev {
		return false
	}
	return f.Chmod(0o444) == nil
}

// sweep removes files that crashes left in the tmp directory. Files of the last
// 24 hours may still be in use by another process.
func sweep(root *os.Root) {
	files, _ := fs.ReadDir(root.FS(), tmp)
	for _, f := range files {
		if fi, err := f.Info(); err == nil && time.Since(fi.ModTime()) > 24*time.Hour {
			_ = root.Remove(path.Join(tmp, f.Name()))
		}
	}
}
