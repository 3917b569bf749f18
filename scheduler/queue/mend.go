package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"packseal.example/internal/fault"
)

// ErrReopen is what Watch returns when the queue has to be closed and opened
// anew. What is in it stays there.
var ErrReopen = errors.New("the disk under the queue failed and is back")

// watchEvery is how often Watch looks.
const watchEvery = 3 * time.Second

// Watch waits until the disk has failed the engine and takes writes again, and
// returns ErrReopen then: an engine whose store could not be written once does
// not write to it any more. It returns nil when ctx ends.
func (q *JetStream) Watch(ctx context.Context) error {
	if q.engine.server == nil { // servers outside have disks of their own
		<-ctx.Done()
		return nil
	}
	for fault.Sleep(ctx, watchEvery) {
		failed := q.engine.failed.Load() || !q.engine.server.JetStreamEnabled()
		if failed && takesWrites(q.dir) {
			return ErrReopen
		}
	}
	return nil
}

// room is what must fit on the disk to call it well: some of the engine's blocks.
const room = 1 << 20

// takesWrites tries whether a file can be written in dir.
func takesWrites(dir string) bool {
	f, err := os.CreateTemp(dir, "probe-")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, room))
	err = errors.Join(err, f.Sync(), f.Close())
	return errors.Join(err, os.Remove(f.Name())) == nil
}

// ofDisk reports whether the engine complains about its disk, or that it has
// given its store up, as it does some time after the disk has failed it. It
// hands on text only.
func ofDisk(says string) bool {
	if strings.Contains(strings.ToLower(says), "critical write error") {
		return true
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EIO, syscall.EDQUOT, syscall.ESTALE} {
		if strings.Contains(says, errno.Error()) {
			return true
		}
	}
	return false
}

// forgetWork makes an engine on the store in dir hand out every task anew, at
// once, when it is started. Whoever was at work on one is gone with the process
// before, although after a crash the engine would wait for a sign of life. And
// after a loss of power what it kept of who has which task can be torn, or be
// from another time than the tasks: then it would never hand them out.
func forgetWork(dir string) error {
	kept, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", prefix(defaultPrefix).stream(), "obs"))
	for _, k := range kept {
		err = errors.Join(err, os.RemoveAll(k))
	}
	if err != nil {
		return fmt.Errorf("making the queue hand out anew: %w", err)
	}
	return nil
}
