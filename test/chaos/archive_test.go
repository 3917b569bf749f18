//go:build chaos

package chaos

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slot is a pack and a due time, as the folders of the archive are named.
type slot struct{ pack, due string }

// at is the slot's due time.
func (s slot) at() time.Time {
	t, _ := time.Parse(dueForm, s.due)
	return t
}

const dueForm = "20060102T150405Z"

// end is how a slot ended: both fields at once is wrong.
type end struct {
	sealed   *manifest
	gap      string // its reason,
	recorded time.Time
	due      time.Time // where it is taken out of its archive
}

// manifest is as much of manifest.json as is held against the rest.
type manifest struct {
	Object, Pack, SHA256 string
	Size                 int64
	Due, Created, Sealed time.Time
}

// archive is what a folder holds.
type archive struct {
	slots   map[slot]end
	dirs    map[slot]string
	orphans int // reports without a manifest: allowed, but counted
	wrong   []string
}

// readArchive reads a folder of the layout and checks each slot by itself: no
// manifest without its whole object, none of a report from before the slot fell
// due, no slot with two ends.
func readArchive(dir string) archive {
	a := readRecords(dir)
	for s, e := range a.slots {
		if e.sealed != nil {
			a.compare(s, *e.sealed)
		}
	}
	return a
}

// readRecords is readArchive without the reports themselves.
func readRecords(dir string) archive {
	a := archive{slots: make(map[slot]end), dirs: make(map[slot]string)}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a draft, or nothing yet
		}
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == ".tmp" {
			return fs.SkipDir
		}
		if _, err := time.Parse(dueForm, d.Name()); err == nil {
			// …/prod/[<aggregator>/]<pack>/<yyyy>/<mm>/<due>
			_, pack, _ := strings.Cut(filepath.Dir(filepath.Dir(filepath.Dir(path))), "/prod/")
			a.read(slot{pack, d.Name()}, path)
		}
		return nil
	})
	if err != nil {
		a.blame("walking: %v", err)
	}
	return a
}

func (a *archive) blame(format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// read takes in one slot's folder.
func (a *archive) read(s slot, dir string) {
	var e end
	files, err := filepath.Glob(dir + "/report-*")
	if err != nil {
		a.blame("%v: %v", s, err)
	}
	if raw, err := os.ReadFile(dir + "/manifest.json"); err == nil {
		e.sealed = new(manifest)
		if err := json.Unmarshal(raw, e.sealed); err != nil {
			a.blame("%v: its manifest: %v", s, err)
		}
		a.orphans += len(files) - 1
	} else {
		a.orphans += len(files)
	}
	if raw, err := os.ReadFile(dir + "/gap.json"); err == nil {
		var g struct {
			Reason   string
			Recorded time.Time
		}
		if err := json.Unmarshal(raw, &g); err != nil || g.Reason == "" {
			a.blame("%v: its gap record %q: %v", s, raw, err)
		}
		e.gap, e.recorded = g.Reason, g.Recorded
	}
	if e.sealed != nil && e.gap != "" {
		a.blame("%v is sealed and a gap", s)
	}
	if e.sealed != nil || e.gap != "" {
		a.slots[s], a.dirs[s] = e, dir
	}
}

// compare holds a manifest against its slot and its object.
func (a *archive) compare(s slot, m manifest) {
	if m.Pack != filepath.Base(s.pack) || !m.Due.Equal(s.at()) {
		a.blame("%v: its manifest is of %s, %v", s, m.Pack, m.Due)
	}
	if m.Created.Before(m.Due) {
		a.blame("%v: stale: made %v", s, m.Created)
	}
	body, err := os.ReadFile(filepath.Join(a.dirs[s], m.Object))
	sum := sha256.Sum256(body)
	if err != nil || int64(len(body)) != m.Size || hex.EncodeToString(sum[:]) != m.SHA256 {
		a.blame("%v: its object is not what the manifest says: %d bytes, %v", s, len(body), err)
	}
}

// sealed counts the slots that are.
func (a archive) sealed() (n int) {
	for _, e := range a.slots {
		if e.sealed != nil {
			n++
		}
	}
	return n
}

// byPack counts the slots of each pack by how they ended.
func (a archive) byPack() (sealed, gaps map[string]int) {
	sealed, gaps = make(map[string]int), make(map[string]int)
	for s, e := range a.slots {
		if e.sealed != nil {
			sealed[s.pack]++
		} else {
			gaps[s.pack]++
		}
	}
	return sealed, gaps
}

// check fails the test for all that is wrong in the archive.
func (a archive) check(t *testing.T) {
	t.Helper()
	for _, w := range a.wrong {
		t.Error(w)
	}
}

// spooled counts a state folder's spool entries by how far they have come.
func spooled(state string) map[string]int {
	n := make(map[string]int)
	files, _ := filepath.Glob(filepath.Join(state, "spool", "*.json"))
	for _, f := range files {
		raw, _ := os.ReadFile(f)
		var s struct {
			Ticket, Report json.RawMessage
			Draft          string
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		_ = json.Unmarshal([]byte(line), &s)
		switch {
		case s.Draft != "":
			n["drafted"]++
		case s.Report != nil:
			n["fetched"]++
		case s.Ticket != nil:
			n["asked"]++
		default:
			n["empty"]++
		}
	}
	return n
}

// clears waits until the spool holds nothing: an entry goes after its slot's end
// is recorded.
func (p *process) clears() {
	p.t.Helper()
	p.eventually(10*time.Second, func() string {
		if files, err := os.ReadDir(filepath.Join(p.w.dir, "state", "spool")); err != nil || len(files) > 0 {
			return fmt.Sprintf("%v in the spool, %v", files, err)
		}
		return ""
	})
}

// emptySpool fails the test when a file is left in the spool.
func emptySpool(t *testing.T, state string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(state, "spool"))
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if f.Name() == "lost+found" {
			continue // the file system's own
		}
		t.Errorf("%s stays in the spool", f.Name())
	}
}
