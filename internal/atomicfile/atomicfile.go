// Package atomicfile replaces small files so that a crash or a loss of power
// leaves the old contents or the new ones, never a part.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Write makes data the contents of the file at path, in a folder that exists.
// When it returns nil, they are durable:
//
//	open    <dir>/.<name>.tmp-<random>   O_EXCL: no symbolic link is followed
//	write, fsync, close
//	rename  to <dir>/<name>
//	fsync   <dir>
//
// Of several writers at once, in any process, one wins. A process that is
// killed in between leaves the temporary file behind.
//
// A file that root writes belongs to the folder's owner, so that a daemon that
// runs as that user can read and replace what an administrator wrote.
func Write(path string, data []byte, perm os.FileMode) error {
	return Create(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Create is [Write] of what a function writes. If that fails, the file stays as
// it was.
func Create(path string, perm os.FileMode, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	err = errors.Join(fill(f, dir, perm, write), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

// fill gives the temporary file its owner, mode and contents.
func fill(f *os.File, dir string, perm os.FileMode, write func(io.Writer) error) error {
	if os.Geteuid() == 0 {
		fi, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if owner, ok := fi.Sys().(*syscall.Stat_t); ok {
			if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if err := write(f); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder makes the names in a folder durable. Some network file systems
// keep names durable themselves and refuse to be asked.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = f.Sync(); errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
