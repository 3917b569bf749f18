package scheduler

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// dues returns what was published.
func (w *world) dues() (dues []time.Time) {
	w.lock(func() {
		for _, t := range w.published {
			dues = append(dues, t.Due)
		}
	})
	return dues
}

// TestMonthDown: of a month's slots the latest is made up for, the others are
// gaps; and a restart right after finds nothing more to record.
func TestMonthDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "0 2 * * *")
		running(t, w, func(*Scheduler) { time.Sleep(48 * time.Hour) }, p)
		w.history = w.dues()
		before := len(w.published)
		time.Sleep(30 * 24 * time.Hour)
		running(t, w, func(*Scheduler) {}, p)
		if n := len(w.published) - before; n != 1 || w.gapTimes != 29 {
			t.Errorf("%d published and %d gaps after a month", n, w.gapTimes)
		}
		w.lock(func() {
			for slot := range w.gaps {
				w.history = append(w.history, slot.Due)
			}
			slices.SortFunc(w.history, time.Time.Compare)
			w.held = w.published[before].Slot // still at work
		})
		running(t, w, func(*Scheduler) { time.Sleep(time.Minute) }, p)
		if n := len(w.published) - before; n != 1 || w.gapTimes != 29 {
			t.Errorf("%d published and %d gaps after the restart", n, w.gapTimes)
		}
	})
}

// TestClockJumps drives one pack by made-up clocks.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "@every 24h")
		p.CatchUp = 2 * time.Hour
		midnight := time.Now().Round(0)
		time.Sleep(12 * time.Hour)
		s := started(t, w.options(), p)
		at := s.packs[p.key()]
		look := func(now time.Time, published, gaps int) {
			t.Helper()
			if err := s.advance(t.Context(), at, now); err != nil {
				t.Error(err)
			}
			s.backfill(t.Context(), at)
			if len(w.published) != published || w.gapTimes != gaps {
				t.Errorf("at %v: %d published and %d gaps, want %d and %d", now, len(w.published), w.gapTimes, published, gaps)
			}
		}
		day := 24 * time.Hour
		look(midnight.Add(day+time.Hour), 1, 0)
		look(midnight.Add(2*day+time.Hour), 2, 0)
		look(midnight.Add(-10*day), 2, 0) // set back
		look(midnight.Add(2*day+2*time.Hour), 2, 0)
		look(midnight.Add(6*day+time.Minute), 3, 3) // suspended
	})
}

// TestRetryNow: a retry does not wait until a clock that was set back is there again.
func TestRetryNow(t *testing.T) {
	t.Parallel()
	a := newDueQueue()
	now := time.Now()
	a.add(&pack{Plan: Plan{Pack: "regular"}, at: now.Add(time.Hour)})
	a.add(&pack{Plan: Plan{Pack: "retried"}, at: now.Add(2 * time.Hour), tries: 1})
	a.retryNow(now)
	for p := range a.due(now) {
		if p.Pack != "retried" {
			t.Errorf("%s is due", p.Pack)
		}
	}
	if wait := a.wait(now, 3*time.Hour); wait != time.Hour {
		t.Errorf("waits for %v", wait)
	}
}

func TestSinceHoldsForTheFutureToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "@every 1h")
		p.Since = time.Now().Add(10 * time.Hour)
		running(t, w, func(*Scheduler) { time.Sleep(12*time.Hour + time.Minute) }, p)
		dues := w.dues()
		if len(dues) != 3 || !dues[0].Equal(p.Since) {
			t.Errorf("published %v", dues)
		}
	})
}

// TestSinceMoves: a reload that moves since, to an earlier or a later time, holds from
// then on, and hides nothing that was due before.
func TestSinceMoves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after time.Duration // since the beginning; 0 = none
		want          []time.Duration
	}{
		"earlier":         {10 * time.Hour, 3 * time.Hour, []time.Duration{3 * time.Hour, 4 * time.Hour, 5 * time.Hour}},
		"into the past":   {10 * time.Hour, time.Hour, []time.Duration{2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 5 * time.Hour}},
		"away":            {10 * time.Hour, 0, []time.Duration{2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 5 * time.Hour}},
		"later":           {2 * time.Hour, 5 * time.Hour, []time.Duration{5 * time.Hour}},
		"after a slot":    {0, 5 * time.Hour, []time.Duration{time.Hour, 5 * time.Hour}},
		"not at all":      {5 * time.Hour, 5 * time.Hour, []time.Duration{5 * time.Hour}},
		"beyond the test": {0, 100 * time.Hour, []time.Duration{time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, w, p := time.Now(), &world{}, plan(t, "@every 1h")
				p.CatchUp, p.Jitter = 0, time.Minute
				at := func(d time.Duration) (since time.Time) {
					if d > 0 {
						since = began.Add(d)
					}
					return since
				}
				time.Sleep(10 * time.Minute) // the slot of the beginning is too old
				p.Since = at(c.before)
				running(t, w, func(s *Scheduler) {
					time.Sleep(time.Until(began.Add(time.Hour + time.Second))) // the first slot has not started
					p.Since = at(c.after)
					if err := s.Update([]Plan{p}, now()); err != nil {
						t.Error(err)
					}
					time.Sleep(4*time.Hour + 30*time.Minute)
				}, p)
				var got []time.Duration
				for _, due := range w.dues() {
					got = append(got, due.Sub(began))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want, +published: %s", diff)
				}
			})
		})
	}
}

