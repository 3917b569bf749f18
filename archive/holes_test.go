package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// planned puts a plan into sinks, and returns its key.
func planned(t *testing.T, since time.Time, packs []evidence.PlannedPack, sinks ...archive.Target) string {
	t.Helper()
	records, err := evidence.NewPlan(packs, since, "packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	key, raw, err := records[0].Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sinks {
		if err := s.Put(t.Context(), key, sink.Bytes(raw)); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// problems is what a verification finds, as text.
func problems(r archive.Result) (found []string) {
	for _, p := range r.Problems {
		found = append(found, fmt.Sprintf("%s %s %s", p.Kind, p.Sink, p.Key))
	}
	return found
}

// TestHoles: a slot that was due by the plan in force then, and that no sink has a
// record of, is a problem, whoever removed it and whatever the configuration says
// now; one that was not due, or may still be at work, is none.
func TestHoles(t *testing.T) {
	t.Parallel()
	sinks := []archive.Target{{Name: "a", Sink: sink.NewMemory()}, {Name: "b", Sink: sink.NewMemory()}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
	h.Within = map[evidence.PackRef]time.Duration{evidence.Ref("prod", "cp-1"): 30 * time.Minute}
	now := time.Now().UTC().Truncate(time.Hour)
	began := now.Add(-72 * time.Hour)
	every := func(pack, schedule string) evidence.PlannedPack {
		return evidence.PlannedPack{Source: "prod", Pack: pack, Schedule: schedule, Zone: "UTC"}
	}
	later := every("cp-later", "@every 1h") // it was taken out before it began
	later.Since = now.Add(1000 * time.Hour)
	planned(t, began, []evidence.PlannedPack{every("cp-1", "@every 24h"), every("cp-gone", "@every 12h"), later}, sinks...)
	planned(t, began.Add(24*time.Hour), []evidence.PlannedPack{every("cp-1", "@every 12h")}, sinks...)
	planned(t, now.Add(-time.Hour), nil, sinks...)
	due := func(pack, schedule string, from, to time.Time) (dues []evidence.Slot) {
		step, err := time.ParseDuration(schedule)
		if err != nil {
			t.Fatal(err)
		}
		for at := from.Truncate(step); at.Before(to); at = at.Add(step) {
			if !at.Before(from) {
				dues = append(dues, slot(pack, at))
			}
		}
		return dues
	}
	all := due("cp-1", "24h", began, began.Add(24*time.Hour))
	all = append(all, due("cp-1", "12h", began.Add(24*time.Hour), now.Add(-time.Hour))...)
	left := due("cp-gone", "12h", began, began.Add(24*time.Hour))
	var want []string
	for i, s := range append(all, left...) {
		if i%2 == 1 {
			want = append(want, "absent  "+s.ManifestKey())
			continue
		}
		if err := h.Gap(t.Context(), s, fault.Missed, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Gap(t.Context(), slot("cp-1", began.Add(time.Minute)), fault.Missed, "it was never due"); err != nil {
		t.Fatal(err)
	}
	r, err := h.Verify(t.Context(), archive.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, problems(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	from := now.Add(-36 * time.Hour)
	part, err := h.Verify(t.Context(), archive.Selection{Packs: []archive.Span{{PackRef: evidence.Ref("prod", "cp-1"), From: from}}})
	if err != nil || len(part.Problems) != 1 || part.Problems[0].Key < slot("cp-1", from).Dir() {
		t.Errorf("of a part: %v, %v", problems(part), err)
	}
	if r, err = h.again(t).Verify(t.Context(), archive.Selection{}); err != nil || len(r.Problems) != len(want) {
		t.Errorf("another time: %v, %v", problems(r), err)
	}
}

// TestVerifyPlans: plans are verified as records are.
func TestVerifyPlans(t *testing.T) {
	t.Parallel()
	sinks := []archive.Target{{Name: "a", Sink: sink.NewMemory()}, {Name: "b", Sink: sink.NewMemory()}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
	soon := time.Now().UTC().Truncate(time.Second)
	planned(t, soon, nil, sinks...)
	unmirrored := planned(t, soon.Add(time.Second), nil, sinks[0])
	const damaged = evidence.PlanDir + "20260101T000000Z-000000000000.json"
	for _, s := range sinks {
		if err := s.Put(t.Context(), damaged, sink.Bytes([]byte(`{"schema":"packseal.plan/v1"}`))); err != nil {
			t.Fatal(err)
		}
	}
	r, err := h.Verify(t.Context(), archive.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"malformed a " + damaged, "malformed b " + damaged, "unmirrored b " + unmirrored}
	if diff := cmp.Diff(want, problems(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all, err := h.Plans(t.Context(), nil)
	if err != nil || len(all) != 2 {
		t.Errorf("%d plans are readable, %v", len(all), err)
	}
	if r, err = h.Verify(t.Context(), archive.Selection{}); err != nil || len(r.Problems) != 2 {
		t.Errorf("after the plans were read: %v, %v", problems(r), err)
	}
}
