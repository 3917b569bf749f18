package fetcher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
)

// Spool holds reports from their download until every sink has stored them. There
// are two files for each slot in progress:
//
//	<dir>/<source>@<pack>@<due>.json   the state, one line of JSON; locked (flock)
//	                                   by the worker, across processes
//	<dir>/<source>@<pack>@<due>.body   the report; complete once the state has it
//
// "/" in the pack's key is written as "@", and the end of names that are too long
// is replaced by a hash. The spool is a cache: if an entry is lost or damaged by
// a crash, the slot starts over. A body is replaced and never modified, because a
// sink may have linked the file.
type Spool struct{ dir string }

const (
	stateExt = ".json"
	bodyExt  = ".body"
)

// OpenSpool creates the directory if it does not exist.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, diskFault(fmt.Errorf("creating the spool: %w", err))
	}
	return &Spool{dir: dir}, nil
}

// ReadSpool returns the spool in a directory, for reading alone. One that does not
// exist, or may not be read, is empty.
func ReadSpool(dir string) *Spool { return &Spool{dir: dir} }

// lockPoll is how often Lock tries to take a lock that another worker holds.
const lockPoll = 100 * time.Millisecond

// Lock returns the slot's entry, new or existing, and waits while another worker
// or process holds it. The error is fault.Busy if ctx ends first.
func (s *Spool) Lock(ctx context.Context, slot evidence.Slot) (*Entry, error) {
	name := entryName(slot)
	for {
		e, err := openEntry(filepath.Join(s.dir, name))
		switch {
		case err == nil:
			return e, nil
		case !errors.Is(err, flock.ErrLocked):
			return nil, diskFault(fmt.Errorf("locking the spool entry: %w", err))
		case !fault.Sleep(ctx, lockPoll):
			return nil, fault.New(fault.Busy, "waiting for another worker of the slot: %w", context.Cause(ctx))
		}
	}
}

// maxName is the length that file systems allow for a name, in bytes, without the
// extension.
const maxName = 255 - len(stateExt)

// entryName returns the name of a slot's files without extension. If source and
// pack are too long, their end is replaced by a hash:
//
//	<beginning of source@pack>~<32 hex digits>@<due>
//
// Names in a configuration do not contain "~".
func entryName(s evidence.Slot) string {
	of, at := strings.ReplaceAll(s.Source+"/"+s.Pack, "/", "@"), "@"+s.Due.UTC().Format(evidence.DueFormat)
	if len(of)+len(at) > maxName {
		sum := sha256.Sum256([]byte(of))
		at = "~" + hex.EncodeToString(sum[:16]) + at
		of = of[:maxName-len(at)]
	}
	return of + at
}

// openEntry locks the state file, creating it if needed, and reads the state.
func openEntry(base string) (*Entry, error) {
	f, err := flock.TryLock(base + stateExt)
	if err != nil {
		return nil, err
	}
	e := &Entry{base: base, file: f}
	if e.state, err = readState(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return e, nil
}

// diskFault classifies an error of the spool's file system.
func diskFault(err error) error {
	if err == nil {
		return nil
	}
	e := &fault.Error{Reason: fault.SinkUnavailable, Err: err}
	return e.WithHint("check that the file system of state_dir is not full or read-only, and that packseal's user owns the spool")
}
