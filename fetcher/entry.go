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
	"packseal.example/internal/flock"
)

// Entry is the spool entry of a slot. The process holds its lock until Close or
// Remove.
type Entry struct {
	base    string      // path of the files without extension
	file    *flock.File // the state file, which is locked
	state   state
	removed bool
}

// state is the progress of a slot.
type state struct {
	Ticket *Ticket `json:"ticket,omitempty"` // the requested report
	Report *Report `json:"report,omitempty"` // the complete report
	Draft  string  `json:"draft,omitempty"`  // the manifest, identical for all sinks and tries

	Evaluation *Evaluation `json:"evaluation,omitempty"` // before the request; nil if there is none
}

// maxState is the size limit of a state, in bytes: several times that of a
// ticket, a report and a manifest.
const maxState = 1 << 20

// readState reads the state. It returns the zero state if the line is too long or
// does not parse, because a crash interrupted the write.
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

// upgrade reads the slots from the old format, in which the pack was an object
// and the due time a field of its own.
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

// save overwrites the state. A concurrent reader may see a line that does not
// parse.
func (e *Entry) save() error {
	b, err := json.Marshal(e.state)
	if err != nil {
		return fmt.Errorf("encoding a spool entry: %w", err)
	}
	_, err = e.file.WriteAt(append(b, '\n'), 0)
	return diskFault(err)
}

// Close releases the entry for the next try. It removes an entry that has neither
// ticket nor report, nor an evaluation. After Remove, it does nothing.
func (e *Entry) Close() error {
	switch {
	case e.removed:
		return nil
	case e.state.Ticket == nil && e.state.Report == nil && e.state.Evaluation == nil:
		return e.Remove()
	}
	return e.file.Close()
}

// Remove deletes and releases the entry of a slot that is settled. It deletes the
// locked file last, so that no other worker takes the entry in between.
func (e *Entry) Remove() error {
	e.removed = true
	return errors.Join(removed(os.Remove(e.base+bodyExt)), removed(os.Remove(e.base+stateExt)), e.file.Close())
}

// removed returns the error of a removal, unless the file did not exist.
func removed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return diskFault(err)
}

// Ticket returns the ticket of an earlier try, if any.
func (e *Entry) Ticket() (t Ticket, ok bool) {
	if e.state.Ticket == nil {
		return t, false
	}
	return *e.state.Ticket, true
}

// SaveTicket saves the ticket for later tries.
func (e *Entry) SaveTicket(t Ticket) error {
	e.state.Ticket = &t
	return e.save()
}

// restoreTicket saves the ticket that there was before, or none.
func (e *Entry) restoreTicket(t *Ticket) error {
	e.state.Ticket = t
	return e.save()
}

// Report returns the complete report, if there is one whose body has the right
// size on disk.
func (e *Entry) Report() (r Report, ok bool) {
	if e.state.Report == nil {
		return r, false
	}
	fi, err := os.Stat(e.base + bodyExt)
	return *e.state.Report, err == nil && fi.Size() == e.state.Report.Size
}

// SaveReport saves the report, which marks the body as complete.
func (e *Entry) SaveReport(r Report) error {
	e.state.Report = &r
	return e.save()
}

// Draft returns the manifest that was saved for the report, or "".
func (e *Entry) Draft() string { return e.state.Draft }

// SaveDraft saves the manifest for this and all later tries.
func (e *Entry) SaveDraft(manifest string) error {
	e.state.Draft = manifest
	return e.save()
}

// Discard drops the report, because its body is damaged, so that it is fetched
// again.
func (e *Entry) Discard() error {
	e.state.Report, e.state.Draft = nil, ""
	return e.save()
}

// Body opens the body for reading.
func (e *Entry) Body() (*os.File, error) {
	f, err := os.Open(e.base + bodyExt)
	return f, diskFault(err)
}

// Import replaces the body with the content of r, which must have that size and
// SHA-256 (hex).
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
		return fault.New(fault.Damaged, "the copy has %d bytes and SHA-256 %s, not %d and %s", n, got, size, sha256)
	}
	return nil
}

// Sync syncs the entry to disk: body, state, and their names.
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

// create creates a new, empty body in place of an existing one.
func (e *Entry) create() (*os.File, error) {
	if e.state.Report != nil {
		if err := e.Discard(); err != nil {
			return nil, err
		}
	}
	if err := removed(os.Remove(e.base + bodyExt)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(e.base+bodyExt, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return f, diskFault(err)
}

// Idle returns how long ago the entry was last written to.
func (e *Entry) Idle() time.Duration {
	fi, err := e.file.Stat()
	if err != nil {
		return 0
	}
	return time.Since(fi.ModTime())
}