// TestUntilMoves: nothing falls due after until, and a reload that moves it holds from
// then on; one that is over does not keep the scheduler busy.
func TestUntilMoves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after time.Duration // since the beginning; 0 = none
		want          []time.Duration
		ended         bool
	}{
		"never":       {0, 0, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour}, false},
		"on a slot":   {2 * time.Hour, 2 * time.Hour, []time.Duration{time.Hour, 2 * time.Hour}, true},
		"before one":  {2*time.Hour - time.Second, 2*time.Hour - time.Second, []time.Duration{time.Hour}, true},
		"set":         {0, 3 * time.Hour, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, true},
		"set to past": {0, time.Minute, []time.Duration{time.Hour}, true},
		"later":       {time.Hour, 3 * time.Hour, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, true},
		"taken away":  {time.Minute, 0, []time.Duration{2 * time.Hour, 3 * time.Hour, 4 * time.Hour}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, w, p := time.Now(), &world{}, plan(t, "@every 1h")
				p.CatchUp, p.Jitter = 0, time.Minute
				at := func(d time.Duration) (until time.Time) {
					if d > 0 {
						until = began.Add(d)
					}
					return until
				}
				time.Sleep(10 * time.Minute) // the slot of the beginning is too old
				p.Until = at(c.before)
				running(t, w, func(s *Scheduler) {
					time.Sleep(time.Until(began.Add(time.Hour + time.Second))) // the first slot has not started
					p.Until = at(c.after)
					if err := s.Update([]Plan{p}, now()); err != nil {
						t.Error(err)
					}
					time.Sleep(3*time.Hour + 30*time.Minute)
					if _, next := s.Due(p.Source, p.Pack); next.IsZero() != c.ended || p.Ended(time.Now()) != c.ended || !p.Next(time.Now()).Equal(next) {
						t.Errorf("the next is due %v, ended: %t", next, p.Ended(time.Now()))
					}
				}, p)
				var got []time.Duration
				for _, due := range w.dues() {
					got = append(got, due.Sub(began))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want, +published: %s", diff)
				}
				if latest, _, ok := p.Latest(time.Now()); ok && !latest.Equal(began.Add(c.want[len(c.want)-1]).UTC()) && c.after > time.Hour {
					t.Errorf("the latest was due %v", latest)
				}
			})
		})
	}
}

// TestOneInTrouble: a pack whose publish hangs, whose history panics or whose
// gap panics holds up itself alone.
func TestOneInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		var plans []Plan
		for _, name := range []string{"hangs", "history", "gap", "fine"} {
			p := plan(t, "@every 1h")
			p.Pack, p.CatchUp = name, 0
			plans = append(plans, p)
		}
		time.Sleep(72*time.Hour + time.Minute)
		o := w.options()
		o.InForce = w.planned(plans[0].Schedule)
		publish, gap := o.Publish, o.Gap
		o.Publish = func(ctx context.Context, task Task) error {
			if task.Pack == "hangs" {
				<-ctx.Done()
				return ctx.Err()
			}
			return publish(ctx, task)
		}
		var panics atomic.Int32
		w.history = []time.Time{time.Now().Add(-3*time.Hour - time.Minute).UTC()}
		o.History = panicking{w, func(pack string) bool { return pack == "history" && panics.Add(1) < 3 }}
		o.Gap = func(ctx context.Context, s evidence.Slot, reason fault.Reason, detail string) error {
			if s.Pack == "gap" && panics.Add(1) < 5 {
				panic("on purpose")
			}
			return gap(ctx, s, reason, detail)
		}
		s := started(t, o, plans...)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Hour)
		defer stop()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if len(w.published) != 3*6 || w.gapTimes != 3*2 || s.Ready() != nil {
			t.Errorf("%d published, %d gaps, %v: %v", len(w.published), w.gapTimes, s.Ready(), w.gaps)
		}
	})
}

