package plans_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// daily is a plan of packs that fall due each day.
func daily(packs ...string) (planned []evidence.PlannedPack) {
	for _, p := range packs {
		planned = append(planned, evidence.PlannedPack{Source: "prod", Pack: p, Schedule: "0 2 * * *", Zone: "Asia/Shanghai"})
	}
	return planned
}

// running is a store that runs.
type running struct {
	*plans.Store
	t    *testing.T
	dir  string
	log  *bytes.Buffer
	stop context.CancelFunc
}

func open(t *testing.T, dir string) *running {
	t.Helper()
	var log bytes.Buffer
	b, err := plans.Open(plans.Options{Dir: dir, Tool: "packseal/test", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go b.Run(ctx) //nolint:errcheck // it has none
	return &running{b, t, dir, &log, stop}
}

// adopt puts a plan into force, and waits until nothing happens any more.
func (b *running) adopt(a plans.Archive, packs ...string) (since time.Time) {
	b.t.Helper()
	since, err := b.Adopt(a, daily(packs...), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	return since
}

// waiting is how many plans are on their way.
func (b *running) waiting() int {
	names, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(names)
}

// recorded returns the plans of a store, the oldest first.
func (s *store) recorded() (all []evidence.Plan) {
	for _, p := range s.plans {
		all = append(all, p)
	}
	slices.SortFunc(all, func(p, q evidence.Plan) int { return p.Since.Compare(q.Since) })
	return all
}

// TestStore: a plan is recorded when it changes, and not else; of those of one second
// the last.
func TestStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), open(t, dir)
		if since := b.adopt(s, "cp-1"); len(s.plans) != 1 || b.waiting() != 0 || !s.recorded()[0].Since.Equal(since) {
			t.Errorf("recorded %v, %d are on their way", s.plans, b.waiting())
		}
		b.adopt(s, "cp-1")
		b.stop()
		b = open(t, dir)
		b.adopt(s, "cp-1")
		b.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		b = open(t, dir)
		b.adopt(s, "cp-1")
		if len(s.plans) != 1 {
			t.Errorf("the same plan was recorded again: %v", s.plans)
		}
		for _, pack := range []string{"cp-2", "cp-3", "cp-4"} {
			if _, err := b.Adopt(s, daily(pack), nil); err != nil {
				t.Fatal(err)
			}
		}
		since := b.adopt(s, "cp-1", "cp-5")
		if all := s.recorded(); len(all) != 2 || len(all[1].Packs) != 2 || !all[1].Since.Equal(since) {
			t.Errorf("recorded %v", all)
		}
		past, first, err := b.InForce(t.Context(), "prod", "cp-1")
		if err != nil || !first || len(past) != 1 {
			t.Errorf("cp-1 was scheduled %v, %t, %v", past, first, err)
		}
		past, first, err = b.InForce(t.Context(), "prod", "cp-5")
		if err != nil || first || len(past) != 1 || !past[0].From.Equal(since) {
			t.Errorf("cp-5 was scheduled %v, %t, %v", past, first, err)
		}
		b.stop()
	})
}

// TestSinks: a pack that left is kept where its last plan says.
func TestSinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), open(t, filepath.Join(dir, "1"))
		for _, names := range [][]string{{"primary", "mirror"}, {"primary"}} {
			packs := daily("cp-1", "cp-2")
			packs[0].Sinks = names
			if _, err := b.Adopt(s, packs, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		b.adopt(s, "cp-2")
		b.stop()
		b = open(t, filepath.Join(dir, "2"))
		b.adopt(s, "cp-2")
		for pack, want := range map[string][]string{"cp-1": {"primary"}, "cp-2": nil} {
			if names, ok := b.Sinks(t.Context(), evidence.Ref("prod", pack)); !ok || !slices.Equal(names, want) {
				t.Errorf("%s is kept in %v, %t; want %v", pack, names, ok, want)
			}
		}
		if names, ok := b.Sinks(t.Context(), evidence.Ref("prod", "cp-3")); ok {
			t.Errorf("a pack that no plan has is kept in %v", names)
		}
		b.stop()
	})
}

