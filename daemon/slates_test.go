package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/ledger/tree"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
	"packseal.example/test/lab"
)

// slated reports whether a daemon has logged all slates that it has to for now.
func slated(log *lab.Buffer) bool { return strings.Contains(log.String(), `"msg":"slates logged"`) }

// slates returns the slates of a ledger, by when they begin, and the SHA-256 of its last
// plan. Nothing may be left out, and each slate must begin where the one before ends.
func slates(t testing.TB, l *ledger.Ledger) (all []evidence.Slate, plan string) {
	t.Helper()
	problems, err := slate.Unslated(t.Context(), l.Entries(t.Context()), l, time.Now())
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for e := range l.Entries(t.Context()) {
		if e.Kind() == tree.Plan {
			plan, _, _ = strings.Cut(e.String(), " ")
		}
		if e.Kind() != tree.Slate {
			continue
		}
		raw, err := l.ReadRecord(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		s, err := evidence.DecodeSlate(raw, e.Key)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b evidence.Slate) int { return a.From.Compare(b.From) })
	for i, s := range all {
		if i > 0 && !s.From.Equal(all[i-1].Until) {
			t.Errorf("a slate from %s follows one until %s", s.From, all[i-1].Until)
		}
	}
	return all, plan
}

// TestSlates: when the ledger begins, the plan in force is logged, and slates that reach
// a day ahead. A changed schedule is logged at once, however long the interval is, and a
// restart goes on where the slates end. A plan that somebody put beside the ledger is not
// logged, and nothing falls due by it.
func TestSlates(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint}
	path := s.Write(t)
	var log lab.Buffer
	d := start(t, path, &log)
	d.await(t, 1)
	reload := func() {
		t.Helper()
		s.Write(t)
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.More = strings.Replace(withLedger(t, dir, ledgerOrigin), "1s", "1d", 1)
	reload()
	lab.Eventually(t, "there are slates", func() bool { st := d.ledgerStatus(t); return slated(&log) && st.Owed == 0 })
	l := ledgerOf(t, path)
	before, plan := slates(t, l)
	if n := kinds(t, l); n[tree.Plan] != 1 || len(before) > 3 || before[0].Plan != plan || time.Until(before[len(before)-1].Until) < 24*time.Hour {
		t.Errorf("the ledger has %v, the slates %+v", n, before)
	}

	size := l.Status().Checkpoint.Size // the daemon may not have followed so far
	s.Defaults = strings.Replace(lab.Yearly, "0 0 1 1 *", "@every 30d", 1)
	reload()
	lab.Eventually(t, "the daemon has logged the next plan", func() bool { st := d.ledgerStatus(t); return st.Size > size && st.Owed == 0 })
	if n := kinds(t, ledgerOf(t, path)); n[tree.Plan] != 2 {
		t.Errorf("the ledger has %v", n)
	}
	d.stop()
	thiefs, err := evidence.NewPlan([]evidence.PlannedPack{{Pack: lab.Pack, Schedule: "@every 1s", Source: "prod", Zone: "UTC"}}, time.Now().UTC().Truncate(time.Second), "thief/1")
	if err != nil {
		t.Fatal(err)
	}
	key, raw, err := thiefs[0].Encode()
	if err == nil {
		err = l.Sinks[0].Put(t.Context(), key, sink.Bytes(raw))
	}
	if err != nil {
		t.Fatal(err)
	}
	d = start(t, path, &log)
	lab.Eventually(t, "the planted plan is passed over", func() bool {
		return strings.Contains(log.String(), `"msg":"plan without an entry in the ledger passed over"`) && d.ledgerStatus(t).Owed == 0
	})
	d.stop()
	if n := kinds(t, ledgerOf(t, path)); n[tree.Plan] != 2 {
		t.Errorf("with a planted plan, the ledger has %v", n)
	}
	after, _ := slates(t, ledgerOf(t, path))
	if len(after) != len(before) || after[0].From != before[0].From {
		t.Errorf("after a restart there are %d slates, and were %d", len(after), len(before))
	}
}
