package diag

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
)

// Writable checks that a file can be stored in dir, by creating one and
// removing it again.
func Writable(check, dir string) Result {
	f, err := os.CreateTemp(dir, ".packseal-doctor-*")
	if err == nil {
		_, err = f.WriteString("packseal doctor\n")
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return Fail(check, fault.Wrap(fault.SinkUnavailable, fmt.Errorf("writing a file: %w", err))).
			WithHint("make %s writable for the user that packseal runs as, and check that its file system is neither full nor read-only", dir)
	}
	return OK(check, "%s is writable", dir)
}

// Free returns how many bytes are free for this user on the file system of dir;
// without a free inode, none.
func Free(dir string) (bytes int64, err error) {
	free, _, err := space(dir)
	return free, err
}

// space returns the free bytes, and whether it lacks inodes for them.
func space(dir string) (free int64, full bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false, fault.Wrap(fault.SinkUnavailable, fmt.Errorf("checking free space in %s: %w", dir, err))
	}
	if s.Files > 0 && s.Ffree == 0 { // some file systems have no inode count
		return 0, true, nil
	}
	return int64(min(s.Bavail*uint64(s.Bsize), 1<<62)), false, nil
}

// OtherOwner returns the owner of dir, or of the folder that it would be made in,
// if that is another user while we are root: what root writes there, that user
// might not be able to read.
func OtherOwner(dir string) (uid uint32, other bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	for ; ; dir = filepath.Dir(dir) {
		var s unix.Stat_t
		err := unix.Stat(dir, &s)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		return s.Uid, err == nil && s.Uid != 0
	}
}

// FreeSpace checks that the file system of dir has at least need bytes and one inode
// free.
func FreeSpace(check, dir string, need int64) Result {
	free, full, err := space(dir)
	switch {
	case err != nil:
		return Fail(check, err)
	case full:
		return Fail(check, fault.New(fault.SinkUnavailable, "%s has no free inode", dir).WithHint("delete files"))
	case free < need:
		return Fail(check, fault.New(fault.SinkUnavailable, "%s has %s free, less than %s", dir, size(free), size(need)).WithHint("free up space"))
	}
	return OK(check, "%s has %s free", dir, size(free))
}

// size formats a number of bytes for people.
func size(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
