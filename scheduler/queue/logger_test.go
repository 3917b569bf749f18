package queue

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// TestWatch: the queue is to be reopened when its server has logged that the
// disk failed, and for nothing else.
func TestWatch(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	q.timing.DiskCheck = 20 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- q.Watch(t.Context()) }()
	q.stream.serverLog.Errorf("JetStream failed to store a msg on stream '%s': %v", "packseal", errors.New("a limit is reached"))
	select {
	case err := <-ended:
		t.Fatalf("without a failure of the disk it ends: %v", err)
	case <-time.After(20 * q.timing.DiskCheck):
	}
	q.stream.serverLog.Errorf("JetStream failed to store a msg on stream '%s': write 1.blk: %v", "packseal", syscall.ENOSPC)
	if err := receive(t, ended); !errors.Is(err, ErrReopen) {
		t.Errorf("got %v", err)
	}
}

// TestDiskFailure: what the server logs when its disk failed, and when it has
// given its store up for that.
func TestDiskFailure(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]bool{
		"JetStream failed to store a msg on stream '$G > packseal': a limit is reached":                   false,
		"JetStream failed to store a msg on stream '$G > packseal': write 1.blk: no space left on device": true,
		"JetStream stream '$G > packseal' critical write error: lmb missing":                              true,
		"Filestore [packseal] Critical write error: lmb missing":                                          true,
	} {
		if got := isDiskFailure(says); got != want {
			t.Errorf("%q: got %t", says, got)
		}
	}
}

// TestWritable: only a folder that can be written to is well.
func TestWritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if !isWritable(dir) || isWritable(dir+"/gone") {
		t.Error("a folder is well, one that is not there is not")
	}
}
