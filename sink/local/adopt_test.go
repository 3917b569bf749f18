package local

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// filed returns content in a file of its own, as the spool does.
func filed(t *testing.T, dir string, b []byte) sink.Content {
	t.Helper()
	name := filepath.Join(dir, "body")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // read only
	c := sink.Bytes(b)
	c.ReaderAt, c.File = f, name
	return c
}

// inode returns the number, mode and link count of the file.
func inode(t *testing.T, name string) (ino uint64, mode os.FileMode, links uint64) {
	t.Helper()
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	return st.Ino, fi.Mode().Perm(), uint64(st.Nlink)
}

// A file on the same file system becomes the object of the first sink. A second
// sink writes a copy, so that damage to one file does not affect both.
func TestAdopt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := filed(t, dir, bytes.Repeat([]byte("report"), 20000))
	for _, name := range []string{"one", "two"} {
		s := openDir(t, filepath.Join(dir, name))
		for range 2 { // the second Put finds it
			if err := s.Put(t.Context(), "a/b/k", c); err != nil {
				t.Fatal(err)
			}
		}
	}
	body, _, _ := inode(t, c.File)
	one, mode, links := inode(t, filepath.Join(dir, "one", "a/b/k"))
	if one != body || mode != 0o444 || links != 2 {
		t.Errorf("the first sink has inode %d (the file's is %d), mode %o, %d names; want the file's own, 444, 2", one, body, mode, links)
	}
	if two, mode, links := inode(t, filepath.Join(dir, "two", "a/b/k")); two == body || mode != 0o444 || links != 1 {
		t.Errorf("the second sink has inode %d (the file's is %d), mode %o, %d names; want a copy", two, body, mode, links)
	}
}

// A file on another file system is copied.
func TestAdoptOtherFileSystem(t *testing.T) {
	t.Parallel()
	c := filed(t, mount(t, 1<<20), []byte("elsewhere"))
	dir := t.TempDir()
	if err := openDir(t, dir).Put(t.Context(), "k", c); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "k")); err != nil || string(b) != "elsewhere" {
		t.Errorf("got %q, %v", b, err)
	}
}

// A file that a crash has truncated or altered is refused. If it was removed,
// the content is read from the open file.
func TestAdoptDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"altered": func(path string) error { return os.WriteFile(path, []byte("reporT"), 0o600) },
		"cut":     func(path string) error { return os.Truncate(path, 3) },
	} {
		dir := t.TempDir()
		c := filed(t, dir, []byte("report"))
		if err := damage(c.File); err != nil {
			t.Fatal(err)
		}
		s := openDir(t, filepath.Join(dir, "archive"))
		if err := s.Put(t.Context(), "k", c); fault.Of(err) != fault.Damaged {
			t.Errorf("%s: got %v, want Damaged", name, err)
		}
		if keys, err := list(t, s, ""); err != nil || len(keys) > 0 {
			t.Errorf("%s: the sink holds %q, %v", name, keys, err)
		}
	}
	dir := t.TempDir()
	c := filed(t, dir, []byte("report"))
	if err := os.Remove(c.File); err != nil {
		t.Fatal(err)
	}
	if err := openDir(t, filepath.Join(dir, "archive")).Put(t.Context(), "k", c); err != nil {
		t.Error(err)
	}
}
