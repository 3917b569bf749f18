// Package flock locks files between processes with flock(2). A lock ends when
// its file is closed, and with the process, however that ends. Two opens in one
// process exclude each other as well.
package flock

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("the file is locked")

// A File is open and locked.
type File struct{ *os.File }

// Close releases the lock and closes the file. A process that is being started
// has the descriptor until it runs its program: to close it would not do.
func (f *File) Close() error {
	return errors.Join(flock(f.File, syscall.LOCK_UN), f.File.Close())
}

// TryLock opens the file, created with mode 0600 if it does not exist, and
// locks it exclusively; closing it releases the lock. The error is ErrLocked
// when somebody else holds it. The file that is returned is the one that path
// leads to: a holder may remove it before closing it.
func TryLock(path string) (*File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err = exclude(f); err == nil {
			var gone bool
			if gone, err = removed(f); err == nil && !gone {
				return &File{f}, nil
			}
		}
		(&File{f}).Close()
		if err != nil {
			return nil, err
		}
	}
}

// Lock is TryLock that waits for its turn, however long that takes.
func Lock(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = flock(f, syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f}, nil
}

// exclude locks an open file. It tries for some milliseconds, since [Locked]
// takes the lock for an instant.
func exclude(f *os.File) error {
	for try := range 3 {
		if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(time.Duration(try) * 10 * time.Millisecond)
	}
	return ErrLocked
}

// removed reports whether f's path no longer leads to f.
func removed(f *os.File) (bool, error) {
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && !os.SameFile(held, now), err
}

// Locked reports whether somebody holds the lock. It changes nothing: a file
// that does not exist is not locked, and is not created.
func Locked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer (&File{f}).Close()
	if err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

func flock(f *os.File, how int) error {
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return nil
}
