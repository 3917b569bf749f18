package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/scheduler"
)

// TestStall: a consumer that has fallen silent is made anew, and what it kept
// back is handed out; one slot that waits for its next try, and one that is at
// work, are no reason to.
func TestStall(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	q.timing.StallCheck, q.timing.StallAfter = 20*time.Millisecond, 300*time.Millisecond
	handed, finish := make(chan scheduler.Task, 8), make(chan bool)
	defer close(finish)
	work(t, q, 4, func(ctx context.Context, task scheduler.Task) time.Duration {
		handed <- task
		switch task.Pack {
		case "cp-again":
			return time.Hour
		case "cp-long":
			select {
			case <-finish:
			case <-ctx.Done():
			}
		}
		return 0
	})
	publish(t, q, task("cp-again", 0), task("cp-long", 0))
	receive(t, handed)
	receive(t, handed)
	timer := time.NewTimer(3 * q.timing.StallAfter)
	select {
	case task := <-handed:
		t.Fatalf("%s was handed out again", task.ID())
	case <-timer.C:
	}
	var err error = jetstream.ErrConsumerNotFound
	for errors.Is(err, jetstream.ErrConsumerNotFound) { // on a busy machine it may just be made anew
		_, err = q.stream.js.PauseConsumer(t.Context(), "packseal", "prod", time.Now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	publish(t, q, task("cp-new", 0))
	for receive(t, handed).Pack != "cp-new" {
	}
}
