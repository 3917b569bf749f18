package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// wantAll fails the test unless each operation fails with that reason and a
// hint, and not with fs.ErrNotExist.
func wantAll(t *testing.T, s sink.Sink, reason fault.Reason) {
	t.Helper()
	_, oerr := s.Open(t.Context(), "k")
	_, lerr := list(t, s, "")
	for op, err := range map[string]error{"Put": s.Put(t.Context(), "k", x), "Open": oerr, "List": lerr} {
		if fault.Of(err) != reason || fault.Hint(err) == "" || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v (%s), want %s with a hint", op, err, fault.Of(err), reason)
		}
	}
}

// A directory that disappears is not created again, and is used again when it
// is back.
func TestUnmounted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "archive")
	s := openDir(t, dir)
	mustPut(t, s, "k")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	wantAll(t, s, fault.SinkUnavailable)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was created again: %v", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "k")
	if keys, err := list(t, s, ""); err != nil || !cmp.Equal(keys, []string{"k"}) {
		t.Errorf("got %q, %v", keys, err)
	}
}

// A directory that cannot be created at first is created when it can be.
func TestCreatedLater(t *testing.T) {
	t.Parallel()
	parent := filepath.Join(t.TempDir(), "parent")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openDir(t, filepath.Join(parent, "archive"))
	wantAll(t, s, fault.SinkUnavailable)
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "k")
}

// There cannot be an object and a directory of the same name.
func TestObjectOrDirectory(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir())
	mustPut(t, s, "a")
	mustPut(t, s, "b/c")
	for _, key := range []string{"a/b", "a/b/c", "b"} {
		if err := s.Put(t.Context(), key, x); fault.Of(err) != fault.Conflict {
			t.Errorf("Put %s: %v", key, err)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for errno, want := range map[error]fault.Reason{
		syscall.ENOSPC: fault.SinkUnavailable, syscall.EROFS: fault.SinkUnavailable, syscall.EDQUOT: fault.SinkUnavailable,
		syscall.EIO: fault.SinkUnavailable, syscall.ESTALE: fault.SinkUnavailable, syscall.EMFILE: fault.SinkUnavailable,
		syscall.EACCES: fault.SinkDenied, syscall.EPERM: fault.SinkDenied, syscall.ENAMETOOLONG: fault.SinkDenied,
		fault.New(fault.Conflict, "x"): fault.Conflict,
	} {
		err := classify(&fs.PathError{Op: "write", Path: "p", Err: errno})
		if fault.Of(err) != want || !errors.Is(err, errno) {
			t.Errorf("%v: got %v (%s), want %s", errno, err, fault.Of(err), want)
		}
	}
	if classify(nil) != nil {
		t.Error("nil became an error")
	}
}

// mount mounts a tmpfs of that size for the test.
func mount(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatalf("mounting a tmpfs: %v", err)
		}
		t.Skipf("mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A full file system stores nothing, not even a part, until there is space.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := mount(t, 1<<20)
	s := openDir(t, dir)
	mustPut(t, s, "k")
	large := sink.Bytes(bytes.Repeat([]byte("x"), 2<<20))
	err := s.Put(t.Context(), "large", large)
	if fault.Of(err) != fault.SinkUnavailable || !errors.Is(err, syscall.ENOSPC) || fault.Hint(err) == "" {
		t.Errorf("got %v (%s), want SinkUnavailable with a hint", err, fault.Of(err))
	}
	mustPut(t, s, "k")
	mustPut(t, s, "l")
	if keys, err := list(t, s, ""); err != nil || !cmp.Equal(keys, []string{"k", "l"}) {
		t.Errorf("got %q, %v", keys, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tmp)); err != nil || len(left) > 0 {
		t.Errorf("left in .tmp: %v, %v", left, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=8388608"); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "large", large); err != nil {
		t.Error(err)
	}
}

// A read-only file system can be read, and a Put of what it holds succeeds.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := mount(t, 1<<20)
	s := openDir(t, dir)
	mustPut(t, s, "a/k")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a/k")
	if keys, err := list(t, s, ""); err != nil || !cmp.Equal(keys, []string{"a/k"}) {
		t.Errorf("got %q, %v", keys, err)
	}
	for _, key := range []string{"l", "a/l", "new/l"} {
		if err := s.Put(t.Context(), key, x); fault.Of(err) != fault.SinkUnavailable || !errors.Is(err, syscall.EROFS) || fault.Hint(err) == "" {
			t.Errorf("%s: got %v (%s), want SinkUnavailable with a hint", key, err, fault.Of(err))
		}
	}
}
