package queue

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	lab.Parallel(16)
	// A stream that nats-server 2.15.3 is creating while it shuts down is not
	// stopped: its store's loop stays, with the clock that stores share.
	const server = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction(server+".(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction(server+"/ats.Register.func1"))
}

var due = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

// task is the pack's slot that many hours after due.
func task(pack string, hours int) scheduler.Task {
	slot := evidence.Slot{Source: "prod", Pack: pack, Due: due.Add(time.Duration(hours) * time.Hour)}
	return scheduler.Task{Slot: slot, Deadline: slot.Due.Add(2 * time.Hour)}
}

// open opens the queue in dir and returns it with its registry. It is closed
// when the test ends, if it was not before.
func open(t testing.TB, dir string) (*JetStream, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	q, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	setSources(t, q, 1)
	return q, reg
}

// setSources sets the sources "prod" and "test", both with the same limit.
func setSources(t testing.TB, q *JetStream, limit int) {
	t.Helper()
	if err := q.SetSources(t.Context(), map[string]int{"prod": limit, "test": limit}); err != nil {
		t.Fatal(err)
	}
}

// publish publishes tasks, each of which must be taken.
func publish(t testing.TB, q *JetStream, tasks ...scheduler.Task) {
	t.Helper()
	for _, task := range tasks {
		if err := q.Publish(t.Context(), task); err != nil {
			t.Fatalf("%s: %v", task.ID(), err)
		}
	}
}

// work works with n workers a source, and returns what ends it and waits.
func work(t testing.TB, q *JetStream, n int, handle Handler) (stop func()) {
	t.Helper()
	setSources(t, q, n)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx, handle) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// receive returns the next value, and fails when none comes.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// into is a handler that sends what it is handed to ch and settles it.
func into(ch chan<- scheduler.Task) Handler {
	return func(_ context.Context, t scheduler.Task) time.Duration {
		ch <- t
		return 0
	}
}

// empty waits until the queue holds nothing of the packs.
func empty(t testing.TB, q *JetStream, packs ...string) {
	t.Helper()
	for _, pack := range packs {
		lab.Eventually(t, pack+" has left the queue", func() bool {
			_, held, err := q.Held(t.Context(), "prod", pack)
			return err == nil && !held
		})
	}
}
