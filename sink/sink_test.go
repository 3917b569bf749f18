package sink_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

func TestReadAllHasALimit(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	if err := m.Put(t.Context(), "k", sink.Bytes([]byte("four"))); err != nil {
		t.Fatal(err)
	}
	if b, err := sink.ReadAll(t.Context(), m, "k", 4); err != nil || string(b) != "four" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := sink.ReadAll(t.Context(), m, "k", 3); fault.Of(err) != fault.Damaged {
		t.Errorf("got %v, want Damaged", err)
	}
	if _, err := sink.ReadAll(t.Context(), m, "l", 3); !errors.Is(err, fs.ErrNotExist) || fault.Of(err) != fault.NotFound {
		t.Errorf("got %v, want fs.ErrNotExist and NotFound", err)
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	if err := sink.Ended(t.Context()); err != nil {
		t.Errorf("going on: %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := sink.Ended(late); fault.Of(err) != fault.Deadline {
		t.Errorf("late: %v", err)
	}
	why := errors.New("shutting down")
	stopped, stop := context.WithCancelCause(t.Context())
	stop(why)
	if err := sink.Ended(stopped); fault.Of(err) != fault.Canceled || !errors.Is(err, why) {
		t.Errorf("stopped: %v", err)
	}
}
