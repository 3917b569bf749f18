package local

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"packseal.example/internal/fault"
)

// notExist reports whether err says that there is no such file, also because
// what would have to be a folder of it is a file.
func notExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// hint says what to do about errors of the file system.
func hint(err error) string {
	for _, h := range []struct {
		errno syscall.Errno
		hint  string
	}{
		{syscall.ENOSPC, "the file system is full: make room"},
		{syscall.EDQUOT, "the quota is used up: raise it or make room"},
		{syscall.EROFS, "the file system is read-only: look for the reason in the kernel's log, then mount it writable"},
		{syscall.EIO, "the disk or the network storage fails: look into the kernel's log"},
		{syscall.ESTALE, "the network file system was replaced: mount it again"},
		{syscall.EACCES, "let the user that packseal runs as write in the folder"},
		{syscall.EPERM, "let the user that packseal runs as write in the folder"},
		{syscall.EXDEV, "keep the whole folder on one file system"},
	} {
		if errors.Is(err, h.errno) {
			return h.hint
		}
	}
	return ""
}

// classify gives an error of the file system its reason. What the file system
// may yet take is SinkUnavailable, what it never will SinkDenied. An error
// that was classified already stays as it is, and so does nil.
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
	// The chain is cut, lest a missing folder pass for a missing object.
	return fault.New(reason, "%w", &systemError{err}).WithHint("%s", hint(err))
}

// gone classifies the error of opening or making the sink's own folder.
func gone(dir string, err error) error {
	err = classify(fmt.Errorf("opening the sink's folder: %w", err))
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Hint == "" {
		_ = e.WithHint("see that %s is there, is a folder and is mounted", dir)
	}
	return err
}

// systemError is an error of the file system that is no fs.ErrNotExist.
type systemError struct{ err error }

// Error implements error.
func (e *systemError) Error() string { return e.err.Error() }

// Is passes on what the error is, but for the one thing that it must not be.
func (e *systemError) Is(target error) bool {
	return target != fs.ErrNotExist && errors.Is(e.err, target)
}
