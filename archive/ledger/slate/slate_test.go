package slate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/plans"
	"packseal.example/archive/plans/planstest"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// What the tests make plans of.
var day, planned, records = planstest.Day, planstest.Planned, planstest.Records

func history(t testing.TB, all map[time.Time][]evidence.PlannedPack) plans.History {
	t.Helper()
	return plans.NewHistory(records(t, all), nil)
}

// next makes a slate that must be right: it can be encoded and read back, and equals its
// plan.
func next(t *testing.T, h plans.History, from, until time.Time) evidence.Slate {
	t.Helper()
	s, err := slate.Next(h, from, until, "packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	key, raw, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.DecodeSlate(raw, key); err != nil { // it has compared the bytes
		t.Errorf("%s: %v", raw, err)
	}
	p, ok := h.Find(s.Plan)
	if !ok {
		t.Fatalf("no plan has the sum %s", s.Plan)
	}
	for d := range slate.Check(s, p) {
		t.Error(d)
	}
	return s
}

func TestNext(t *testing.T) {
	t.Parallel()
	noon, shanghai := planned("cp-1", "0 12 * * *"), planned("cp-2", "0 2 * * *")
	shanghai.Zone = "Asia/Shanghai"
	late, early := planned("cp-3", "0 6 * * *"), planned("cp-4", "0 6 * * *")
	early.Until, late.Since = day(1, 6, 0, 0), day(3, 6, 0, 0)
	h := history(t, map[time.Time][]evidence.PlannedPack{
		day(1, 0, 0, 0):  {noon, shanghai, planned("cp-9", "0 12 * * *"), late, early},
		day(10, 0, 0, 0): {shanghai},
		day(11, 0, 0, 0): {},
	})
	at := func(due ...string) (out []evidence.SlateDue) {
		out = []evidence.SlateDue{}
		for _, d := range due {
			var dd, hh int
			var zone, spec string
			if _, err := fmt.Sscanf(d, "%d %d %s %q", &dd, &hh, &zone, &spec); err != nil {
				t.Fatal(err)
			}
			if n := len(out); n > 0 && out[n-1].Schedule == spec {
				out[n-1].Times = append(out[n-1].Times, day(dd, hh, 0, 0))
				continue
			}
			out = append(out, evidence.SlateDue{Schedule: spec, Times: []time.Time{day(dd, hh, 0, 0)}, Zone: zone})
		}
		return out
	}
	for _, c := range []struct {
		name             string
		from, until, end time.Time
		due              []evidence.SlateDue
	}{
		{
			"each schedule once, and a pack's bounds", day(1, 1, 0, 0), day(3, 12, 0, 0), day(3, 12, 0, 0),
			at(`1 12 UTC "0 12 * * *"`, `2 12 UTC "0 12 * * *"`, `3 12 UTC "0 12 * * *"`, `1 18 Asia/Shanghai "0 2 * * *"`, `2 18 Asia/Shanghai "0 2 * * *"`, `1 6 UTC "0 6 * * *"`, `3 6 UTC "0 6 * * *"`),
		},
		{"from is not in the window", day(2, 12, 0, 0), day(2, 17, 0, 0), day(2, 17, 0, 0), at()},
		{"it ends with the plan", day(9, 13, 0, 0), day(12, 0, 0, 0), day(9, 23, 59, 59), at(`9 18 Asia/Shanghai "0 2 * * *"`)},
		{"and the next begins with the next plan", day(9, 23, 59, 59), day(10, 23, 0, 0), day(10, 23, 0, 0), at(`10 18 Asia/Shanghai "0 2 * * *"`)},
		{"nothing is scheduled", day(12, 0, 0, 0), day(13, 0, 0, 0), day(13, 0, 0, 0), at()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := next(t, h, c.from, c.until)
			if !s.From.Equal(c.from) || !s.Until.Equal(c.end) {
				t.Errorf("from %s until %s", s.From, s.Until)
			}
			if d := cmp.Diff(c.due, s.Due); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := slate.Next(h, day(1, 0, 0, 0).Add(-time.Hour), day(2, 0, 0, 0), ""); fault.Of(err) != fault.NotFound {
		t.Errorf("before the first plan: %v", err)
	}
}

// TestNextDense: dense schedules make shorter windows, without a hole.
func TestNextDense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		schedule func(i int) string
		packs    int
		slates   int // six hours take at most
	}{
		{"1,000 packs, one schedule", func(int) string { return "0 2 * * *" }, 1000, 1},
		{"each minute", func(int) string { return "* * * * *" }, 150, 1},
		{"each second", func(int) string { return "@every 1s" }, 3, 11},
		{"60 schedules of each minute", func(i int) string { return fmt.Sprintf("%d * * * * *", i) }, 60, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var packs []evidence.PlannedPack
			for i := range c.packs {
				packs = append(packs, planned(fmt.Sprintf("cp-%04d", i), c.schedule(i)))
			}
			h := history(t, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): packs})
			from, n := day(1, 0, 0, 0), 0
			for ; from.Before(day(1, 6, 0, 0)); n++ {
				s := next(t, h, from, day(1, 6, 0, 0))
				from = s.Until
			}
			if n > c.slates {
				t.Errorf("six hours take %d slates", n)
			}
		})
	}
}

