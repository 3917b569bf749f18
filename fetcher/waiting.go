package fetcher

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"packseal.example/internal/evidence"
)

// longestName is what file systems let a file's name have, in bytes, less
// what the extensions take.
const longestName = 255 - len(stateExt)

// entryName is the name of a slot's files, without their extensions. Where
// source and pack are too long for a name, a hash stands for their end:
//
//	<the beginning of source@pack>~<32 hex digits>@<due>
//
// No "~" is in a name of a configuration.
func entryName(s evidence.Slot) string {
	of, at := strings.ReplaceAll(s.Source+"/"+s.Pack, "/", "@"), "@"+s.Due.UTC().Format(evidence.DueFormat)
	if len(of)+len(at) > longestName {
		sum := sha256.Sum256([]byte(of))
		at = "~" + hex.EncodeToString(sum[:16]) + at
		of = of[:longestName-len(at)]
	}
	return of + at
}

// parseEntry is entryName the other way round.
func parseEntry(name string) (s evidence.Slot, ok bool) {
	source, rest, _ := strings.Cut(name, "@")
	at := max(0, strings.LastIndex(rest, "@"))
	due, err := time.Parse(evidence.DueFormat, strings.TrimPrefix(rest[at:], "@"))
	s = evidence.Slot{Source: source, Pack: strings.ReplaceAll(rest[:at], "@", "/"), Due: due}
	return s, err == nil && !strings.Contains(name, "~") && entryName(s) == name
}

// slotOf returns whose slot the files of that name are: by the name, or, where
// that was too long to say it, by the ticket. One that was left without a
// ticket then is nobody's, until its slot is worked on again.
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

// Waiting yields the finished reports in the spool: those that a sink has yet
// to take, and those that are being sealed right now.
func (s *Spool) Waiting() iter.Seq[Report] {
	return func(yield func(Report) bool) {
		files, _ := os.ReadDir(s.dir) // a spool that can't be read shows as empty here, and as an error where it is used
		for _, file := range files {
			base, ok := strings.CutSuffix(filepath.Join(s.dir, file.Name()), stateExt)
			if !ok {
				continue
			}
			f, err := os.Open(base + stateExt)
			if err != nil {
				continue // settled meanwhile
			}
			e := Entry{base: base}
			e.state, err = readState(f)
			f.Close() //nolint:errcheck // read only
			if r, ok := e.Report(); ok && err == nil && !yield(r) {
				return
			}
		}
	}
}

// Unfinished yields the slots whose entries hold no finished report: those at
// work or between two tries, and those that somebody left behind.
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
			finished[name] = true // its other file is not another slot
			if slot, ok := s.slotOf(name); ok && !yield(slot) {
				return
			}
		}
	}
}

// Idle returns for how long nothing was written to the entry.
func (e *Entry) Idle() time.Duration {
	fi, err := e.file.Stat()
	if err != nil {
		return 0
	}
	return time.Since(fi.ModTime())
}
