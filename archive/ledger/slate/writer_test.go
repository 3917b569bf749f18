package slate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestWriterDays: over ten days slates are contiguous, reach a day ahead at any time,
// and there is about one a day. The first one is short.
func TestWriterDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		key := s.plan(t, planned("cp-1", "0 2 * * *"), planned("cp-2", "0 */6 * * *"))
		time.Sleep(30*time.Hour + 10*time.Minute) // the ledger begins later
		began := time.Now().UTC()
		r := s.replica(t)
		ctx, stop := context.WithCancel(t.Context())
		var leads atomic.Bool
		done := make(chan error)
		go func() { done <- r.Run(ctx, leads.Load) }()
		time.Sleep(time.Hour)
		if got := r.entries(); len(got) > 0 {
			t.Errorf("a replica that does not lead has logged %v", got)
		}
		leads.Store(true)
		began = began.Add(time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 10 * 24 {
			time.Sleep(time.Hour)
			r.reaches(r.contiguous())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		all := r.contiguous()
		if n := len(all); n > 14 || all[0].From.Before(began) || all[0].From.After(began.Add(time.Minute)) || all[0].Until.Sub(all[0].From) != 2*time.Hour {
			t.Errorf("%d slates, the first %+v", n, all[0])
		}
		h := plans.NewHistory(s.plans, nil)
		var want []time.Time
		for slot := range h.Expected(all[0].From, all[len(all)-1].Until) {
			if n := len(want); n == 0 || !want[n-1].Equal(slot.Due) {
				want = append(want, slot.Due)
			}
		}
		if d := cmp.Diff(want, promised(all)); d != "" {
			t.Error(d)
		}
		if got := r.entries()[0].Key; got != key {
			t.Errorf("the first entry is %s", got)
		}
	})
}

// TestWriterDowntime: what fell due while nothing ran is said in late slates, by the
// plan that was in force then; nothing is left out, also by a new process.
func TestWriterDowntime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		s.plan(t, planned("cp-1", "0 2 * * *"))
		time.Sleep(2 * time.Hour)
		r := s.replica(t)
		r.write()
		last := r.contiguous()
		until := last[len(last)-1].Until

		time.Sleep(4 * 24 * time.Hour)
		s.plan(t, planned("cp-1", "0 */4 * * *"))
		time.Sleep(30 * time.Minute)
		r.write() // only so that the ledger has the plan
		change := plans.NewHistory(s.plans, nil)[1].From
		all := r.contiguous()
		r.reaches(all)
		late := slices.DeleteFunc(slices.Clone(all), func(s evidence.Slate) bool { return s.From.Before(until) })[:2]
		if now := time.Now().UTC().Truncate(time.Second); !late[0].Until.Equal(change.Add(-time.Second)) || !late[1].Until.Equal(now) || late[0].Plan == late[1].Plan {
			t.Errorf("the late slates are %+v", late)
		}

		time.Sleep(4 * 24 * time.Hour)
		fresh := s.replica(t)
		fresh.write()
		all = fresh.contiguous()
		fresh.reaches(all)
		for _, p := range promised(all) {
			if p.Before(change) && p.Hour() != 2 || !p.Before(change) && p.Hour()%4 != 0 {
				t.Errorf("a slate says %s; the schedule changed at %s", p, change)
			}
		}
	})
}

// TestWriterDense: with dense schedules slates reach less far at first, and never fall
// behind.
func TestWriterDense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		zones []string        // each has a schedule of each second
		want  []time.Duration // how far slates reach at least, after each round
	}{
		{"each second", []string{"UTC"}, []time.Duration{25 * time.Hour}},
		{"three schedules of each second", []string{"UTC", "Asia/Shanghai", "Europe/Berlin"}, []time.Duration{9 * time.Hour, 17 * time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShared(t)
				var packs []evidence.PlannedPack
				for _, zone := range c.zones {
					packs = append(packs, evidence.PlannedPack{Source: "prod", Pack: "cp-" + strings.ToLower(zone[:2]), Schedule: "* * * * * *", Zone: zone})
				}
				s.plan(t, packs...)
				time.Sleep(time.Second)
				r := s.replica(t)
				for i, want := range c.want {
					wait := r.write()
					var until time.Time
					for _, e := range r.entries() {
						if end, _ := evidence.SlateUntil(e.Key); end.After(until) {
							until = end
						}
					}
					if left := time.Until(until); left < want || wait > left/2 {
						t.Errorf("after round %d slates reach %s ahead; the next one is in %s", i+1, left, wait)
					}
					time.Sleep(wait)
				}
				r.contiguous()
			})
		})
	}
}

// TestWriterRenews: the plan in force is recorded anew each week, and when it changes
// the week begins again; a new process does the same.
func TestWriterRenews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, began := newShared(t), time.Now()
		s.plan(t, planned("cp-1", "0 2 * * *"))
		time.Sleep(time.Second)
		for round, days := range []int{10, 8, 20} {
			if round == 1 {
				s.plan(t, planned("cp-1", "0 3 * * *"))
			}
			r := s.replica(t)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- r.Run(ctx, func() bool { return true }) }()
			time.Sleep(time.Duration(days) * 24 * time.Hour)
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			r.reaches(r.contiguous())
			s.plans = r.all()
		}
		var changes []string
		for _, p := range plans.NewHistory(s.plans, nil) {
			if len(p.Packs) != 1 || !p.Whole {
				t.Errorf("the plan of %s is %+v", p.Since, p.Packs)
			}
			changes = append(changes, fmt.Sprint(int(p.Since.Sub(began).Hours()/24), " ", p.Packs[0].Schedule))
		}
		want := []string{"0 0 2 * * *", "7 0 2 * * *", "10 0 3 * * *", "17 0 3 * * *", "24 0 3 * * *", "31 0 3 * * *"}
		if d := cmp.Diff(want, changes); d != "" {
			t.Error(d)
		}
		if n := len(plans.Timelines(s.plans)[evidence.Ref("prod", "cp-1")]); n != 2 {
			t.Errorf("the pack was scheduled in %d ways", n)
		}
	})
}

