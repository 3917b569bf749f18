package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/replica"
	"packseal.example/test/lab"
)

// brisk is a timing for tests: a replica that dies is missed soon.
var brisk = Timing{Replicas: replica.Timing{Heartbeat: 100 * time.Millisecond, FailAfter: 2 * time.Second}}

// shift is replicas at work on one source, and how many tasks each works on.
type shift struct {
	t     *testing.T
	limit int

	mu     sync.Mutex
	now    map[int]int
	done   map[int]int
	queues map[int]*JetStream
	stops  map[int]func()
}

func newShift(t *testing.T, limit int) *shift {
	return &shift{t: t, limit: limit, now: make(map[int]int), done: make(map[int]int), queues: make(map[int]*JetStream), stops: make(map[int]func())}
}

// start puts a replica to work. There is always more to do: whatever is done is
// due once more.
func (s *shift) start(i int, q *JetStream) {
	s.t.Helper()
	setSources(s.t, q, s.limit)
	s.queues[i] = q
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handle := func(ctx context.Context, _ scheduler.Task) time.Duration {
		s.mu.Lock()
		s.now[i]++
		s.mu.Unlock()
		fault.Sleep(ctx, 20*time.Millisecond)
		s.mu.Lock()
		s.now[i]--
		s.done[i]++
		s.mu.Unlock()
		return time.Millisecond
	}
	go func() { ended <- q.Run(ctx, handle) }()
	s.stops[i] = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !q.stream.conn.IsClosed() { // who dies may see that
			s.t.Error(err)
		}
		q.Close()
	})
	s.t.Cleanup(s.stops[i])
}

// divided waits until these replicas all work, each on no more than its share.
func (s *shift) divided(what string, members ...int) {
	s.t.Helper()
	share := max(1, s.limit/len(members))
	lab.Eventually(s.t, what+": each has its share", func() bool {
		for _, i := range members {
			if s.queues[i].shares()["prod"] != share || s.queues[i].Part("prod") != 1/float64(len(members)) {
				return false
			}
		}
		return true
	})
	s.mu.Lock()
	clear(s.done)
	s.mu.Unlock()
	lab.Eventually(s.t, what+": each works on its share", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, i := range members {
			if s.done[i] < 3*share || s.now[i] > share {
				return false
			}
		}
		return true
	})
}

// fill publishes more slots than the limit.
func (s *shift) fill(q *JetStream) {
	for i := range 3*s.limit + 3 {
		persist(s.t.Context(), s.t, q, task(fmt.Sprint("cp-", i), 0))
	}
}

// TestLimitInACluster: members of a cluster divide the limit when they come,
// leave, die and come back.
func TestLimitInACluster(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	for i := range r.options {
		r.options[i].Timing = brisk
	}
	r.start(t, 0, 1, 2)
	s := newShift(t, 7)
	s.fill(r.queues[0])
	for i, q := range r.queues {
		s.start(i, q)
	}
	s.divided("three", 0, 1, 2)
	s.stops[0]()
	s.divided("one has left", 1, 2)
	r.start(t, 0)
	s.start(0, r.queues[0])
	s.divided("it is back", 0, 1, 2)
	r.queues[1].stream.conn.Close() // as in a crash: nobody hears a word of it
	s.stops[1]()
	s.divided("one has died", 0, 2)
}

// TestLimitOutside: the same on a NATS server outside, with a replica that is
// cut off for a while, and more replicas than the limit.
func TestLimitOutside(t *testing.T) {
	t.Parallel()
	address, _ := newest(t, server.Options{})
	s := newShift(t, 2)
	var conns [3]*faultyConn
	for i := range conns {
		conns[i] = newFaultyConn(t, address)
		q, err := Open(t.Context(), Options{
			Dir: t.TempDir(), Timing: brisk, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
			NATS: &NATS{Servers: []string{conns[i].address}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			s.fill(q)
		}
		s.start(i, q)
	}
	s.divided("three", 0, 1, 2)
	restore := conns[0].cut()
	s.divided("one is cut off", 1, 2)
	if n := s.queues[0].group.Live(); n != 3 {
		t.Errorf("cut off, it takes itself for one of %d", n)
	}
	restore()
	s.divided("it is back", 0, 1, 2)
}

// TestSetSources: sources come and go while others work, and limits change; what
// is at work is finished, and what waits of a source that is gone is kept.
func TestSetSources(t *testing.T) {
	t.Parallel()
	q, reg := open(t, t.TempDir())
	set := func(limits map[string]int) {
		t.Helper()
		if err := q.SetSources(t.Context(), limits); err != nil {
			t.Fatal(err)
		}
	}
	set(map[string]int{"prod": 1})
	began, finish := make(chan scheduler.Task, 8), make(chan time.Duration)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Run(ctx, func(ctx context.Context, t scheduler.Task) time.Duration {
			began <- t
			return <-finish
		})
	}()
	other := func(pack string) scheduler.Task {
		t := task(pack, 0)
		t.Source = "test"
		return t
	}
	publish(t, q, other("cp-1"), other("cp-2"), task("cp-1", 0), task("cp-2", 0))
	if got := receive(t, began); got.Source != "prod" {
		t.Errorf("%s was begun, whose source is not set", got.ID())
	}
	set(map[string]int{"prod": 2, "test": 1}) // one more, and another source
	for range 2 {
		receive(t, began)
	}
	if v := value(t, reg, "packseal_queue_places", "prod"); v != 2 {
		t.Errorf("prod has %v permits", v)
	}
	set(map[string]int{"prod": 2})
	for range 3 { // what is at work is finished, also of the source that is gone
		finish <- 0
	}
	lab.Eventually(t, "it is settled", func() bool { return pending(t, q) == 1 })
	if len(began) > 0 {
		t.Errorf("%s was begun, whose source is gone", receive(t, began).ID())
	}
	if n, err := reg.Gather(); err != nil {
		t.Error(n, err)
	}
	set(map[string]int{"prod": 2, "test": 1})
	if got := receive(t, began); got.Source != "test" {
		t.Errorf("%s was begun", got.ID())
	}
	set(map[string]int{"prod": 2})
	finish <- time.Millisecond // put back: somebody else may have it
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := pending(t, q); n != 1 {
		t.Errorf("%d slots are kept", n)
	}
	if err := q.SetSources(t.Context(), map[string]int{"prod": 0}); err == nil {
		t.Error("no error")
	}
}