// panicking is a History that panics when it is asked about some packs.
type panicking struct {
	*world
	panics func(pack string) bool
}

// SettledBetween implements History.
func (p panicking) SettledBetween(ctx context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error] {
	if p.panics(pack) {
		panic("on purpose")
	}
	return p.world.SettledBetween(ctx, source, pack, after, until)
}

// TestManyGaps: a schedule of seconds owes a gap for each of them.
func TestManyGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "@every 1s")
		w.history = []time.Time{time.Now().UTC()}
		time.Sleep(time.Hour)
		running(t, w, func(*Scheduler) {}, p)
		if len(w.published) != 1 || w.gapTimes != 3599 || len(w.gaps) != 3599 {
			t.Errorf("%d published, %d gaps of %d slots", len(w.published), w.gapTimes, len(w.gaps))
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := plan(t, "@daily")
	noSchedule, noTimeout := good, good
	noSchedule.Schedule, noTimeout.Timeout = cron.Schedule{}, 0
	w := &world{}
	s, err := New(w.options())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update([]Plan{good}, now()); err != nil {
		t.Fatal(err)
	}
	for name, plans := range map[string][]Plan{
		"no schedule": {noSchedule}, "no time-out": {noTimeout}, "twice": {good, good},
	} {
		if err := s.Update(plans, now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, next := s.Due("prod", "cp-1"); next.IsZero() {
		t.Error("plans that are no good replaced good ones")
	}
	if last, next := s.Due("prod", "cp-0"); !last.IsZero() || !next.IsZero() {
		t.Errorf("a pack that is not there was due at %v and %v", last, next)
	}
	if fault.Of(s.Ready()) != fault.NotReady {
		t.Errorf("ready before Run: %v", s.Ready())
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no options: no error")
	}
	o := w.options()
	if _, err := New(o); err != nil {
		t.Error(err)
	}
	if _, err := New(o); err == nil {
		t.Error("registered twice: no error")
	}
}

// TestBeforeTheFirstPlan: what was missed before the archive's first plan follows
// from the pack's last two records, where these are successive slots of the schedule
// in it. Otherwise that one is not known to have been in force.
func TestBeforeTheFirstPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records []int // how many hours before the first plan
		first   bool
		gaps    []int
	}{
		"no record":                   {first: true},
		"one record":                  {records: []int{3}, first: true, gaps: []int{2, 1}},
		"successive":                  {records: []int{9, 4, 3}, first: true, gaps: []int{2, 1}},
		"of another schedule":         {records: []int{6, 3}, first: true},
		"the plan is not the first":   {records: []int{4, 3}},
		"the last one is of just now": {records: []int{2, 1}, first: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				p := plan(t, "@every 1h")
				p.CatchUp = 0
				time.Sleep(24*time.Hour + 30*time.Minute)
				plan := now()
				ago := func(hours int) time.Time { return plan.Truncate(time.Hour).Add(time.Duration(1-hours) * time.Hour) }
				for _, hours := range c.records {
					w.history = append(w.history, ago(hours))
				}
				o := w.options()
				o.InForce = func(context.Context, string, string) (cron.Timeline, bool, error) {
					return cron.Timeline{{From: plan, Schedule: p.Schedule}}, c.first, nil
				}
				s := started(t, o, p)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				if err := s.Run(ctx); err != nil {
					t.Error(err)
				}
				for _, hours := range c.gaps {
					if w.gaps[p.slot(ago(hours))] == "" {
						t.Errorf("the slot %d hours ago is no gap", hours)
					}
				}
				if len(w.gaps) != len(c.gaps) {
					t.Errorf("gaps: %v", w.gaps)
				}
			})
		})
	}
}

// TestExpiry: what may have been deleted because of its age is not missed.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first int // the days since the pack's first record, of which each day since has one; 0 = none
		gaps  int
	}{"expired": {first: 30, gaps: 0}, "lost at the beginning": {first: 3, gaps: 3}, "no record": {gaps: 100}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				p := plan(t, "@every 24h")
				p.CatchUp = 0
				began := time.Now().UTC()
				w.inForce = cron.Timeline{{From: began, Schedule: p.Schedule}}
				time.Sleep(99*24*time.Hour + 12*time.Hour)
				for day := 99 - c.first; c.first > 0 && day < 100; day++ {
					w.history = append(w.history, began.AddDate(0, 0, day))
				}
				running(t, w, func(*Scheduler) {}, p)
				if len(w.gaps) != c.gaps {
					t.Errorf("%d gaps: %v", len(w.gaps), w.gaps)
				}
			})
		})
	}
}
