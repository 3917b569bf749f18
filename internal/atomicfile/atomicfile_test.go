package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, want := range []string{"one", "a second, longer one", ""} {
		if err := Write(path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o640 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
}

// TestWriters: whoever reads while several write gets one of the contents whole.
func TestWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	contents := func(n int) []byte { return bytes.Repeat([]byte{byte('a' + n)}, 1000*(n+1)) }
	var writing sync.WaitGroup
	for n := range 4 {
		writing.Go(func() {
			for range 20 {
				if err := Write(path, contents(n), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		got, err := os.ReadFile(path)
		if os.IsNotExist(err) && open {
			continue
		}
		if err != nil || len(got) == 0 || !bytes.Equal(got, contents(int(got[0]-'a'))) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
}

// TestFailure: what can't be replaced stays, and nothing is left beside it.
func TestFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
	if err := Write(filepath.Join(dir, "missing", "state.json"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is missing: %v", err)
	}
}

// TestOwner: what root writes belongs to the folder's owner, and a link in the
// file's place is replaced, not followed.
func TestOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, 23456); err != nil {
		t.Fatal(err)
	}
	aim := filepath.Join(t.TempDir(), "aim")
	path := filepath.Join(dir, "state.json")
	if err := os.Symlink(aim, path); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(aim); !os.IsNotExist(err) {
		t.Errorf("the link was followed: %v", err)
	}
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := fi.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 {
		t.Errorf("it belongs to %d:%d", owner.Uid, owner.Gid)
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
