package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
)

// TestQueueReopens: a queue whose disk failed and is back is opened again, with
// what it holds and the sources that were set, and nobody else needs to know.
func TestQueueReopens(t *testing.T) {
	t.Parallel()
	s := &queueService{options: queue.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}, registries: newRegistries()}
	task := scheduler.Task{Slot: evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Unix(0, 0).UTC()}, Deadline: time.Now().Add(time.Hour)}
	if err := s.Publish(t.Context(), task); fault.Of(err) != fault.NotReady {
		t.Errorf("before it is open: %v", err)
	}
	if err := s.SetSources(t.Context(), map[string]int{"prod": 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := s.queue
	if err := s.Publish(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	got, ended := make(chan scheduler.Task, 1), make(chan error, 1)
	var reopened atomic.Bool
	go func() {
		ended <- s.run(ctx, func(_ context.Context, task scheduler.Task) time.Duration {
			if now, err := s.get(); err != nil || now == first {
				return time.Millisecond
			}
			got <- task
			return 0
		}, func(ctx context.Context, _ *queue.JetStream) error {
			if !reopened.Swap(true) {
				return queue.ErrReopen
			}
			<-ctx.Done()
			return nil
		})
	}()
	select {
	case task := <-got:
		if task.Pack != "cp-1" {
			t.Errorf("got %s", task.ID())
		}
	case <-time.After(time.Minute):
		t.Error("what the queue held is gone")
	}
	if now, err := s.get(); err != nil || now == first {
		t.Errorf("the queue was not opened again: %v", err)
	}
	if _, err := s.registries.Gather(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.closeLast(); err != nil {
		t.Error(err)
	}
}
