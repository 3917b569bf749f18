package scheduler

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/fault"
)

// TestYear: every slot of a year is published, once, at its time.
func TestYear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := plan(t, "30 2 * * *")
		p.CatchUp = 0
		begin := time.Now()
		running(t, w, func(*Scheduler) {
			time.Sleep(366 * 24 * time.Hour)
			synctest.Wait()
		}, p)
		want := slices.Collect(p.Schedule.Between(begin, time.Now()))
		var got []time.Time
		for _, task := range w.published {
			got = append(got, task.Due)
			if late := task.Deadline.Sub(task.Due.Add(p.Timeout)); late < 0 || late > time.Second {
				t.Errorf("%s was published %s late", task.ID(), late)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) < 365 {
			t.Errorf("published %d (-want +got):\n%s", len(got), diff)
		}
		if len(w.gaps) > 0 {
			t.Errorf("gaps: %v", w.gaps)
		}
	})
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records   []int // days ago, of settled slots
		held      int   // days ago, of the slot in the queue
		catchUp   time.Duration
		since     int
		published []int
		gaps      []int
	}{
		"first start":           {catchUp: 24 * time.Hour, published: []int{0}},
		"first start, too late": {catchUp: time.Hour},
		"nothing missed":        {records: []int{1, 0}, catchUp: 24 * time.Hour},
		"one missed":            {records: []int{1}, catchUp: 24 * time.Hour, published: []int{0}},
		"several missed":        {records: []int{4}, catchUp: 24 * time.Hour, published: []int{0}, gaps: []int{3, 2, 1}},
		"missed, beyond":        {records: []int{2}, catchUp: time.Hour, gaps: []int{1, 0}},
		"a hole in between":     {records: []int{4, 2, 1, 0}, catchUp: 24 * time.Hour, gaps: []int{3}},
		"held by the queue":     {records: []int{3}, held: 1, catchUp: 24 * time.Hour, published: []int{0}, gaps: []int{2}},
		"not from before since": {records: []int{5}, since: 2, catchUp: 24 * time.Hour, published: []int{0}, gaps: []int{2, 1}},
		"never made up for":     {records: []int{1}, catchUp: 0, gaps: []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := plan(t, "0 1 * * *")
				time.Sleep(30*24*time.Hour + 12*time.Hour)
				today, _ := p.Schedule.Latest(time.Now().Add(-24*time.Hour), time.Now())
				ago := func(days int) time.Time { return today.AddDate(0, 0, -days) }
				w := &world{}
				for _, days := range c.records {
					w.history = append(w.history, ago(days))
				}
				if c.held > 0 {
					w.held = p.slot(ago(c.held))
				}
				if c.since > 0 {
					p.Since = ago(c.since)
				}
				p.CatchUp = c.catchUp
				running(t, w, func(s *Scheduler) {
					if err := s.Ready(); err != nil {
						t.Errorf("not ready: %v", err)
					}
				}, p)
				var published []time.Time
				for _, task := range w.published {
					published = append(published, task.Due)
				}
				var wantPublished []time.Time
				for _, days := range c.published {
					wantPublished = append(wantPublished, ago(days))
				}
				if diff := cmp.Diff(wantPublished, published); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
				if w.gapTimes != len(c.gaps) {
					t.Errorf("%d gaps: %v", w.gapTimes, w.gaps)
				}
				for _, days := range c.gaps {
					if got := w.gaps[p.slot(ago(days))]; got != fault.Missed {
						t.Errorf("the slot %d days ago: %q", days, got)
					}
				}
			})
		})
	}
}

// TestSinkDown: slots go on while history and gaps have to wait, and both are
// made up for when the sink is back.
func TestSinkDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, "@every 1h")
		p.CatchUp = 0
		w := &world{sinkDown: true}
		time.Sleep(72*time.Hour + time.Minute)
		w.history = []time.Time{time.Now().Add(-3*time.Hour - time.Minute).UTC()}
		running(t, w, func(s *Scheduler) {
			time.Sleep(2 * time.Hour)
			w.lock(func() {
				if len(w.published) != 2 || w.gapTimes != 0 {
					t.Errorf("%d published, %d gaps while the sink is down", len(w.published), w.gapTimes)
				}
				w.sinkDown = false
			})
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			w.lock(func() {
				if w.gapTimes != 3 {
					t.Errorf("%d gaps after the sink is back: %v", w.gapTimes, w.gaps)
				}
			})
		}, p)
	})
}

func TestOverlapAndQueueTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, "@every 1h")
		p.CatchUp = 0
		w := &world{answer: errors.New("no stream")}
		time.Sleep(time.Minute)
		running(t, w, func(s *Scheduler) {
			time.Sleep(time.Hour)
			w.lock(func() { w.answer = nil })
			time.Sleep(10 * time.Second)
			w.lock(func() {
				if len(w.published) != 1 {
					t.Errorf("%d published after the queue is back", len(w.published))
				}
				w.answer = &OverlapError{Held: w.published[0].Slot}
			})
			time.Sleep(time.Hour)
			synctest.Wait()
			_, next := s.Due("prod", "cp-1")
			w.lock(func() {
				if len(w.gaps) != 1 || w.gaps[p.slot(next.Add(-time.Hour))] != fault.Overlap {
					t.Errorf("gaps: %v", w.gaps)
				}
				w.answer = &OverlapError{Held: w.published[0].Slot, Paused: "alice paused it"}
			})
			time.Sleep(time.Hour)
			synctest.Wait()
			w.lock(func() {
				if len(w.gaps) != 2 || w.gaps[p.slot(next)] != fault.Paused {
					t.Errorf("gaps: %v", w.gaps)
				}
			})
		}, p)
	})
}

// TestFell: what fell due follows from the wall clock, wherever it jumps.
func TestFell(t *testing.T) {
	t.Parallel()
	p := plan(t, "@every 1h")
	p.Jitter = 30 * time.Minute
	at := newPack(p, time.Unix(0, 0))
	cursor := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		now    time.Time // by the clock, which may be off
		latest time.Time
		late   time.Duration
	}{
		"nothing yet":         {now: p.Start(cursor)},
		"set back":            {now: cursor.Add(-10 * time.Hour)},
		"set back to nothing": {now: time.Unix(0, 0)},
		"due, not started":    {now: cursor.Add(time.Hour)},
		"a second early":      {now: p.Start(cursor.Add(time.Hour)).Add(-1)},
		"started":             {now: p.Start(cursor.Add(time.Hour)), latest: cursor.Add(time.Hour)},
		"a little late":       {now: p.Start(cursor.Add(time.Hour)).Add(time.Minute), latest: cursor.Add(time.Hour), late: time.Minute},
		"after a suspend":     {now: p.Start(cursor.Add(72 * time.Hour)), latest: cursor.Add(72 * time.Hour)},
	} {
		latest, late, ok := at.fell(cursor, c.now)
		if ok == c.latest.IsZero() || !latest.Equal(c.latest) || ok && late != c.late {
			t.Errorf("%s: %v, %v late, %v; want %v, %v late", name, latest, late, ok, c.latest, c.late)
		}
	}
}

func TestMetricsAreMadeAtStart(t *testing.T) {
	t.Parallel()
	w := &world{}
	o := w.options()
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	started(t, o, plan(t, "0 2 * * *"))
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 5 {
		t.Errorf("%d series, %v", n, err)
	}
}

// TestManyAtOnce: a panic of one pack leaves the others alone.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		plans := make([]Plan, 2000)
		for i := range plans {
			plans[i] = plan(t, "@every 1h")
			plans[i].Pack = "cp-" + string(rune('a'+i%26)) + time.Duration(i).String()
			plans[i].CatchUp, plans[i].Jitter = 0, 10*time.Minute
		}
		time.Sleep(30 * time.Minute)
		o := w.options()
		publish := o.Publish
		var panicked atomic.Bool
		o.Publish = func(ctx context.Context, task Task) error {
			if panicked.CompareAndSwap(false, true) {
				panic("at the disco")
			}
			return publish(ctx, task)
		}
		s := started(t, o, plans...)
		ctx, stop := context.WithTimeout(t.Context(), 75*time.Minute)
		defer stop()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if len(w.published) != len(plans) || !panicked.Load() {
			t.Errorf("%d of %d published", len(w.published), len(plans))
		}
	})
}

func TestStart(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	starts := make(map[time.Time]bool)
	for i := range 1000 {
		p := Plan{Source: "prod", Pack: "cp-" + time.Duration(i).String(), Jitter: 10 * time.Minute}
		start := p.Start(due)
		if late := start.Sub(due); late < 0 || late >= p.Jitter || start.Nanosecond() != 0 || p.Start(due) != start {
			t.Errorf("%s starts %v late", p.Pack, late)
		}
		starts[start] = true
	}
	if len(starts) < 400 { // of 600
		t.Errorf("1,000 packs start in %d different seconds", len(starts))
	}
	if p := (Plan{Source: "prod", Pack: "cp-1"}); p.Start(due) != due {
		t.Errorf("without jitter, it starts at %v", p.Start(due))
	}
}
