package local

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// openDir opens the directory as a sink.
func openDir(t testing.TB, dir string) sink.Sink {
	t.Helper()
	s, err := (&Options{Dir: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(t *testing.T) sink.Sink { return openDir(t, filepath.Join(t.TempDir(), "new", "archive")) })
}

var x = sink.Bytes([]byte("x"))

func mustPut(t testing.TB, s sink.Sink, key string) {
	t.Helper()
	if err := s.Put(t.Context(), key, x); err != nil {
		t.Fatal(err)
	}
}

// list returns the keys and the error that ended the list.
func list(t testing.TB, s sink.Sink, prefix string) (keys []string, last error) {
	t.Helper()
	for e, err := range s.List(t.Context(), prefix, "") {
		if last = err; err == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys, last
}

func TestModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "archive")
	mustPut(t, openDir(t, dir), "a/k")
	for name, want := range map[string]fs.FileMode{"": 0o750 | fs.ModeDir, "a": 0o750 | fs.ModeDir, ".tmp": 0o700 | fs.ModeDir, "a/k": 0o444} {
		fi, err := os.Stat(filepath.Join(dir, name))
		// The umask may remove bits, but none may be added.
		if err != nil || fi.Mode()&^want != 0 || fi.Mode().Type() != want.Type() {
			t.Errorf("%q: got %v, %v; want %v", name, fi.Mode(), err, want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, tmp)); err != nil || len(left) > 0 {
		t.Errorf("left in .tmp: %v, %v", left, err)
	}
}

// Links, pipes and hidden files are not objects, and are left alone.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir)
	mustPut(t, s, "k")
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.WriteFile(outside, []byte("x"), 0o600),
		os.WriteFile(filepath.Join(dir, ".nfs01"), []byte("x"), 0o600),
		os.Symlink(outside, filepath.Join(dir, "out")),
		os.Symlink("k", filepath.Join(dir, "in")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := list(t, s, ""); err != nil || !cmp.Equal(keys, []string{"k"}) {
		t.Errorf("got %q, %v", keys, err)
	}
	for _, key := range []string{"out", "in", "pipe"} {
		if _, err := s.Open(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open %s: %v", key, err)
		}
		if err := s.Put(t.Context(), key, x); fault.Of(err) != fault.Conflict {
			t.Errorf("Put %s: %v", key, err)
		}
	}
}

// Files left by a crash are removed after a day.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, tmp), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "new": 23 * time.Hour} {
		name = filepath.Join(dir, tmp, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(name, nil, 0o444), os.Chtimes(name, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	openDir(t, dir)
	left, err := os.ReadDir(filepath.Join(dir, tmp))
	if err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, problems := range map[string]int{"": 1, file: 1, filepath.Dir(file): 0, file + "s/new": 0} {
		o := &Options{Dir: dir}
		if p := o.Check(); len(p) != problems {
			t.Errorf("%q: %v", dir, p)
		}
		if _, err := o.Open(t.Context()); (err != nil) != (problems > 0) {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

// spying looks at the temporary file while its content is read.
type spying struct {
	*strings.Reader
	look func()
}

func (s spying) ReadAt(b []byte, off int64) (int, error) {
	s.look()
	return s.Reader.ReadAt(b, off)
}

// TestWritableUntilWritten: a file is made read-only once it is written, since SMB
// servers let nobody write one that was made so; the umask decides nothing.
func TestWritableUntilWritten(t *testing.T) {
	t.Parallel()
	dir, text := t.TempDir(), "report"
	var during []fs.FileMode
	c := sink.Content{Size: int64(len(text)), SHA256: sha256.Sum256([]byte(text)), ReaderAt: spying{strings.NewReader(text), func() {
		files, _ := os.ReadDir(filepath.Join(dir, tmp))
		for _, f := range files {
			if fi, err := f.Info(); err == nil {
				during = append(during, fi.Mode())
			}
		}
	}}}
	if err := openDir(t, dir).Put(t.Context(), "a/k", c); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(filepath.Join(dir, "a/k"))
	if err != nil || fi.Mode() != 0o444 || len(during) == 0 || during[0] != 0o600 {
		t.Errorf("%v while it is written, then %v, %v", during, fi.Mode(), err)
	}
}
