package diag

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
)

// Writable looks whether a file can be kept in the folder, by keeping one for
// a moment.
func Writable(check, dir string) Result {
	f, err := os.CreateTemp(dir, ".packseal-doctor-*")
	if err == nil {
		_, err = f.WriteString("packseal doctor\n")
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return Fail(check, fault.Wrap(fault.SinkUnavailable, fmt.Errorf("writing a file: %w", err))).
			WithHint("let the user that packseal runs as write in %s, and see that its disk is neither full nor read-only", dir)
	}
	return OK(check, "%s can be written", dir)
}

// Room looks whether the file system of the folder has so many bytes free,
// and a file to spare.
func Room(check, dir string, need int64) Result {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Fail(check, fault.Wrap(fault.SinkUnavailable, fmt.Errorf("looking for room in %s: %w", dir, err)))
	}
	free := s.Bavail * uint64(s.Bsize)
	switch {
	case free < uint64(need):
		return Fail(check, fault.New(fault.SinkUnavailable, "%s has %s free, less than %s", dir, size(free), size(uint64(need))).WithHint("make room"))
	case s.Files > 0 && s.Ffree == 0: // some file systems count no files
		return Fail(check, fault.New(fault.SinkUnavailable, "%s has no inode free", dir).WithHint("delete files"))
	}
	return OK(check, "%s has %s free", dir, size(free))
}

// size writes a number of bytes as people read it.
func size(n uint64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
