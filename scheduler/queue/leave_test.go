package queue

import (
	"context"
	"testing"
	"time"

	"packseal.example/scheduler"
)

// TestClusterLeave: a replica that is stopped while it is at work gives its
// slot back, and another has it soon, also when the first led the others. Were
// the answer forgotten, it would take ackWait.
func TestClusterLeave(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	for _, pack := range []string{"cp-1", "cp-2", "cp-3"} {
		eventually(t, "all are up to date", func() bool { return current(t, r.queues[0]) == 3 })
		at, settle := make(chan int, 3), make(chan struct{})
		var stops [3]func()
		for i, q := range r.queues {
			stops[i] = work(t, q, 1, func(ctx context.Context, _ scheduler.Task) time.Duration {
				at <- i
				select {
				case <-settle:
					return 0
				case <-ctx.Done():
					return time.Hour
				}
			})
		}
		publish(t, r.queues[0], task(pack, 0))
		first := receive(t, at)
		began := time.Now()
		stops[first]()
		r.stop(first)
		if next := receive(t, at); next == first || time.Since(began) > ackWait/2 {
			t.Errorf("after %d, %d has it %v later", first, next, time.Since(began))
		}
		close(settle)
		r.start(t, first)
		eventually(t, "it is settled", func() bool { return pending(t, r.queues[first]) == 0 })
		for i, stop := range stops {
			if i != first {
				stop()
			}
		}
	}
}
