package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"packseal.example/internal/fault"
)

// lockName is the file in the queue's folder that is locked.
const lockName = "lock"

// lock takes the folder for this process. Two engines in one folder would
// destroy each other's files. The lock is the kernel's and goes with the
// process, however that ends; the file itself stays.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the queue's folder: %w", err)
	}
	for try := range 3 { // Running takes it for an instant
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(time.Duration(try) * 10 * time.Millisecond)
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(fault.Busy, "another process uses the queue in %s", dir).
			WithHint("one daemon a state_dir: stop the other one, or give this one a state_dir of its own")
	}
	return nil, fmt.Errorf("locking the queue's folder: %w", err)
}

// Running reports whether a process uses the queue in dir. It changes nothing,
// and takes the lock, where it is free, for an instant.
func Running(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the queue's lock: %w", err)
	}
	defer f.Close()
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("looking at the queue's lock: %w", err)
	}
	return false, nil
}
