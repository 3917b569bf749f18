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

// tmp is the folder of files that are being written: on the same file system
// as the objects, and hidden from List, for no key can name it.
const tmp = ".tmp"

// write writes c to a file in the tmp folder and links it to its name in dir.
// The error is fs.ErrExist when the name is taken.
func write(ctx context.Context, root *os.Root, dir *os.File, name string, c sink.Content) error {
	temp, err := openTmp(root)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = temp.Close() }()
	at, draft := int(temp.Fd()), rand.Text()
	fd, err := unix.Openat(at, draft, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = unix.Unlinkat(at, draft, 0) }()
	f := os.NewFile(uintptr(fd), draft)
	if err = c.Copy(ctx, f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return classify(err)
	}
	if err := sink.Ended(ctx); err != nil {
		return err
	}
	switch err := unix.Linkat(at, draft, int(dir.Fd()), name, 0); {
	case errors.Is(err, fs.ErrExist):
		return err
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS):
		return fault.New(fault.SinkDenied, "linking: %w", err).
			WithHint("the file system seems to have no hard links, which keep objects from being replaced: use another (ext4, XFS, btrfs, ZFS, NFS)")
	case err != nil:
		return classify(fmt.Errorf("linking: %w", err))
	}
	return nil
}

// openTmp opens the tmp folder, made if need be.
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

// adopt links c's own file to its name in dir, if c has one that is on the
// same file system and has no other name yet: what another sink took over
// stays that one's own. The error is fs.ErrExist when the name is taken. When
// there is no such file, or it can't be linked, done is false.
//
// The file is read back while its bytes go to disk: that takes next to no time,
// and a file that a crash has damaged is found out.
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
		return false, nil // another mount, or a rule of the system's
	}
	return true, err
}

// adoptable reports whether dir can have a link to f, and f was made read-only.
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
