package queue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"packseal.example/internal/fault"
)

// lock takes the folder for this process. Two engines in one folder would
// destroy each other's files. The lock is the kernel's and goes with the
// process, however that ends; the file itself stays.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the queue's folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
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
