package queue

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/secret"
	"packseal.example/test/lab"
)

// replicas are three members of one cluster on loopback ports.
type replicas struct {
	options [3]Options
	queues  [3]*JetStream
}

// newReplicas makes three members that are not started. change may be nil.
func newReplicas(t testing.TB, change func(i int, c *Cluster)) *replicas {
	t.Helper()
	token := secret.File(file(t, "token", "a-long-and-random-word"))
	routes, dir := lab.Addresses(t, 3), t.TempDir()
	r := new(replicas)
	for i := range r.options {
		c := Cluster{Member: fmt.Sprint("member-", i), Listen: routes[i], Routes: routes, TokenFile: token}
		if change != nil {
			change(i, &c)
		}
		r.options[i] = Options{
			Dir: filepath.Join(dir, c.Member), Embedded: &Embedded{Cluster: &c},
			Logger: slog.New(slog.DiscardHandler), Timing: Timing{WaitReport: time.Second},
		}
	}
	t.Cleanup(func() { r.each(func(i int) { r.stop(i) }, 0, 1, 2) })
	return r
}

// each does something for each of the members at once.
func (r *replicas) each(do func(i int), members ...int) {
	var all sync.WaitGroup
	for _, i := range members {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// start opens the queues of these members, and waits until all are there.
func (r *replicas) start(t testing.TB, members ...int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	r.each(func(i int) {
		o := r.options[i]
		o.Registerer = prometheus.NewRegistry()
		q, err := Open(ctx, o)
		if err != nil {
			t.Errorf("member %d: %v", i, err)
			return
		}
		setSources(t, q, 1)
		r.queues[i] = q
	}, members...)
	if t.Failed() {
		t.FailNow()
	}
}

// stop closes the member's queue.
func (r *replicas) stop(i int) {
	if r.queues[i] != nil {
		r.queues[i].Close()
		r.queues[i] = nil
	}
}

// current returns how many servers keep the stream and are up to date, as the
// queue sees it.
func current(t testing.TB, q *JetStream) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	info, err := q.stream.handle.Info(ctx)
	if err != nil || info.Cluster == nil || info.Cluster.Leader == "" {
		return 0
	}
	n := 1
	for _, peer := range info.Cluster.Replicas {
		if peer.Current && !peer.Offline {
			n++
		}
	}
	return n
}

// waits returns a logger that calls cancel when the queue says that it waits
// for others, and a registry.
func waits(cancel func()) (*slog.Logger, *prometheus.Registry) {
	return slog.New(&waiter{slog.DiscardHandler, cancel}), prometheus.NewRegistry()
}

type waiter struct {
	slog.Handler
	cancel func()
}

func (*waiter) Enabled(context.Context, slog.Level) bool { return true }

func (w *waiter) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "waiting for the queue" {
		w.cancel()
	}
	return nil
}
