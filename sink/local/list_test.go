package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/sink"
)

// recordingFS records the directories that are read.
type recordingFS struct {
	fs.FS
	read []string
}

func (r *recordingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	r.read = append(r.read, name)
	return fs.ReadDir(r.FS, name)
}

// Directories that only hold keys up to after are not read.
func TestListSkips(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, key := range []string{"a/2025/12/x", "a/2026/01/x", "a/2026/02/x", "a/2026/02/y", "a/2026/03/x", "b/2025/12/x"} {
		name := filepath.Join(dir, key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	fsys := &recordingFS{FS: os.DirFS(dir)}
	var keys []string
	w := walk{t.Context(), fsys, "a/2026/02/x", func(e sink.Entry, err error) bool {
		keys = append(keys, e.Key)
		return err == nil
	}}
	if err := w.dir("a", ""); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a/2026/02/y", "a/2026/03/x"}, keys); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a", "a/2026", "a/2026/02", "a/2026/03"}, fsys.read); d != "" {
		t.Error(d)
	}
}

// What fsck has found is not the archive's.
func TestLostAndFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, key := range []string{"lost+found/#12", "prod/lost+found"} {
		name := filepath.Join(dir, key)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	w := walk{t.Context(), os.DirFS(dir), "", func(e sink.Entry, err error) bool {
		keys = append(keys, e.Key)
		return err == nil
	}}
	if err := w.dir(".", ""); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"prod/lost+found"}, keys); d != "" {
		t.Error(d)
	}
}
