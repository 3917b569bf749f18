package fetcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Spool is where a report waits between its download and the last sink that
// takes it. It has two files for each slot at work:
//
//	<dir>/<source>@<pack>@<due>.json   what was reached so far, in one line;
//	                                   held (flock) by who works on the slot, in whichever process
//	<dir>/<source>@<pack>@<due>.body   the report, complete once the line says so
//
// "/" in the pack's key is written as "@", and a hash stands for the end of
// what is too long for a file's name. Nothing in the spool is the truth:
// lost, or torn by a crash, the slot is worked on from the beginning. A body is
// never written to again, because a sink may have taken the very file over; a
// new one takes its place.
type Spool struct{ dir string }

const (
	stateExt = ".json"
	bodyExt  = ".body"
)

// OpenSpool makes the folder if need be.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, diskFault(fmt.Errorf("making the spool: %w", err))
	}
	return &Spool{dir: dir}, nil
}

// lockPoll is how often Lock looks whether another process has let go.
const lockPoll = 100 * time.Millisecond

// Lock takes the slot's entry, made if need be, and waits while another
// worker or process holds it. The error is fault.Busy when ctx ends first.
func (s *Spool) Lock(ctx context.Context, slot evidence.Slot) (*Entry, error) {
	name := entryName(slot)
	for {
		e, err := tryLock(filepath.Join(s.dir, name))
		switch {
		case err == nil:
			return e, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, errGone):
			return nil, diskFault(fmt.Errorf("locking the spool entry: %w", err))
		case !fault.Sleep(ctx, lockPoll):
			return nil, fault.New(fault.Busy, "waiting for another worker on the slot: %w", context.Cause(ctx))
		}
	}
}

// errGone is what a lock is worth on a file that its former holder removed.
var errGone = errors.New("the entry was removed")

// tryLock makes the state's file, takes the lock, and reads what is there.
func tryLock(base string) (*Entry, error) {
	f, err := os.OpenFile(base+stateExt, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = sameFile(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	e := &Entry{base: base, file: f}
	if e.state, err = readState(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return e, nil
}

// sameFile returns errGone when f's path no longer leads to f.
func sameFile(f *os.File) error {
	held, err := f.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(f.Name()); err != nil || !os.SameFile(held, now) {
		return errGone
	}
	return nil
}

// diskFault classifies a failure of the spool's file system.
func diskFault(err error) error {
	if err == nil {
		return nil
	}
	e := &fault.Error{Reason: fault.SinkUnavailable, Err: err}
	return e.WithHint("look at the disk under state_dir: is it full, read-only, or not this user's?")
}