// TestOpenSource: of a source whose packs are not all known yet, the plan keeps what it
// has, also if the state folder is new; once they are known, only those that are
// planned.
func TestOpenSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), open(t, filepath.Join(dir, "1"))
		if _, err := b.Adopt(s, nil, map[string]bool{"prod": true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(s.plans) > 0 {
			t.Errorf("before anything is known, it is recorded: %v", s.plans)
		}
		b.adopt(s, "cp-1", "cp-2")
		b.stop()
		b = open(t, filepath.Join(dir, "2"))
		elsewhere := evidence.PlannedPack{Source: "other", Pack: "cp-9", Schedule: "0 2 * * *", Zone: "UTC"}
		for _, packs := range [][]evidence.PlannedPack{nil, daily("cp-1"), {elsewhere}} { // the last one with a pack that is new
			if _, err := b.Adopt(s, packs, map[string]bool{"prod": true}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if past, _, err := b.InForce(t.Context(), "prod", "cp-2"); err != nil || len(past) != 1 {
				t.Errorf("with %v, cp-2 was scheduled %v, %v", packs, past, err)
			}
		}
		if all := s.recorded(); len(all) != 2 || len(all[1].Packs) != 3 || strings.Contains(b.log.String(), "another plan") {
			t.Errorf("recorded %v\n%s", all, b.log)
		}
		b.adopt(s, "cp-1")
		if past, _, err := b.InForce(t.Context(), "prod", "cp-2"); err != nil || len(past) != 2 {
			t.Errorf("cp-2 was scheduled %v, %v", past, err)
		}
		b.stop()
	})
}

// TestStoreDown: while no sink can be asked, plans come into force all the same, and
// nothing is said of the past; they are recorded as of then.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.down = true
		b := open(t, dir)
		first := b.adopt(s, "cp-1")
		if _, _, err := b.InForce(t.Context(), "prod", "cp-1"); fault.Of(err) != fault.SinkUnavailable {
			t.Errorf("nobody was asked: %v", err)
		}
		time.Sleep(time.Hour)
		second := b.adopt(s, "cp-2")
		b.stop()
		time.Sleep(time.Hour)
		b = open(t, dir)
		b.adopt(s, "cp-2")
		if n := b.waiting(); n != 2 {
			t.Errorf("%d plans are on their way", n)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		all := s.recorded()
		if len(all) != 2 || !all[0].Since.Equal(first) || !all[1].Since.Equal(second) || b.waiting() != 0 {
			t.Errorf("recorded %v, %d are on their way", all, b.waiting())
		}
		if left, err := b.Left(t.Context()); err != nil || len(left) != 1 || !left[evidence.Ref("prod", "cp-1")].Equal(second) {
			t.Errorf("left: %v, %v", left, err)
		}
		b.stop()
	})
}

// TestStoreOfTheFuture: a plan that comes into force in the far future, planted or by a
// clock that was wrong, does not keep any other one waiting.
func TestStoreOfTheFuture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, b := newStore(), open(t, dir)
		b.adopt(s, "cp-1")
		planted, err := evidence.NewPlan(nil, time.Now().AddDate(70, 0, 0).Truncate(time.Second), "packseal/evil")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PutPlan(t.Context(), planted[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if all, pending, err := b.Recorded(t.Context()); err != nil || pending || len(all) != 1 {
			t.Errorf("recorded %v, others are on their way: %t, %v", all, pending, err)
		}
		since := b.adopt(s, "cp-2")
		if all, pending, err := b.Recorded(t.Context()); err != nil || pending || len(all) != 2 || time.Since(since) > time.Minute {
			t.Errorf("recorded %v, others are on their way: %t, %v", all, pending, err)
		}
		if !strings.Contains(b.log.String(), "plan of the future passed over") {
			t.Error("it is not logged")
		}
		b.stop()
	})
}

