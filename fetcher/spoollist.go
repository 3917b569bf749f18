package fetcher

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"packseal.example/internal/evidence"
)

// parseEntry is the inverse of entryName, for names without a hash.
func parseEntry(name string) (s evidence.Slot, ok bool) {
	source, rest, _ := strings.Cut(name, "@")
	at := max(0, strings.LastIndex(rest, "@"))
	due, err := time.Parse(evidence.DueFormat, strings.TrimPrefix(rest[at:], "@"))
	s = evidence.Slot{Source: source, Pack: strings.ReplaceAll(rest[:at], "@", "/"), Due: due}
	return s, err == nil && !strings.Contains(name, "~") && entryName(s) == name
}

// slotOf returns the slot of the files with that name: from the name or, if that
// has a hash, from the ticket. Without a ticket, it is unknown.
func (s *Spool) slotOf(name string) (slot evidence.Slot, ok bool) {
	if slot, ok = parseEntry(name); ok {
		return slot, true
	}
	f, err := os.Open(filepath.Join(s.dir, name+stateExt))
	if err != nil {
		return slot, false
	}
	defer f.Close() //nolint:errcheck // read only
	state, err := readState(f)
	if err != nil || state.Ticket == nil {
		return slot, false
	}
	return state.Ticket.Slot, entryName(state.Ticket.Slot) == name
}

// Waiting yields the reports in the spool whose download is complete: those that
// are being sealed, and those that a sink has not stored yet.
func (s *Spool) Waiting() iter.Seq[Report] {
	return func(yield func(Report) bool) {
		files, _ := os.ReadDir(s.dir) // an unreadable spool is empty here, and an error in Lock
		for _, file := range files {
			if name, ok := strings.CutSuffix(file.Name(), stateExt); ok {
				if r, ok := s.report(name); ok && !yield(r) {
					return
				}
			}
		}
	}
}

// Report returns the slot's report if the spool holds it, whoever has its entry.
func (s *Spool) Report(slot evidence.Slot) (r Report, ok bool) {
	r, ok = s.report(entryName(slot))
	return r, ok && r.Slot == slot
}

// report returns the report of the files with that name, if its download is complete.
func (s *Spool) report(name string) (r Report, ok bool) {
	e := Entry{base: filepath.Join(s.dir, name)}
	f, err := os.Open(e.base + stateExt)
	if err != nil {
		return r, false // removed meanwhile
	}
	defer f.Close() //nolint:errcheck // read only
	if e.state, err = readState(f); err != nil {
		return r, false
	}
	return e.Report()
}

// Unfinished yields the slots of entries without a complete report: those in
// progress, those between two tries, and those that were left behind.
func (s *Spool) Unfinished() iter.Seq[evidence.Slot] {
	return func(yield func(evidence.Slot) bool) {
		finished := make(map[string]bool)
		for r := range s.Waiting() {
			finished[entryName(r.Slot)] = true
		}
		files, _ := os.ReadDir(s.dir) // as in Waiting
		for _, file := range files {
			name := strings.TrimSuffix(file.Name(), filepath.Ext(file.Name()))
			if finished[name] {
				continue
			}
			finished[name] = true // skip the other file of the entry
			if slot, ok := s.slotOf(name); ok && !yield(slot) {
				return
			}
		}
	}
}
