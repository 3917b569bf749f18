package fetcher

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
)

// Spool is where a report waits between its download and the last sink that
// takes it. It has a folder for each slot at work:
//
//	<dir>/<source>@<pack>@<due>/    "/" in the pack's key is written as "@"
//	    lock         held (flock) by who works on the slot, in whichever process
//	    ticket.json  the report that was asked for
//	    body         the report, complete once report.json is there
//	    report.json  what was fetched
//	    draft.json   the manifest, the same bytes for every sink and every try
//
// Nothing in it is the truth: lost, the slot is worked on from the beginning.
type Spool struct{ dir string }

// The files of an entry.
const (
	lockFile   = "lock"
	ticketFile = "ticket.json"
	bodyFile   = "body"
	reportFile = "report.json"
	draftFile  = "draft.json"
)

// OpenSpool makes the folder if need be.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, diskFault(fmt.Errorf("making the spool: %w", err))
	}
	return &Spool{dir: dir}, nil
}

// Entry is one slot's folder in the spool, held by this process alone until
// Close or Remove.
type Entry struct {
	dir  string
	lock *os.File
}

// lockPoll is how often Lock looks whether another process has let go.
const lockPoll = 100 * time.Millisecond

// Lock takes the slot's entry, made if need be, and waits while another
// worker or process holds it. The error is fault.Busy when ctx ends first.
func (s *Spool) Lock(ctx context.Context, p Pack, due time.Time) (*Entry, error) {
	name := strings.ReplaceAll(p.Source+"/"+p.Key(), "/", "@") + "@" + due.UTC().Format(stamp)
	for {
		e, err := s.tryLock(filepath.Join(s.dir, name))
		switch {
		case err == nil:
			return e, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist):
			return nil, diskFault(fmt.Errorf("locking the spool entry: %w", err))
		case !fault.Sleep(ctx, lockPoll):
			return nil, fault.New(fault.Busy, "waiting for another worker on the slot: %w", context.Cause(ctx))
		}
	}
}

// tryLock makes the folder and its lock file and takes the lock. A folder that
// its former holder removed meanwhile is fs.ErrNotExist.
func (s *Spool) tryLock(dir string) (*Entry, error) {
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = sameFile(f, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Entry{dir: dir, lock: f}, nil
}

// sameFile returns fs.ErrNotExist when path no longer leads to f.
func sameFile(f *os.File, path string) error {
	held, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(held, now) {
		return fs.ErrNotExist
	}
	return nil
}

// Close lets go of the entry and leaves it for the next try. An entry that
// holds nothing is removed.
func (e *Entry) Close() error {
	if _, err := os.Stat(filepath.Join(e.dir, ticketFile)); errors.Is(err, fs.ErrNotExist) {
		return e.Remove()
	}
	return e.lock.Close()
}

// Remove deletes the entry: the slot is settled. The lock file goes last but
// for the folder, so that nobody else gets in between.
func (e *Entry) Remove() error {
	var errs []error
	for _, name := range []string{draftFile, reportFile, ticketFile, bodyFile, lockFile, ""} {
		if err := os.Remove(filepath.Join(e.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, e.lock.Close())...)
}

// Ticket returns the ticket of an earlier try, if there is one.
func (e *Entry) Ticket() (t Ticket, ok bool) { return t, e.load(ticketFile, &t) }

// SaveTicket keeps the ticket for a later try.
func (e *Entry) SaveTicket(t Ticket) error { return e.save(ticketFile, t) }

// Report returns the finished report, if there is one whose body is on disk
// in full size.
func (e *Entry) Report() (r Report, ok bool) {
	if !e.load(reportFile, &r) {
		return r, false
	}
	fi, err := os.Stat(filepath.Join(e.dir, bodyFile))
	return r, err == nil && fi.Size() == r.Size
}

// SaveReport marks the body as complete.
func (e *Entry) SaveReport(r Report) error { return e.save(reportFile, r) }

// Draft returns the manifest that was drafted for the report, or nil.
func (e *Entry) Draft() []byte {
	b, err := os.ReadFile(filepath.Join(e.dir, draftFile))
	if err != nil {
		return nil
	}
	return b
}

// SaveDraft keeps the manifest for this and every later try.
func (e *Entry) SaveDraft(b []byte) error { return e.write(draftFile, b) }

// Body opens the report's body for reading.
func (e *Entry) Body() (*os.File, error) {
	f, err := os.Open(filepath.Join(e.dir, bodyFile))
	return f, diskFault(err)
}

// Import replaces the body by what r reads, which must have the given size
// and SHA-256 (hex).
func (e *Entry) Import(r io.Reader, size int64, sha256 string) error {
	f, err := e.create()
	if err != nil {
		return err
	}
	d := newDigest()
	n, err := copyBody(f, io.LimitReader(r, size+1), d)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("copying the report: %w", err)
	}
	if got := hex.EncodeToString(d.sha.Sum(nil)); n != size || got != sha256 {
		return fault.New(fault.Damaged, "the copy at hand has %d bytes and SHA-256 %s, not %d and %s", n, got, size, sha256)
	}
	return nil
}

// Sync makes the entry survive a loss of power: body, records, folder.
func (e *Entry) Sync() error {
	for _, name := range []string{bodyFile, ticketFile, reportFile, draftFile, "", ".."} {
		f, err := os.Open(filepath.Join(e.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return diskFault(fmt.Errorf("syncing the spool: %w", err))
		}
	}
	return nil
}

// create opens a new, empty body; whatever was there is no longer complete.
func (e *Entry) create() (*os.File, error) {
	if err := os.Remove(filepath.Join(e.dir, reportFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, diskFault(err)
	}
	f, err := os.OpenFile(filepath.Join(e.dir, bodyFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	return f, diskFault(err)
}

func (e *Entry) load(name string, v any) bool {
	b, err := os.ReadFile(filepath.Join(e.dir, name))
	return err == nil && json.Unmarshal(b, v) == nil
}

func (e *Entry) save(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	return e.write(name, b)
}

// write replaces a file at once: a reader sees the old bytes or the new ones.
func (e *Entry) write(name string, b []byte) error {
	tmp := filepath.Join(e.dir, name+".tmp")
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(e.dir, name))
	}
	return diskFault(err)
}

// Waiting yields the finished reports in the spool: those that a sink has yet
// to take, and those that are being sealed right now.
func (s *Spool) Waiting() iter.Seq[Report] {
	return func(yield func(Report) bool) {
		dirs, _ := os.ReadDir(s.dir) // a spool that can't be read shows as empty here, and as an error where it is used
		for _, d := range dirs {
			e := Entry{dir: filepath.Join(s.dir, d.Name())}
			if r, ok := e.Report(); ok && !yield(r) {
				return
			}
		}
	}
}

// diskFault classifies a failure of the spool's file system.
func diskFault(err error) error {
	if err == nil {
		return nil
	}
	e := &fault.Error{Reason: fault.SinkUnavailable, Err: err}
	return e.WithHint("look at the disk under state_dir: is it full, read-only, or not this user's?")
}
