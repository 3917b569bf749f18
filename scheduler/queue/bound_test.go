package queue

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// brisk is a pace for tests: the longest that servers need to choose another
// leader is less than fence.
var brisk = pace{beat: 150 * time.Millisecond, fence: 4 * time.Second, dead: 6 * time.Second}

// shift is replicas at work on one source, and how many reports are in the
// making over all of them.
type shift struct {
	t     *testing.T
	bound int

	mu     sync.Mutex
	now    int
	most   int
	done   map[int]int
	queues map[int]*JetStream
	stops  map[int]func()
}

func newShift(t *testing.T, bound int) *shift {
	return &shift{t: t, bound: bound, done: make(map[int]int), queues: make(map[int]*JetStream), stops: make(map[int]func())}
}

// start puts a replica to work. There is always more to do: whatever is done
// is due once more.
func (s *shift) start(i int, q *JetStream) {
	s.mu.Lock()
	s.queues[i] = q
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	handle := func(ctx context.Context, _ scheduler.Task) time.Duration {
		s.mu.Lock()
		s.now++
		s.most = max(s.most, s.now)
		if s.now > s.bound {
			s.t.Errorf("%d at once, the bound is %d", s.now, s.bound)
		}
		s.mu.Unlock()
		fault.Sleep(ctx, 30*time.Millisecond)
		s.mu.Lock()
		s.now--
		s.done[i]++
		s.mu.Unlock()
		return time.Millisecond
	}
	go func() { ended <- q.Work(ctx, "prod", s.bound, handle) }()
	s.stops[i] = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !q.engine.conn.IsClosed() { // who dies may see that
			s.t.Error(err)
		}
		s.mu.Lock()
		delete(s.queues, i)
		s.mu.Unlock()
	})
	s.t.Cleanup(s.stops[i])
}

// leave ends a replica well.
func (s *shift) leave(i int) {
	q := s.queues[i]
	s.stops[i]()
	q.Close()
}

// die ends a replica as a crash does: nobody hears a word of it.
func (s *shift) die(i int) {
	s.queues[i].engine.conn.Close()
	s.leave(i)
}

// fills waits until the bound is divided fairly among these replicas, and
// until each that has places works, all of them at once again.
func (s *shift) fills(what string, members ...int) {
	s.t.Helper()
	slices.SortFunc(members, func(a, b int) int { return strings.Compare(s.queues[a].member, s.queues[b].member) })
	fair := make(map[int]int)
	for k := range s.bound {
		fair[members[k%len(members)]]++
	}
	eventually(s.t, what, func() bool {
		return !slices.ContainsFunc(members, func(i int) bool {
			return int(math.Round(s.queues[i].Part("prod")*float64(s.bound))) != fair[i]
		})
	})
	s.mu.Lock()
	s.most = 0
	was := maps.Clone(s.done)
	s.mu.Unlock()
	eventually(s.t, what+", and all places are used", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range fair {
			if s.done[i] == was[i] {
				return false
			}
		}
		return s.most == s.bound
	})
}

// fill publishes more slots than there are places.
func (s *shift) fill(q *JetStream) {
	for i := range 3*s.bound + 3 {
		persist(s.t.Context(), s.t, q, task(fmt.Sprint("cp-", i), 0))
	}
}

// TestBoundOfACluster: with members of a cluster that come, go, die and come
// back, never is more in the making than the bound, and soon all of it again.
func TestBoundOfACluster(t *testing.T) {
	t.Parallel()
	for _, bound := range []int{1, 7} {
		t.Run(fmt.Sprint(bound), func(t *testing.T) {
			t.Parallel()
			r := newReplicas(t, nil)
			for i := range r.options {
				r.options[i].pace = brisk
			}
			r.start(t, 0, 1, 2)
			s := newShift(t, bound)
			s.fill(r.queues[0])
			start := func(i int) { s.start(i, r.queues[i]) }
			start(0)
			s.fills("the first alone", 0)
			start(1)
			start(2)
			s.fills("three", 0, 1, 2)
			s.leave(0)
			s.fills("one has left", 1, 2)
			r.start(t, 0)
			start(0)
			s.fills("it is back", 0, 1, 2)
			for i := range 2 {
				s.die(i)
				s.fills("one has died", (i+1)%3, (i+2)%3)
				r.start(t, i)
				start(i)
				s.fills("it lives again", 0, 1, 2)
			}
			for i := range 3 {
				s.stops[i]()
			}
		})
	}
}

