package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// examine returns the results of Examine, also in brief.
func examine(t *testing.T, s sink.Sink) (string, []diag.Result) {
	t.Helper()
	results := sink.Examine(t.Context(), s)
	var brief []string
	for _, r := range results {
		brief = append(brief, r.Mark()+r.Check)
	}
	return strings.Join(brief, " "), results
}

// Examine leaves one file, however often it runs.
func TestExamine(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "archive")
	for range 3 {
		if got, results := examine(t, openDir(t, dir)); got != "✓put ✓read-back ✓list ✓write-once ✓no-replace ✓free-space" {
			t.Errorf("%+v", results)
		}
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) != 1 || files[0] != filepath.Join(dir, sink.ProbeKey("")) {
		t.Errorf("left: %q, %v", files, err)
	}
}

// A directory that cannot be written is detected although the probe exists.
func TestExamineFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir)
	examine(t, s)
	tmpDir := filepath.Join(dir, tmp)
	if err := errors.Join(os.RemoveAll(tmpDir), os.WriteFile(tmpDir, nil, 0o600)); err != nil { // no file can be created there, not even by root
		t.Fatal(err)
	}
	got, results := examine(t, s)
	if got != "✓put ✓read-back ✓list ✓write-once ✗no-replace ✓free-space" {
		t.Errorf("%+v", results)
	}
}

func TestExamineAltered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir)
	examine(t, s)
	name := filepath.Join(dir, sink.ProbeKey(""))
	if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte("x"), 0o444)); err != nil {
		t.Fatal(err)
	}
	if got, results := examine(t, s); got != "✗put" || results[0].Reason != fault.Conflict {
		t.Errorf("%+v", results)
	}
}

// Root writes nothing to a directory of another user, who could not read it.
func TestExamineAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	theirs := t.TempDir()
	if err := os.Chown(theirs, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{theirs, filepath.Join(theirs, "new", "archive")} {
		got, results := examine(t, openDir(t, dir))
		if got != "–put" || !strings.Contains(results[0].Detail, "user 12345") || results[0].Hint == "" {
			t.Errorf("%s: %+v", dir, results)
		}
	}
	if left, err := os.ReadDir(theirs); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
