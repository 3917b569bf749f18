package queue

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"packseal.example/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var due = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

// task is the pack's slot that many hours after due.
func task(pack string, hours int) scheduler.Task {
	slot := scheduler.Slot{Source: "prod", Pack: pack, Due: due.Add(time.Duration(hours) * time.Hour)}
	return scheduler.Task{Slot: slot, Deadline: slot.Due.Add(2 * time.Hour)}
}

// open opens the queue in dir and returns it with its registry. It is closed
// when the test ends, if it was not before.
func open(t testing.TB, dir string) (*JetStream, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	q, err := Open(t.Context(), Options{Dir: dir, Sources: []string{"prod", "test"}, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q, reg
}

// publish publishes tasks, each of which must be taken.
func publish(t testing.TB, q Queue, tasks ...scheduler.Task) {
	t.Helper()
	for _, task := range tasks {
		if err := q.Publish(t.Context(), task); err != nil {
			t.Fatalf("%s: %v", task.ID(), err)
		}
	}
}

// work runs Work of source "prod" and returns what ends it and waits.
func work(t testing.TB, q Queue, n int, handle Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Work(ctx, "prod", n, handle) }()
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
	case <-time.After(20 * time.Second):
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
func empty(t testing.TB, q Queue, packs ...string) {
	t.Helper()
	for _, pack := range packs {
		for {
			_, held, err := q.Held(t.Context(), "prod", pack)
			if err != nil {
				t.Fatal(err)
			}
			if !held {
				break
			}
		}
	}
}