// TestStoreOfOthers: replicas with different files put theirs into force in turn, and
// those that agree again leave the last.
func TestStoreOfOthers(t *testing.T) {
	t.Parallel()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a, b := open(t, dirs[0]), open(t, dirs[1])
		a.adopt(s, "cp-1")
		b.adopt(s, "cp-1")
		if len(s.plans) != 1 {
			t.Errorf("replicas that agree recorded %v", s.plans)
		}
		b.adopt(s, "cp-2")
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if n := len(s.plans); n < 3 || n > 4 || !strings.Contains(a.log.String(), "another plan is in force") {
			t.Errorf("%d plans are recorded: %s", n, a.log)
		}
		a.adopt(s, "cp-2")
		before := len(s.plans)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		all := s.recorded()
		if last := all[len(all)-1]; len(all) > before+1 || last.Packs[0].Pack != "cp-2" {
			t.Errorf("of %d plans, %v is the last", len(all), last)
		}
		a.stop()
		b.stop()
	})
}

// another is a store of another name.
type another struct{ *store }

func (another) Identity() string { return "another" }

// TestStoreMoves: in another archive nothing was due before the plan.
func TestStoreMoves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, next := newStore(), another{newStore()}
		b := open(t, dir)
		b.adopt(s, "cp-1")
		time.Sleep(time.Hour)
		since := b.adopt(next, "cp-1")
		if past, _, err := b.InForce(t.Context(), "prod", "cp-1"); err != nil || len(past) != 1 || !past[0].From.Equal(since) || len(next.plans) != 1 {
			t.Errorf("it was scheduled %v, %v; recorded %v", past, err, next.plans)
		}
		b.stop()
	})
}

// TestOpenDamaged: a file that is no plan is told of and left alone.
func TestOpenDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"20260101T000000Z-000000000000.json": "{", "notes.txt": "mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, dir)
	b.stop()
	if b.waiting() != 2 || !strings.Contains(b.log.String(), "plan not readable") {
		t.Errorf("%d files: %s", b.waiting(), b.log)
	}
}

// TestTimelines: a part of a plan that is missing takes no pack out.
func TestTimelines(t *testing.T) {
	t.Parallel()
	records := make(map[string]evidence.Plan)
	add := func(p evidence.Plan) {
		key, _, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		records[key] = p
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return at.Add(time.Duration(n) * time.Hour) }
	add(evidence.Plan{Packs: daily("cp-1", "cp-2", "cp-3"), Schema: evidence.PlanSchema, Since: hour(0)})
	add(evidence.Plan{Packs: daily("cp-1"), Part: 1, Parts: 2, Schema: evidence.PlanSchema, Since: hour(1)})
	add(evidence.Plan{Packs: daily("cp-1"), Part: 1, Parts: 2, Schema: evidence.PlanSchema, Since: hour(2)})
	add(evidence.Plan{Packs: daily("cp-2"), Part: 2, Parts: 2, Schema: evidence.PlanSchema, Since: hour(2)})
	odd := daily("cp-1")
	odd[0].Zone = "Mars/Olympus"
	add(evidence.Plan{Packs: odd, Schema: evidence.PlanSchema, Since: hour(3)})
	all := plans.Timelines(records)
	s, err := cron.Parse("0 2 * * *", "Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for pack, want := range map[string]cron.Timeline{
		"cp-1": {{From: hour(0), Schedule: s}, {From: hour(3)}},
		"cp-2": {{From: hour(0), Schedule: s}, {From: hour(3)}},
		"cp-3": {{From: hour(0), Schedule: s}, {From: hour(2)}},
	} {
		got := all[evidence.Ref("prod", pack)]
		if !slices.EqualFunc(got, want, func(x, y cron.Period) bool {
			return x.From.Equal(y.From) && x.Schedule.String() == y.Schedule.String() && x.Schedule.Zone() == y.Schedule.Zone()
		}) {
			t.Errorf("%s: %v, want %v", pack, got, want)
		}
	}
}
