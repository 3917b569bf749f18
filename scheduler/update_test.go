package scheduler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// named is a plan of another pack.
func named(p Plan, pack string) Plan {
	p.Pack = pack
	return p
}

// update updates a Scheduler.
func update(t *testing.T, s *Scheduler, plans ...Plan) {
	t.Helper()
	if err := s.Update(plans, now()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

// slotsOf returns the due times of a pack that were published.
func (w *world) slotsOf(pack string) (dues []time.Time) {
	w.lock(func() {
		for _, t := range w.published {
			if t.Pack == pack {
				dues = append(dues, t.Due)
			}
		}
	})
	return dues
}

// TestUpdate: packs that come are caught up with, packs that go are forgotten,
// those that stay miss nothing and get nothing twice.
func TestUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		hourly := plan(t, "@every 1h")
		stays, goes, comes := named(hourly, "stays"), named(hourly, "goes"), named(hourly, "comes")
		began := time.Now().UTC()
		time.Sleep(time.Second)
		running(t, w, func(s *Scheduler) {
			for range 99 {
				time.Sleep(3 * time.Minute)
				update(t, s, stays, comes)
				time.Sleep(3 * time.Minute)
				update(t, s, stays, goes)
			}
			if _, next := s.Due("prod", "comes"); !next.IsZero() {
				t.Errorf("a pack that is gone is due at %v", next)
			}
			want := slices.Collect(hourly.Schedule.Between(began.Add(-time.Second), time.Now()))
			if diff := cmp.Diff(want, w.slotsOf("stays")); diff != "" {
				t.Errorf("published of the pack that stays (-want +got):\n%s", diff)
			}
			for _, pack := range []string{"goes", "comes"} { // each is there more than once between two slots
				if diff := cmp.Diff(want, w.slotsOf(pack)); diff != "" {
					t.Errorf("published of the pack %s (-want +got):\n%s", pack, diff)
				}
			}
			if w.gapTimes > 0 {
				t.Errorf("gaps: %v", w.gaps)
			}
			if n := len(s.queue.packs); n != 2 {
				t.Errorf("%d packs are queued", n)
			}
			update(t, s)
			n := len(w.published)
			time.Sleep(2 * time.Hour)
			if len(w.published) != n || len(s.queue.packs) != 0 {
				t.Errorf("%d slots published of no packs", len(w.published)-n)
			}
		}, stays, goes)
	})
}

// TestUpdateKeepsRetries: a pack that waits for another try of a slot gets it
// after an update, at the same time if its plan is as before, and also when its
// plan has changed and the slot is too old to be caught up with.
func TestUpdateKeepsRetries(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Plan){
		"unchanged": func(*Plan) {},
		"time-out":  func(p *Plan) { p.Timeout = 2 * time.Hour },
		"catch-up":  func(p *Plan) { p.CatchUp = time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{answer: errors.New("no stream")}
				p := plan(t, "@every 1h")
				p.CatchUp = 0
				time.Sleep(30 * time.Minute)
				running(t, w, func(s *Scheduler) {
					time.Sleep(40 * time.Minute)
					before := s.packs[p.key()]
					q := p
					change(&q)
					update(t, s, q)
					if kept := s.packs[p.key()] == before; kept != (name == "unchanged") {
						t.Errorf("kept: %v", kept)
					}
					w.lock(func() { w.answer = nil })
					time.Sleep(30 * time.Second)
					synctest.Wait()
					if n := len(w.dues()); n != 1 {
						t.Fatalf("%d published", n)
					}
					if first := w.first(); first.Deadline.Sub(first.Due) < q.Timeout {
						t.Errorf("the deadline is %s after the slot fell due", first.Deadline.Sub(first.Due))
					}
					time.Sleep(time.Hour)
				}, p)
				if len(w.dues()) != 2 || w.gapTimes != 0 {
					t.Errorf("%d published, %v", len(w.dues()), w.gaps)
				}
			})
		})
	}
}

// TestUpdateOfASchedule: from the update on, the new schedule counts; a gap that
// was still to be recorded by the old one is recorded.
func TestUpdateOfASchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "@every 1h")
		p.CatchUp = 0
		time.Sleep(30 * time.Minute)
		running(t, w, func(s *Scheduler) {
			time.Sleep(time.Hour)
			held := w.first().Slot
			w.lock(func() { w.history = []time.Time{held.Due.Add(-time.Hour)}; w.held = held })
			w.lock(func() { w.answer, w.sinkDown = &OverlapError{Held: held}, true })
			time.Sleep(time.Hour)
			q := p
			q.Schedule = plan(t, "@every 40m").Schedule
			update(t, s, q)
			w.lock(func() { w.answer, w.sinkDown = nil, false })
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if got := w.gaps[p.slot(held.Due.Add(time.Hour))]; got != fault.Overlap {
				t.Errorf("the slot that overlapped: %q", got)
			}
			last, next := s.Due(p.Source, p.Pack)
			if next.Sub(last) != 40*time.Minute {
				t.Errorf("due at %v and %v", last, next)
			}
			time.Sleep(41 * time.Minute)
			if dues := w.dues(); !slices.ContainsFunc(dues, next.Equal) {
				t.Errorf("published %v", dues)
			}
		}, p)
	})
}

