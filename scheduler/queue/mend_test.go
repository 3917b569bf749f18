package queue

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// TestWatch: an engine that has complained of its disk is to be opened anew,
// and no other is.
func TestWatch(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	ended := make(chan error, 1)
	go func() { ended <- q.Watch(t.Context()) }()
	logger{q.log, &q.engine.failed}.Errorf("JetStream failed to store a msg on stream '%s': %v", "packseal", errors.New("a limit is reached"))
	select {
	case err := <-ended:
		t.Fatalf("without a failure of the disk it ends: %v", err)
	case <-time.After(watchEvery + time.Second):
	}
	logger{q.log, &q.engine.failed}.Errorf("JetStream failed to store a msg on stream '%s': write 1.blk: %v", "packseal", syscall.ENOSPC)
	if err := receive(t, ended); !errors.Is(err, ErrReopen) {
		t.Errorf("got %v", err)
	}
}

// TestTakesWrites: only a folder that can be written to is well.
func TestTakesWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if !takesWrites(dir) || takesWrites(dir+"/gone") {
		t.Error("a folder is well, one that is not there is not")
	}
}
