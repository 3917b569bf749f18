package local

import (
	"os"
	"path/filepath"
	"testing"

	"packseal.example/sink/sinktest"
)

// TestDelete: objects go, directories and what is no object stay.
func TestDelete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := (&Options{Dir: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sinktest.Deletes(t, s)
	if err := s.(*Sink).DeleteObject(t.Context(), "d/a"); err == nil {
		t.Error("a directory was removed")
	}
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := s.(*Sink).DeleteObject(t.Context(), "link/file"); err == nil {
		t.Error("a link was followed")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
