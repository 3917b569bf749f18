//go:build scale

package scale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// slotDir is the folder of a pack's slot.
func (r *rig) slotDir(i int) string {
	return filepath.Join(r.archive, r.source(i), packID(i), r.due.Format("2006/01"), r.due.Format("20060102T150405Z"))
}

// check compares the archive with what was to be done: of each pack one slot,
// sealed, with its one whole report, and nothing else. It returns when the last
// slot was sealed.
func (r *rig) check(t *testing.T) (last time.Time) {
	t.Helper()
	for i := range r.packs {
		dir := r.slotDir(i)
		sealed, err := checkSlot(dir, packID(i))
		if err != nil {
			t.Errorf("%s: %v", packID(i), err)
		}
		if sealed.After(last) {
			last = sealed
		}
		if slots, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(slots) != 1 {
			t.Errorf("%s has %d slots: %v", packID(i), len(slots), err)
		}
	}
	packs, err := filepath.Glob(filepath.Join(r.archive, "*", "*"))
	packs = slices.DeleteFunc(packs, func(path string) bool { return filepath.Base(filepath.Dir(path)) == "packseal-ledger" })
	if err != nil || len(packs) != r.packs {
		t.Errorf("%d packs in the archive: %v", len(packs), err)
	}
	if _, asked := r.calls(); asked != r.packs {
		t.Errorf("%d reports were asked for, for %d slots", asked, r.packs)
	}
	return last
}

// checkSlot checks one slot's folder, and returns when the slot was sealed.
func checkSlot(dir, pack string) (sealed time.Time, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return sealed, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return sealed, err
	}
	var m struct {
		Object, Pack string
		Size         int64
		Sealed       time.Time
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return sealed, err
	}
	report, err := os.Stat(filepath.Join(dir, m.Object))
	switch {
	case err != nil:
		return sealed, err
	case m.Pack != pack || m.Size != reportSize || report.Size() != reportSize:
		return sealed, fmt.Errorf("report of %d bytes, manifest %s", report.Size(), raw)
	case len(files) != 2: // a gap, or a second report
		return sealed, fmt.Errorf("%d files: %v", len(files), files)
	}
	return m.Sealed, nil
}

// pending are the packs that are not sealed yet, of those given. Once a number
// of them is not, it takes the others for the same: to look at all would take
// the processor from what is measured.
func (r *rig) pending(packs []int) (left []int) {
	const enough = 100
	for i, pack := range packs {
		if len(left) == enough {
			return append(left, packs[i:]...)
		}
		if _, err := os.Stat(filepath.Join(r.slotDir(pack), "manifest.json")); err != nil {
			left = append(left, pack)
		}
	}
	return left
}

// taken is the room that a folder takes on the disk.
func taken(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return bytes
}
