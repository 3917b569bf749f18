//go:build scale

package scale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// check holds the archive against what was to be done: of each pack one slot,
// sealed, with its one whole report, and nothing else.
func (w *place) check(t *testing.T) {
	t.Helper()
	stamp := w.due.Format("20060102T150405Z")
	for i := range w.packs {
		dir := filepath.Join(w.archive, w.source(i), packID(i), w.due.Format("2006/01"))
		if err := checkSlot(filepath.Join(dir, stamp), packID(i)); err != nil {
			t.Errorf("%s: %v", packID(i), err)
		}
		if slots, err := os.ReadDir(dir); err != nil || len(slots) != 1 {
			t.Errorf("%s has %d slots: %v", packID(i), len(slots), err)
		}
	}
	if packs, err := filepath.Glob(filepath.Join(w.archive, "*", "*")); err != nil || len(packs) != w.packs {
		t.Errorf("%d packs in the archive: %v", len(packs), err)
	}
	if _, asked := w.calls(); asked != w.packs {
		t.Errorf("%d reports were asked for, for %d slots", asked, w.packs)
	}
}

// checkSlot checks one slot's folder.
func checkSlot(dir, pack string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	var m struct {
		Object, Pack string
		Size         int64
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	report, err := os.Stat(filepath.Join(dir, m.Object))
	switch {
	case err != nil:
		return err
	case m.Pack != pack || m.Size != reportSize || report.Size() != reportSize:
		return fmt.Errorf("report of %d bytes, manifest %s", report.Size(), raw)
	case len(files) != 2: // a gap, or a second report
		return fmt.Errorf("%d files: %v", len(files), files)
	}
	return nil
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