// loses has the board lost, and waits until the replicas have made it anew.
func (s *shift) loses() {
	s.t.Helper()
	q := s.queues[0]
	if err := q.engine.js.DeleteKeyValue(s.t.Context(), q.engine.prefix.board()); err != nil {
		s.t.Fatal(err)
	}
	var d division
	eventually(s.t, "the board is made anew", func() bool {
		var err error
		d, _, err = (&sharing{board: q.engine.board}).read(s.t.Context())
		return err == nil && len(d.Members) == len(s.queues)
	})
	if !d.Anew {
		s.t.Errorf("it is not said that the board was lost: %+v", d)
	}
	eventually(s.t, "that is settled", func() bool {
		d, _, err := (&sharing{board: q.engine.board}).read(s.t.Context())
		return err == nil && !d.Anew
	})
	s.fills("the board was lost", 0, 1, 2)
}

// TestBoundOutside: the same on NATS servers outside, with replicas that are
// cut off and go on for a while without knowing, until one is left.
func TestBoundOutside(t *testing.T) {
	t.Parallel()
	t.Run("newest", func(t *testing.T) {
		t.Parallel()
		address, _ := newest(t, server.Options{})
		outside(t, address, 1)
		outside(t, address, 8)
	})
	t.Run("packaged", func(t *testing.T) {
		t.Parallel()
		outside(t, packaged(t), 5)
	})
}

func outside(t *testing.T, address string, bound int) {
	t.Helper()
	s := newShift(t, bound)
	var cables [3]*cable
	var options [3]Options
	start := func(i int) {
		t.Helper()
		options[i].Registerer = prometheus.NewRegistry()
		q, err := Open(t.Context(), options[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Close() })
		s.start(i, q)
	}
	for i := range cables {
		cables[i] = lay(t, address)
		options[i] = Options{
			Dir: t.TempDir(), Sources: []string{"prod"}, pace: brisk, Logger: slog.New(slog.DiscardHandler),
			NATS: &NATS{Servers: []string{cables[i].address}, Prefix: fmt.Sprint("bound-", bound)},
		}
	}
	start(0)
	s.fill(s.queues[0])
	s.fills("alone", 0)
	s.die(0)
	began := time.Now()
	start(0)
	s.fills("alone after a crash", 0)
	if waited := time.Since(began); waited > brisk.fence {
		t.Errorf("its own places came back after %s", waited)
	}
	start(1)
	start(2)
	s.fills("three", 0, 1, 2)
	s.loses()
	for i := range 2 {
		mend := cables[i].cut()
		s.fills("one is cut off", (i+1)%3, (i+2)%3)
		if part := s.queues[i].Part("prod"); part != 0 {
			t.Errorf("cut off, it holds %v of the bound", part)
		}
		mend()
		s.fills("the line is mended", 0, 1, 2)
	}
	s.die(0)
	s.leave(1)
	s.fills("the last", 2)
	s.leave(2)
}

// TestLateTask: what arrives at a replica that has lost its places meanwhile
// goes to who has them, at once and not only when the engine misses an answer.
func TestLateTask(t *testing.T) {
	t.Parallel()
	address, _ := newest(t, server.Options{})
	var queues [2]*JetStream
	var cables [2]*cable
	for i := range queues {
		cables[i] = lay(t, address)
		var err error
		queues[i], err = Open(t.Context(), Options{
			Dir: t.TempDir(), Sources: []string{"prod"}, pace: brisk, Logger: slog.New(slog.DiscardHandler),
			NATS: &NATS{Servers: []string{cables[i].address}}, Registerer: prometheus.NewRegistry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { queues[i].Close() })
	}
	far, near := 0, 1 // the last in order has no place when there are two
	if queues[far].member < queues[near].member {
		far, near = near, far
	}
	unexpected, got := make(chan scheduler.Task, 1), make(chan scheduler.Task, 1)
	work(t, queues[far], 1, into(unexpected))
	consumer := func() (waiting int) {
		c, err := queues[near].engine.stream.Consumer(t.Context(), "prod")
		if err == nil {
			waiting = c.CachedInfo().NumWaiting
		}
		return waiting
	}
	eventually(t, "it asks for a slot", func() bool { return consumer() == 1 })
	mend := cables[far].cut()
	publish(t, queues[near], task("cp-1", 0))
	eventually(t, "the slot is on its way", func() bool { return consumer() == 0 })
	work(t, queues[near], 1, into(got))
	eventually(t, "the other one has the place", func() bool { return queues[near].Part("prod") == 1 })
	mend()
	began := time.Now()
	receive(t, got)
	if waited := time.Since(began); waited > ackWait/3 {
		t.Errorf("it came after %s", waited)
	}
	if len(unexpected) > 0 {
		t.Error("who has no place worked on it")
	}
}
