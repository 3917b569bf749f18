package queue

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
	"packseal.example/internal/flock"
	"packseal.example/scheduler/replica"
)

// lockPath is the file in the queue's folder that is locked. Two servers in one
// folder would destroy each other's files.
func lockPath(dir string) string { return filepath.Join(dir, "lock") }

// lock takes the folder for this process.
func lock(dir string) (*flock.File, error) {
	f, err := flock.TryLock(lockPath(dir))
	if errors.Is(err, flock.ErrLocked) {
		return nil, fault.New(fault.Busy, "another process uses the queue in %s", dir).
			WithHint("one daemon a state_dir: stop the other one, or give this one a state_dir of its own")
	}
	if err != nil {
		return nil, fmt.Errorf("locking the queue's folder: %w", err)
	}
	return f, nil
}

// Running reports whether a process uses the queue in dir. It changes nothing.
func Running(dir string) (bool, error) {
	running, err := flock.Locked(lockPath(dir))
	if err != nil {
		return false, fmt.Errorf("checking the queue's lock: %w", err)
	}
	return running, nil
}

// memberName returns this replica's name in the queue: that of its host, or the
// one that is configured, and a random word of its own. It is the same after each
// restart, and another one for each folder. One that can't be saved lasts until
// the restart: the others then see one replica leave and a new one join.
func memberName(dir, configured string, log *slog.Logger) (string, error) {
	path := filepath.Join(dir, "member")
	kept, err := os.ReadFile(path)
	word := strings.TrimSpace(string(kept))
	if err != nil || len(word) < 8 || word != replica.Token(word) {
		word = strings.ToLower(rand.Text()[:8])
		if err := atomicfile.Write(path, []byte(word+"\n"), 0o600); err != nil {
			log.Warn("replica name not saved", "file", path, "err", err)
		}
	}
	host, err := os.Hostname()
	if configured == "" && err != nil {
		return "", fmt.Errorf("naming this replica: %w", err)
	}
	return cmp.Or(configured, host) + "." + word, nil
}

// probeBytes is what must fit on the disk for it to count as well: some of the
// server's blocks.
const probeBytes = 1 << 20

// isWritable tries whether a file can be written in dir.
func isWritable(dir string) bool {
	f, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, probeBytes))
	err = errors.Join(err, f.Sync(), f.Close())
	return errors.Join(err, os.Remove(f.Name())) == nil
}
