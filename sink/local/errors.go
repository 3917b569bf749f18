package local

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"packseal.example/internal/fault"
)

// notExist reports whether there is no such file, or a parent of it is a file
// and not a directory.
func notExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// hint returns what to do about an error of the file system.
func hint(err error) string {
	for _, h := range []struct {
		errno syscall.Errno
		hint  string
	}{
		{syscall.ENOSPC, "the file system is full: free up space"},
		{syscall.EDQUOT, "the quota is exhausted: raise it or free up space"},
		{syscall.EROFS, "the file system is read-only: find the cause in the kernel log, then remount it read-write"},
		{syscall.EIO, "the disk or network storage is failing: see the kernel log"},
		{syscall.ESTALE, "the network file system was replaced: remount it"},
		{syscall.EACCES, "make the directory writable for the user that packseal runs as"},
		{syscall.EPERM, "make the directory writable for the user that packseal runs as"},
		{syscall.EXDEV, "keep the whole directory on one file system"},
	} {
		if errors.Is(err, h.errno) {
			return h.hint
		}
	}
	return ""
}

// classify gives an error of the file system its reason: SinkDenied if a retry
// cannot succeed, and SinkUnavailable otherwise. It returns nil and errors that
// are classified already as they are.
func classify(err error) error {
	if _, done := errors.AsType[*fault.Error](err); err == nil || done {
		return err
	}
	reason := fault.SinkUnavailable
	for _, errno := range []syscall.Errno{
		syscall.EACCES, syscall.EPERM, syscall.EXDEV, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ, syscall.EFBIG, syscall.ELOOP,
	} {
		if errors.Is(err, errno) {
			reason = fault.SinkDenied
		}
	}
	// A missing directory must not pass for a missing object.
	return fault.New(reason, "%w", &systemError{err}).WithHint("%s", hint(err))
}

// rootError classifies an error of opening or creating the sink's directory.
func rootError(dir string, err error) error {
	err = classify(fmt.Errorf("opening the sink's directory: %w", err))
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Hint == "" {
		_ = e.WithHint("check that %s exists, is a directory and is mounted", dir)
	}
	return err
}

// systemError is an error of the file system that is never fs.ErrNotExist.
type systemError struct{ err error }

// Error implements error.
func (e *systemError) Error() string { return e.err.Error() }

// Is reports whether the error is target, except for fs.ErrNotExist.
func (e *systemError) Is(target error) bool {
	return target != fs.ErrNotExist && errors.Is(e.err, target)
}
