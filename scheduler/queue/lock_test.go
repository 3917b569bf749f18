package queue

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

// Running tells whether the lock is held, and does not keep others from it.
func TestRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	is := func(want bool) {
		t.Helper()
		if got, err := Running(dir); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	is(false)
	f, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	is(true)
	if _, err := lock(dir); fault.Of(err) != fault.Busy {
		t.Errorf("locked twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	is(false)
	if _, err := Running(filepath.Join(dir, "lock")); err == nil {
		t.Error("a file passes for a folder")
	}
}

// A daemon that starts while Running looks is not turned away.
func TestLockBesideRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		looking, err := os.Create(filepath.Join(dir, lockName))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Flock(int(looking.Fd()), syscall.LOCK_SH); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Millisecond, func() { looking.Close() })
		f, err := lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	})
}