// TestWriters: of two that write at once, most slates are the same, and together they
// leave nothing out.
func TestWriters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		s.plan(t, planned("cp-1", "0 */6 * * *"))
		time.Sleep(time.Minute)
		a, b := s.replica(t), s.replica(t)
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		for _, r := range []*replica{a, b} {
			go func() { done <- r.Run(ctx, func() bool { return true }) }()
			time.Sleep(time.Second)
		}
		time.Sleep(5 * 24 * time.Hour)
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		all := a.slates()
		a.reaches(all)
		if len(all) > 10 {
			t.Errorf("there are %d slates", len(all))
		}
		var windows []slate.Span
		for _, s := range all {
			windows = append(windows, slate.Window(s))
		}
		if gaps := slate.Gaps(windows); gaps != nil {
			t.Errorf("they leave out %v", gaps)
		}
		seen := make(map[string]bool)
		for _, e := range a.entries() {
			if seen[e.Key] {
				t.Errorf("%s was logged twice", e.Key)
			}
			seen[e.Key] = true
		}
	})
}

// TestWriterTrustsLedger: a slate and a plan that lie in the sink and are not logged, and
// a slate that was logged and can't be read, do not say how far slates reach.
func TestWriterTrustsLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		planted := s.plan(t, planned("cp-9", "0 3 * * *"))
		time.Sleep(time.Hour)
		s.plan(t, planned("cp-1", "0 2 * * *"))
		time.Sleep(time.Hour)
		now := time.Now().UTC()
		s.put(t, evidence.Slate{Due: []evidence.SlateDue{}, From: now, Until: now.AddDate(1, 0, 0), Tool: "thief"})
		r := s.replica(t)
		r.write()
		all := r.contiguous()
		if r.reaches(all); all[len(all)-1].Until.After(now.Add(3 * 24 * time.Hour)) {
			t.Errorf("the last slate is %+v", all[len(all)-1])
		}
		if slices.ContainsFunc(r.entries(), func(e tree.Entry) bool { return e.Key == planted }) {
			t.Error("a plan that is not in force and lay in the sink was logged")
		}

		last := all[len(all)-1]
		key, _, _ := last.Encode()
		s.lost[key] = true
		fresh := s.replica(t)
		fresh.write()
		again := make(map[string]bool)
		var until time.Time
		for _, e := range fresh.entries() {
			if again[e.Key] {
				t.Errorf("%s was logged twice", e.Key)
			}
			again[e.Key] = true
			if end, _ := evidence.SlateUntil(e.Key); end.After(until) && !fresh.lacks(e.Key) {
				until = end
			}
		}
		if want := last.Until.Add(-time.Second); !until.Equal(want) {
			t.Errorf("after the last slate is lost they reach to %s, not %s", until, want)
		}
	})
}

// put puts a record into the sink.
func (s *shared) put(t *testing.T, r evidence.Named) {
	t.Helper()
	key, raw, err := r.Encode()
	if err == nil {
		err = s.Put(t.Context(), key, sink.Bytes(raw))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lacks reports whether the sink has nothing under a key.
func (r *replica) lacks(key string) bool {
	_, err := sink.ReadAll(r.t.Context(), r.on, key, evidence.MaxRecord)
	return err != nil
}

// TestWriterConflict: who knows the plan knows under which key the next slate is to lie;
// something else there does not keep it away.
func TestWriterConflict(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		s.plan(t, planned("cp-1", "0 2 * * *"))
		time.Sleep(time.Minute)
		first, err := slate.Next(plans.NewHistory(s.plans, nil), time.Now(), time.Now().Add(2*time.Hour), "packseal/test")
		if err != nil {
			t.Fatal(err)
		}
		key, _, err := first.Encode()
		if err == nil {
			err = s.Put(t.Context(), key, sink.Bytes([]byte("nothing is due")))
		}
		if err != nil {
			t.Fatal(err)
		}
		r := s.replica(t)
		r.write()
		all := r.contiguous()
		if r.reaches(all); !all[0].From.Equal(first.From) || !all[0].Until.Equal(first.Until.Add(-time.Second)) {
			t.Errorf("the first slate is %+v", all[0])
		}
	})
}

// TestWriterWaits: without a plan nothing is written; while the sink takes nothing
// neither, and what is owed then is what is logged when it does.
func TestWriterWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		r := s.replica(t)
		r.write()
		if got := r.entries(); len(got) > 0 {
			t.Errorf("without a plan the ledger has %v", got)
		}
		s.plan(t, planned("cp-1", "0 2 * * *"))
		time.Sleep(time.Second)
		r.write()
		for _, away := range []time.Duration{0, 5 * 24 * time.Hour} {
			time.Sleep(away)
			s.plan(t, planned("cp-1", fmt.Sprintf("0 %d * * *", away/time.Hour%24+3)))
			time.Sleep(time.Second)
			for _, taken := range []string{"packseal-ledger/plan/", ""} {
				s.takes = taken
				s.down = true
				for range 3 {
					time.Sleep(time.Minute)
					if _, err := r.Write(t.Context()); err != nil && fault.Of(err) != fault.SinkUnavailable {
						t.Errorf("while the sink is down: %v", err)
					}
				}
			}
			s.down = false
			r.write()
			r.reaches(r.contiguous())
			if owed := r.ledger.Status().Owed; owed > 0 {
				t.Errorf("%d entries are owed", owed)
			}
		}
	})
}
