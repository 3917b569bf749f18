package scheduler

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// world is what a Scheduler talks to, in memory.
type world struct {
	mu        sync.Mutex
	history   []time.Time
	published []Task
	gaps      map[evidence.Slot]fault.Reason
	gapTimes  int // gaps recorded, also twice
	held      evidence.Slot
	sinkDown  bool
	inForce   cron.Timeline // of the pack before the start; nil: the schedule of now since the first of history
	answer    error         // of Publish
}

func (w *world) options() Options {
	return Options{
		History: w, InForce: w.planned(cron.Schedule{}), Missed: func(time.Time) (fault.Reason, string) { return fault.Missed, "" }, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
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
		Held: func(context.Context, string, string) (evidence.Slot, bool, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.held, w.held != evidence.Slot{}, nil
		},
		Gap: func(_ context.Context, s evidence.Slot, reason fault.Reason, _ string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sinkDown {
				return fault.New(fault.SinkUnavailable, "down")
			}
			if w.gaps == nil {
				w.gaps = make(map[evidence.Slot]fault.Reason)
			}
			if _, settled := w.gaps[s]; !settled {
				w.gaps[s] = reason
			}
			w.gapTimes++
			return nil
		},
	}
}

// settled returns the history, in ascending order, or an error while the sink is
// down.
func (w *world) settled() ([]time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sinkDown {
		return nil, fault.New(fault.SinkUnavailable, "down")
	}
	return slices.Clone(w.history), nil
}

// Settled implements History.
func (w *world) Settled(_ context.Context, s evidence.Slot) (bool, error) {
	all, err := w.settled()
	return slices.ContainsFunc(all, s.Due.Equal), err
}

// FirstSettled implements History.
func (w *world) FirstSettled(context.Context, string, string) (time.Time, bool, error) {
	all, err := w.settled()
	if len(all) == 0 {
		return time.Time{}, false, err
	}
	return all[0], true, nil
}

// LastSettled implements History.
func (w *world) LastSettled(_ context.Context, _, _ string, before time.Time, n int) ([]time.Time, error) {
	all, err := w.settled()
	all = slices.DeleteFunc(all, func(due time.Time) bool { return !due.Before(before) })
	slices.Reverse(all)
	return all[:min(n, len(all))], err
}

// planned is Options.InForce of a pack that has had one schedule.
func (w *world) planned(s cron.Schedule) func(context.Context, string, string) (cron.Timeline, bool, error) {
	return func(context.Context, string, string) (cron.Timeline, bool, error) {
		all, err := w.settled()
		if w.inForce != nil || len(all) == 0 {
			return w.inForce, false, err
		}
		return cron.Timeline{{From: all[0], Schedule: s}}, false, err
	}
}

// SettledBetween implements History.
func (w *world) SettledBetween(_ context.Context, _, _ string, after, until time.Time) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		all, err := w.settled()
		if err != nil {
			yield(time.Time{}, err)
			return
		}
		for _, due := range all {
			if due.After(after) && !due.After(until) && !yield(due, nil) {
				return
			}
		}
	}
}

// started makes a Scheduler of the plans.
func started(t testing.TB, o Options, plans ...Plan) *Scheduler {
	t.Helper()
	s, err := New(o)
	if err == nil {
		err = s.Update(plans, now())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// now is since when plans count that are given now.
func now() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Second) }

func (w *world) lock(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// first returns the task that was published first.
func (w *world) first() (t Task) {
	w.lock(func() { t = w.published[0] })
	return t
}

// running runs a Scheduler in a bubble while f looks on.
func running(t *testing.T, w *world, f func(s *Scheduler), plans ...Plan) {
	t.Helper()
	o := w.options()
	if len(plans) > 0 {
		o.InForce = w.planned(plans[0].Schedule)
	}
	s := started(t, o, plans...)
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
	s, err := cron.Parse(spec, "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return Plan{Source: "prod", Pack: "cp-1", Schedule: s, CatchUp: 24 * time.Hour, Timeout: time.Hour}
}
