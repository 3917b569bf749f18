package flock

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func TestTryLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if locked, err := Locked(path); locked || err != nil {
		t.Errorf("a file that is missing: %v, %v", locked, err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("asking made the file: %v", err)
	}
	f, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	if locked, err := Locked(path); !locked || err != nil {
		t.Errorf("while it is held: %v, %v", locked, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if locked, err := Locked(path); locked || err != nil {
		t.Errorf("after it was released: %v, %v", locked, err)
	}
	if f, err = TryLock(path); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := TryLock(filepath.Join(path, "in a file")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("where no file can be: %v", err)
	}
}

// TestRemoved: holders that remove the file before they release it exclude one
// another all the same.
func TestRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	var holders, taken int
	var mu sync.Mutex
	count := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		holders += n
		return holders
	}
	var trying sync.WaitGroup
	for range 4 {
		trying.Go(func() {
			for range 25 {
				f, err := TryLock(path)
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if n := count(1); n != 1 {
					t.Errorf("%d hold the lock", n)
				}
				mu.Lock()
				taken++
				mu.Unlock()
				count(-1)
				if err := errors.Join(os.Remove(path), f.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	trying.Wait()
	if taken == 0 {
		t.Error("nobody had the lock")
	}
}

// TestChild: a child process that has the file as well does not prolong the lock,
// be it that it was given the file or that it was being started.
func TestChild(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	f, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), "cat")
	child.ExtraFiles = []*os.File{f.File}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if locked, err := Locked(path); locked || err != nil {
		t.Errorf("released while a child lives: %v, %v", locked, err)
	}
	if err := errors.Join(stdin.Close(), child.Wait()); err != nil {
		t.Error(err)
	}
}

// TestLocked: asking whether a lock is held keeps nobody from taking it.
func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	for range 100 {
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := Locked(path); err != nil {
				t.Error(err)
			}
		})
		f, err := TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		asking.Wait()
		f.Close()
	}
}