// slow is a History that is not known before a time comes.
type slow struct {
	*world
	known <-chan struct{}
}

// SettledBetween implements History.
func (h slow) SettledBetween(ctx context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error] {
	select {
	case <-h.known:
		return h.world.SettledBetween(ctx, source, pack, after, until)
	case <-ctx.Done():
		return func(yield func(time.Time, error) bool) { yield(time.Time{}, ctx.Err()) }
	}
}

// TestSlowHistory: while the history is read, which can take hours, every pack
// is caught up with, the scheduler is ready, and slots are published; a pack can
// be removed. What was missed is recorded afterwards.
func TestSlowHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		var plans []Plan
		for i := range 3 * parallel {
			plans = append(plans, named(plan(t, "@every 1h"), fmt.Sprint("cp-", i)))
		}
		w.history = []time.Time{time.Now().UTC()}
		time.Sleep(5*time.Hour + time.Minute)
		o := w.options()
		o.InForce = w.planned(plans[0].Schedule)
		known := make(chan struct{})
		o.History = slow{w, known}
		s := started(t, o, plans...)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if err := s.Ready(); err != nil || len(w.dues()) != len(plans) {
			t.Errorf("%d published: %v", len(w.dues()), err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(w.dues()) != 2*len(plans) || w.gapTimes > 0 {
			t.Errorf("%d published, %d gaps", len(w.dues()), w.gapTimes)
		}
		update(t, s, plans[1:]...)
		close(known)
		synctest.Wait()
		if want := 4 * len(plans); w.gapTimes != want {
			t.Errorf("%d gaps, want %d", w.gapTimes, want)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestUpdateOfMetrics: a pack that is gone has no series.
func TestUpdateOfMetrics(t *testing.T) {
	t.Parallel()
	o := (&world{}).options()
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	p := plan(t, "0 2 * * *")
	s := started(t, o, named(p, "a"), named(p, "b"))
	update := func(want string, plans ...Plan) {
		t.Helper()
		if err := s.Update(plans, now()); err != nil {
			t.Error(err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Error(err)
		}
		for _, f := range families {
			var packs []string
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "pack" {
						packs = append(packs, l.GetValue())
					}
				}
			}
			if got := strings.Join(packs, " "); f.GetName() != "packseal_scheduler_panics_total" && got != want {
				t.Errorf("%s of %q, want %q", f.GetName(), got, want)
			}
		}
	}
	update("a b", named(p, "a"), named(p, "b"))
	update("b c", named(p, "b"), named(p, "c"))
}

// TestBeforeStart: a slot that is due and waits for its start is published then,
// though its pack gets another schedule or the process another start; it is a gap
// when the pack is taken out.
func TestBeforeStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ published, gaps int }{"changed": {2, 0}, "restarted": {2, 0}, "removed": {1, 1}} { // one from before the start
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				p := plan(t, "@every 1h")
				p.CatchUp, p.Jitter = 0, 50*time.Minute
				for i := 0; p.offset() < 20*time.Minute; i++ {
					p.Pack = fmt.Sprint("cp-", i)
				}
				time.Sleep(30 * time.Minute)
				w.inForce = cron.Timeline{{From: now(), Schedule: p.Schedule}}
				running(t, w, func(s *Scheduler) {
					time.Sleep(31 * time.Minute) // the slot was due a minute ago
					switch name {
					case "changed":
						q := p
						q.Schedule = plan(t, "30 2 * * *").Schedule
						update(t, s, q)
						time.Sleep(p.offset())
					case "removed":
						update(t, s)
					}
					synctest.Wait()
				}, p)
				if name == "restarted" {
					running(t, w, func(*Scheduler) { time.Sleep(p.offset()) }, p)
				}
				if len(w.published) != c.published || w.gapTimes != c.gaps {
					t.Errorf("published %v, gaps %v", w.published, w.gaps)
				}
			})
		})
	}
}

// TestFreeze: between Freeze and Update no slot of a pack starts that changes or leaves,
// so that none does which the next plan has not; the others go on.
func TestFreeze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		hourly := plan(t, "@every 1h")
		hourly.CatchUp = 0
		stays, changes, goes := named(hourly, "stays"), named(hourly, "changes"), named(hourly, "goes")
		time.Sleep(30 * time.Minute)
		running(t, w, func(s *Scheduler) {
			changed := changes
			changed.Schedule = plan(t, "@every 40m").Schedule
			next := []Plan{stays, changed}
			time.Sleep(30*time.Minute - time.Second)
			s.Freeze(next)
			since := now()
			time.Sleep(3 * time.Second) // the hour has come
			synctest.Wait()
			if n := len(w.published); n != 1 || w.first().Pack != "stays" {
				t.Errorf("published %v", w.published)
			}
			if err := s.Update(next, since); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := len(w.slotsOf("changes")); got != 2 || len(w.slotsOf("goes")) != 0 {
				t.Errorf("published %v", w.published)
			}
			s.Freeze(nil)
			s.Freeze(next) // it was no good
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := len(w.slotsOf("stays")); got != 3 {
				t.Errorf("published %v", w.published)
			}
			if w.gapTimes > 0 {
				t.Errorf("gaps: %v", w.gaps)
			}
		}, stays, changes, goes)
	})
}
