package scheduler

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// world is what a Scheduler talks to, in memory.
type world struct {
	mu        sync.Mutex
	history   []time.Time
	published []Task
	gaps      map[Slot]fault.Reason
	gapTimes  int // gaps recorded, also twice
	held      Slot
	sinkDown  bool
	answer    error // of Publish
}

func (w *world) options(plans ...Plan) Options {
	return Options{
		Plans: plans, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		History: func(context.Context, string, string) ([]time.Time, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sinkDown {
				return nil, fault.New(fault.SinkUnavailable, "down")
			}
			return slices.Clone(w.history), nil
		},
		Publish: func(_ context.Context, t Task) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.answer != nil {
				return w.answer
			}
			if slices.ContainsFunc(w.published, func(p Task) bool { return p.Slot == t.Slot }) {
				return ErrDuplicate
			}
			w.published = append(w.published, t)
			return nil
		},
		Held: func(context.Context, string, string) (Slot, bool, error) { return w.held, w.held != Slot{}, nil },
		Gap: func(_ context.Context, s Slot, reason fault.Reason, _ string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sinkDown {
				return fault.New(fault.SinkUnavailable, "down")
			}
			if w.gaps == nil {
				w.gaps = make(map[Slot]fault.Reason)
			}
			w.gaps[s] = reason
			w.gapTimes++
			return nil
		},
	}
}

func (w *world) lock(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// running runs a Scheduler in a bubble while f looks on.
func running(t *testing.T, w *world, f func(s *Scheduler), plans ...Plan) {
	t.Helper()
	s, err := New(w.options(plans...))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	f(s)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// plan is a pack's with that schedule in Berlin.
func plan(t *testing.T, spec string) Plan {
	t.Helper()
	s, err := ParseSchedule(spec, "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return Plan{Source: "prod", Pack: "cp-1", Schedule: s, CatchUp: 24 * time.Hour, Timeout: time.Hour}
}