func TestNextTooDense(t *testing.T) {
	t.Parallel()
	var packs []evidence.PlannedPack
	for i := range 1000 {
		packs = append(packs, planned(fmt.Sprintf("cp-%d", i), fmt.Sprintf("0 2 1-%d %d-%d *", i%28+1, i/28%6+1, i/168+6)))
	}
	_, err := slate.Next(history(t, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): packs}), day(31, 0, 0, 0), day(35, 0, 0, 0), "")
	if err != nil {
		t.Errorf("before 1 April, 02:00, when all are due: %v", err)
	}
	_, err = slate.Next(history(t, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): packs}), day(32, 1, 59, 59), day(35, 0, 0, 0), "")
	if fault.Of(err) != fault.Request || fault.Hint(err) == "" {
		t.Errorf("more is due at once than a slate holds: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	h := history(t, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): {planned("cp-1", "0 */6 * * *"), planned("cp-2", "0 3 * * *")}})
	p, _ := h.At(day(1, 0, 0, 0))
	for _, c := range []struct {
		name  string
		alter func(s *evidence.Slate)
		want  []string
	}{
		{"as it is", func(*evidence.Slate) {}, nil},
		{"a time is left out", func(s *evidence.Slate) { s.Due[0].Times = slices.Delete(s.Due[0].Times, 0, 1) }, []string{`the slate leaves out 2026-03-02T06:00:00Z of "0 */6 * * *" in UTC`}},
		{"a schedule is left out", func(s *evidence.Slate) { s.Due = s.Due[:1] }, []string{`the slate leaves out 2026-03-02T03:00:00Z of "0 3 * * *" in UTC`}},
		{"another zone", func(s *evidence.Slate) { s.Due[1].Zone = "Etc/UTC" }, []string{
			`the slate leaves out 2026-03-02T03:00:00Z of "0 3 * * *" in UTC`,
			`the slate lists, and its plan does not say, 2026-03-02T03:00:00Z of "0 3 * * *" in Etc/UTC`,
		}},
		{"a time of its own", func(s *evidence.Slate) { s.Due[1].Times = append(s.Due[1].Times, day(2, 4, 0, 0)) }, []string{
			`the slate lists, and its plan does not say, 2026-03-02T04:00:00Z of "0 3 * * *" in UTC`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := next(t, h, day(2, 0, 0, 0), day(3, 0, 0, 0))
			c.alter(&s)
			var got []string
			for d := range slate.Check(s, p) {
				got = append(got, d.String())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	forged := evidence.Slate{From: time.Time{}, Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	for range slate.Check(forged, p) { // it is not computed as a whole
		break
	}
}
