package fetcher

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Entry is one slot's place in the spool, held by this process alone until
// Close or Remove.
type Entry struct {
	base    string   // the path of its files, without their extensions
	file    *os.File // the state's; the lock is on it
	state   state
	removed bool
}

// state is what was reached so far.
type state struct {
	Ticket *Ticket `json:"ticket,omitempty"` // the report that was asked for
	Report *Report `json:"report,omitempty"` // what was fetched
	Draft  string  `json:"draft,omitempty"`  // the manifest, the same bytes for every sink and every try
}

// maxState bounds a state's line, in bytes: several times what a ticket, a
// report and a manifest take.
const maxState = 1 << 20

// readState reads the state's one line. One that does not parse was cut short
// by a crash, and is worth nothing; nor is one that is too long to be ours.
func readState(f io.Reader) (s state, err error) {
	b, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return s, err
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	if !whole || json.Unmarshal(line, &s) != nil {
		return state{}, nil
	}
	s.upgrade(line)
	return s, nil
}

// upgrade sets the slots of a state as spools had it at first: the pack as an
// object, and the due time beside it.
func (s *state) upgrade(line []byte) {
	type slot struct {
		Pack struct{ Source, ID, Aggregator string }
		Due  time.Time
	}
	var old struct{ Ticket, Report slot }
	if s.Ticket == nil || s.Ticket.Slot != (evidence.Slot{}) || json.Unmarshal(line, &old) != nil {
		return
	}
	of := func(o slot) evidence.Slot {
		return evidence.PackRef{Source: o.Pack.Source, ID: o.Pack.ID, Aggregator: o.Pack.Aggregator}.Slot(o.Due)
	}
	s.Ticket.Slot = of(old.Ticket)
	if s.Report != nil {
		s.Report.Slot = of(old.Report)
	}
}

// save writes the state over what is there. Whoever reads it meanwhile may see
// a line that does not parse.
func (e *Entry) save() error {
	b, err := json.Marshal(e.state)
	if err != nil {
		return fmt.Errorf("encoding a spool entry: %w", err)
	}
	_, err = e.file.WriteAt(append(b, '\n'), 0)
	return diskFault(err)
}

// Close lets go of the entry and leaves it for the next try. An entry that
// holds nothing is removed. After Remove it does nothing.
func (e *Entry) Close() error {
	switch {
	case e.removed:
		return nil
	case e.state.Ticket == nil:
		return e.Remove()
	}
	return e.file.Close()
}

// Remove deletes the entry: the slot is settled. The file with the lock goes
// last, so that nobody else gets in between.
func (e *Entry) Remove() error {
	e.removed = true
	return errors.Join(removed(os.Remove(e.base+bodyExt)), removed(os.Remove(e.base+stateExt)), e.file.Close())
}

// removed is the error of a removal, unless nothing was there.
func removed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return diskFault(err)
}

// Ticket returns the ticket of an earlier try, if there is one.
func (e *Entry) Ticket() (t Ticket, ok bool) {
	if e.state.Ticket == nil {
		return t, false
	}
	return *e.state.Ticket, true
}

// SaveTicket keeps the ticket for a later try.
func (e *Entry) SaveTicket(t Ticket) error {
	e.state.Ticket = &t
	return e.save()
}

// Report returns the finished report, if there is one whose body is on disk
// in full size.
func (e *Entry) Report() (r Report, ok bool) {
	if e.state.Report == nil {
		return r, false
	}
	fi, err := os.Stat(e.base + bodyExt)
	return *e.state.Report, err == nil && fi.Size() == e.state.Report.Size
}

// SaveReport marks the body as complete.
func (e *Entry) SaveReport(r Report) error {
	e.state.Report = &r
	return e.save()
}

// Draft returns the manifest that was drafted for the report, or "".
func (e *Entry) Draft() string { return e.state.Draft }

// SaveDraft keeps the manifest for this and every later try.
func (e *Entry) SaveDraft(manifest string) error {
	e.state.Draft = manifest
	return e.save()
}

// Discard forgets the report, which turned out not to be whole: it is fetched
// again.
func (e *Entry) Discard() error {
	e.state.Report, e.state.Draft = nil, ""
	return e.save()
}

// Body opens the report's body for reading.
func (e *Entry) Body() (*os.File, error) {
	f, err := os.Open(e.base + bodyExt)
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

// Sync makes the entry survive a loss of power: body, state, their names.
func (e *Entry) Sync() error {
	for _, name := range []string{e.base + bodyExt, e.base + stateExt, filepath.Dir(e.base)} {
		f, err := os.Open(name)
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
	if e.state.Report != nil {
		if err := e.Discard(); err != nil {
			return nil, err
		}
	}
	if err := removed(os.Remove(e.base + bodyExt)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(e.base+bodyExt, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return f, diskFault(err)
}
