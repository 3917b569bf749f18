package queue

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

// ledger is what became of slots, over all replicas.
type ledger struct {
	mu      sync.Mutex
	settled map[string]int
	working map[string]int // by how many at this moment
}

// handler works for a little while and settles.
func (l *ledger) handler(t testing.TB) Handler {
	return func(ctx context.Context, task scheduler.Task) time.Duration {
		l.mu.Lock()
		l.working[task.ID()]++
		if l.working[task.ID()] > 1 {
			t.Errorf("%s is worked on by two", task.ID())
		}
		l.mu.Unlock()
		ended := !fault.Sleep(ctx, 5*time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.working[task.ID()]--
		if ended {
			return time.Hour
		}
		l.settled[task.ID()]++
		return 0
	}
}

func newLedger() *ledger {
	return &ledger{settled: make(map[string]int), working: make(map[string]int)}
}

// each holds that every one of the slots was settled, and most of them once: a
// server that goes away may take with it what it was told.
func (l *ledger) each(t testing.TB, slots map[string]bool) {
	t.Helper()
	lab.Eventually(t, "every slot is settled", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.settled) >= len(slots)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	again := 0
	for id, n := range l.settled {
		again += n - 1
		if !slots[id] {
			t.Errorf("%s was settled", id)
		}
	}
	if again > len(slots)/4 {
		t.Errorf("of %d slots, %d were settled again", len(slots), again)
	}
}

// persist publishes a task as the scheduler does: again until it is known to
// be there.
func persist(ctx context.Context, t testing.TB, q *JetStream, task scheduler.Task) {
	for ctx.Err() == nil {
		err := q.Publish(ctx, task)
		if err == nil || err == scheduler.ErrDuplicate {
			return
		}
		if !fault.Transient(err) && ctx.Err() == nil {
			t.Errorf("%s: %v", task.ID(), err)
			return
		}
		fault.Sleep(ctx, 20*time.Millisecond)
	}
}

// TestClusterOutlivesEach stops each replica in turn and starts it again, as a
// rolling restart does, while all of them publish the same slots and work on
// them. One comes back with its store gone.
func TestClusterOutlivesEach(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	for i := range r.options {
		r.options[i].Timing.StallCheck, r.options[i].Timing.StallAfter = time.Second, 20*time.Second
	}
	r.start(t, 0, 1, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 2*lab.Patience)
	defer cancel()
	l, slots := newLedger(), make(map[string]bool)
	const rounds, packs = 3, 100
	for round := range rounds {
		var stops [3]func()
		for i, q := range r.queues {
			stops[i] = work(t, q, 4, l.handler(t))
		}
		var publishing sync.WaitGroup
		for i := range packs {
			slots[task(fmt.Sprintf("cp-%d-%d", round, i), 0).ID()] = true
		}
		down := round // who goes away in the middle of it
		half := make(chan struct{})
		for i, q := range r.queues {
			publishing.Go(func() {
				for k := range packs {
					if k == packs/2 && i == down {
						close(half)
						return
					}
					persist(ctx, t, q, task(fmt.Sprintf("cp-%d-%d", round, k), 0))
				}
			})
		}
		<-half
		stops[down]()
		r.stop(down)
		publishing.Wait() // the two others take all of it
		l.each(t, slots)
		// What a server has confirmed to be settled may be kept all the same,
		// until the watchdog has it handed out once more.
		emptied(t, r.queues[(down+1)%3])
		if round == 1 {
			if err := os.RemoveAll(r.options[down].Dir); err != nil {
				t.Fatal(err)
			}
		}
		r.start(t, down)
		for i, stop := range stops {
			if i != down {
				stop()
			}
		}
		lab.Eventually(t, "it catches up", func() bool { return current(t, r.queues[down]) == 3 })
	}
	for _, q := range r.queues {
		emptied(t, q)
	}
}

// emptied waits until the queue sees that no slot is left.
func emptied(t testing.TB, q *JetStream) {
	t.Helper()
	lab.Eventually(t, "the queue is empty", func() bool {
		left, err := q.stream.subjects(t.Context(), "")
		return err == nil && len(left) == 0
	})
}

// pending counts the slots in the queue.
func pending(t testing.TB, q *JetStream) uint64 {
	t.Helper()
	info, err := q.stream.handle.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// TestLeaderAnswersReads: what one replica has written to the bucket every other
// one reads, at once.
func TestLeaderAnswersReads(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	var revision uint64
	for i := range 300 {
		value := fmt.Appendf(nil, "value %d", i)
		lab.Eventually(t, "it is written", func() bool { // a write may be refused right after another one, or its acknowledgement be lost
			got, at, err := r.queues[i%3].stream.bucket.Get(t.Context(), "a.key")
			if err == nil && string(got) != string(value) {
				at, err = r.queues[i%3].stream.bucket.CompareAndSwap(t.Context(), "a.key", value, at)
			}
			revision = at
			return err == nil
		})
		if got, at, err := r.queues[(i+1)%3].stream.bucket.Get(t.Context(), "a.key"); err != nil || at != revision || string(got) != string(value) {
			t.Fatalf("written is %q, read %q, %v", value, got, err)
		}
	}
}

// TestClusterWaitsForMost: alone, a member waits, and can be stopped.
// Once all three have met, two are enough.
func TestClusterWaitsForMost(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	alone := func(i int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := r.options[i]
		o.Logger, o.Registerer = waits(cancel)
		if q, err := Open(ctx, o); err == nil || fault.Of(err) != fault.Canceled {
			t.Errorf("alone: %v", err)
			q.Close()
		}
	}
	r.start(t, 0, 1, 2)
	publish(t, r.queues[0], task("cp-1", 0))
	r.stop(0)
	last := r.queues[1]
	lab.Eventually(t, "two are enough", func() bool { return last.Ready(t.Context()) == nil })
	r.stop(2)
	lab.Eventually(t, "without most it is not ready", func() bool { return fault.Of(last.Ready(t.Context())) == fault.NotReady })
	r.stop(1)
	alone(2)
	r.start(t, 0, 2)
	got := make(chan scheduler.Task, 1)
	work(t, r.queues[2], 1, into(got))
	receive(t, got)
}
