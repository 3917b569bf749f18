package lab

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

// Slot is a pack of Source, after its account group's ID if it has one, and a
// due time as the folders of an archive are named.
type Slot struct{ Pack, Due string }

// dueForm is the form of a slot's due time in an archive.
const dueForm = "20060102T150405Z"

// SlotAt is a pack's slot of that time.
func SlotAt(pack string, due time.Time) Slot { return Slot{pack, due.UTC().Format(dueForm)} }

// At is the slot's due time.
func (s Slot) At() time.Time {
	t, _ := time.Parse(dueForm, s.Due)
	return t
}

// End is how a slot ended: with a manifest or as a gap, but not both.
type End struct {
	Sealed   *Manifest
	Gap      string // its reason
	Recorded time.Time
}

// Manifest is as much of manifest.json as is compared with the rest.
type Manifest struct {
	Object, Pack, SHA256 string
	Size                 int64
	Due, Created, Sealed time.Time
}

// Archive is what a folder of the layout holds, read as an auditor would.
type Archive struct {
	Slots   map[Slot]End
	Orphans int      // reports without a manifest: allowed, but counted
	Wrong   []string // what must not be

	dirs map[Slot]string
}

// ReadArchive reads a folder of the layout, at whatever depth, and checks each
// slot by itself: no manifest without its whole object, none of a report from
// before the slot fell due, no slot with two ends.
func ReadArchive(dir string) Archive {
	a := ReadRecords(dir)
	for s, e := range a.Slots {
		if e.Sealed != nil {
			a.compare(s, *e.Sealed)
		}
	}
	return a
}

// ReadRecords is ReadArchive without the reports themselves.
func ReadRecords(dir string) Archive {
	a := Archive{Slots: make(map[Slot]End), dirs: make(map[Slot]string)}
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
			// …/prod/[<account group>/]<pack>/<yyyy>/<mm>/<due>
			_, pack, _ := strings.Cut(filepath.Dir(filepath.Dir(filepath.Dir(path))), "/"+Source+"/")
			a.read(Slot{pack, d.Name()}, path)
		}
		return nil
	})
	if err != nil {
		a.blame("walking: %v", err)
	}
	return a
}

func (a *Archive) blame(format string, args ...any) {
	a.Wrong = append(a.Wrong, fmt.Sprintf(format, args...))
}

// read takes in one slot's folder.
func (a *Archive) read(s Slot, dir string) {
	var e End
	files, err := filepath.Glob(dir + "/report-*")
	if err != nil {
		a.blame("%v: %v", s, err)
	}
	a.Orphans += len(files)
	if raw, err := os.ReadFile(dir + "/manifest.json"); err == nil {
		e.Sealed = new(Manifest)
		if err := json.Unmarshal(raw, e.Sealed); err != nil {
			a.blame("%v: its manifest: %v", s, err)
		}
		a.Orphans--
	}
	if raw, err := os.ReadFile(dir + "/gap.json"); err == nil {
		var g struct {
			Reason   string
			Recorded time.Time
		}
		if err := json.Unmarshal(raw, &g); err != nil || g.Reason == "" {
			a.blame("%v: its gap record %q: %v", s, raw, err)
		}
		e.Gap, e.Recorded = g.Reason, g.Recorded
	}
	if e.Sealed != nil && e.Gap != "" {
		a.blame("%v is sealed and a gap", s)
	}
	if e.Sealed != nil || e.Gap != "" {
		a.Slots[s], a.dirs[s] = e, dir
	}
}

// compare compares a manifest with its slot and its object.
func (a *Archive) compare(s Slot, m Manifest) {
	if m.Pack != filepath.Base(s.Pack) || !m.Due.Equal(s.At()) {
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

// Sealed counts the slots that are sealed.
func (a Archive) Sealed() (n int) {
	for _, e := range a.Slots {
		if e.Sealed != nil {
			n++
		}
	}
	return n
}

// ByPack counts the slots of each pack by how they ended.
func (a Archive) ByPack() (sealed, gaps map[string]int) {
	sealed, gaps = make(map[string]int), make(map[string]int)
	for s, e := range a.Slots {
		if e.Sealed != nil {
			sealed[s.Pack]++
		} else {
			gaps[s.Pack]++
		}
	}
	return sealed, gaps
}

// Check fails the test for all that is wrong in the archive.
func (a Archive) Check(t testing.TB) {
	t.Helper()
	for _, w := range a.Wrong {
		t.Error(w)
	}
}
