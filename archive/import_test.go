package archive_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/cron"
	"packseal.example/sink"
)

// csv is a report, and other is another one.
var (
	csv   = strings.Repeat("rule,resource,result\n", 20)
	other = csv + "rule,resource,result\n"
)

// by is who imports a file.
func by(file string) evidence.Imported {
	return evidence.Imported{At: time.Now().UTC().Truncate(time.Millisecond), By: "Li Wei", File: file}
}

// importing imports a report into the pack's slot.
func importing(t *testing.T, h *rig, s evidence.Slot, report string) (evidence.Record, error) {
	t.Helper()
	return h.Archive.Import(t.Context(), s, strings.NewReader(report), by("2026-03-31.csv"), fetcher.Settings{})
}

// TestImport: a report that was kept by hand is sealed in every sink, once, and its
// manifest says no more than is known. No report is replaced by it.
func TestImport(t *testing.T) {
	t.Parallel()
	one, two := sink.NewMemory(), sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: one}, archive.Target{Name: "b", Sink: two})
	s := slot("cp-1", due())
	first, err := importing(t, h, s, csv)
	if err != nil || first.State != evidence.Sealed || first.Imported != "Li Wei" || !first.Created.IsZero() {
		t.Fatalf("got %+v, %v", first, err)
	}
	if again, err := importing(t, h, s, csv); err != nil || again != first {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = importing(t, h, s, other)
	if fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), first.SHA256) || !strings.Contains(err.Error(), "Li Wei imported") {
		t.Errorf("another report: %v", err)
	}
	for name, sunk := range map[string]sink.Sink{"a": one, "b": two} {
		all := objects(t, sunk)
		manifest := all[s.ManifestKey()]
		if len(all) != 2 || all[first.Object] != csv || !strings.Contains(manifest, `"imported":{"at":"`) {
			t.Errorf("sink %s holds %q", name, all)
		}
		for _, unknown := range []string{"attached", "created", "fetched", "late_seconds", "requested", "request_ids", "source_object"} {
			if strings.Contains(manifest, `"`+unknown+`"`) {
				t.Errorf("sink %s: the manifest says %s: %s", name, unknown, manifest)
			}
		}
	}
	if result, err := h.Verify(t.Context(), archive.Selection{}); err != nil || len(result.Problems) > 0 || result.Sealed != 2 {
		t.Errorf("verify: %+v, %v", result, err)
	}
	if sealed, err := h.Seal(t.Context(), s, time.Now().Add(time.Minute)); err != nil || sealed != first {
		t.Errorf("sealing the slot: %+v, %v", sealed, err)
	}
	if n := h.spooled(t); n != 0 || h.sim.Calls()["GenerateCompliancePackReport"] != 0 {
		t.Errorf("the spool holds %d entries, the calls are %v", n, h.sim.Calls())
	}
}

// TestImportRefuses: nothing takes the place of a report that packseal has, or waits
// for, and what is no report stays out; a gap is filled.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		report string
		before func(t *testing.T, h *rig, s evidence.Slot)
		want   fault.Reason
	}{
		"a page of a proxy": {report: "<!DOCTYPE html><html><body>" + strings.Repeat("Please sign in. ", 20) + "</body></html>", want: fault.Damaged},
		"nothing":           {want: fault.Damaged},
		"a fetched one": {report: csv, want: fault.Conflict, before: func(t *testing.T, h *rig, s evidence.Slot) {
			if _, err := h.Seal(t.Context(), s, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}},
		"one that is asked for": {report: csv, want: fault.Busy, before: func(t *testing.T, h *rig, s evidence.Slot) {
			entry, err := h.Spool.Lock(t.Context(), s)
			if err == nil {
				err = entry.SaveTicket(fetcher.Ticket{Slot: s, Requested: time.Now()})
			}
			if err != nil || entry.Close() != nil {
				t.Fatal(err)
			}
		}},
		"a gap": {report: csv, before: func(t *testing.T, h *rig, s evidence.Slot) {
			if err := h.Gap(t.Context(), s, fault.Missed, ""); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
			s := slot("cp-1", due())
			if c.before != nil {
				c.before(t, h, s)
			}
			before := objects(t, h.sinks[0])
			r, err := importing(t, h, s, c.report)
			after := objects(t, h.sinks[0])
			switch {
			case fault.Of(err) != c.want:
				t.Errorf("got %+v, %v", r, err)
			case c.want != "" && len(after) != len(before):
				t.Errorf("the sink holds %q", after)
			case c.want == "" && (r.Imported == "" || after[s.GapKey()] == "" || after[s.ManifestKey()] == ""):
				t.Errorf("got %+v, the sink holds %q", r, after)
			}
			if st := h.Status("prod", "cp-1"); c.want == "" && (st.Sealed != 1 || st.Gaps != 0) {
				t.Errorf("status is %+v", st)
			}
		})
	}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	if _, err := importing(t, h, slot("cp-1", time.Now().UTC().Truncate(time.Second).Add(time.Hour)), csv); fault.Of(err) != fault.Request {
		t.Errorf("a slot of the future: %v", err)
	}
	if _, err := h.Archive.Import(t.Context(), slot("cp-1", due()), strings.NewReader(csv), by("r.csv"), fetcher.Settings{MaxBytes: 100}); fault.Of(err) != fault.TooLarge {
		t.Errorf("a large report: %v", err)
	}
	if n := h.spooled(t); n != 0 {
		t.Errorf("the spool holds %d entries", n)
	}
}

// TestImportWaits: a sink that takes nothing for now gets the imported report from
// the spool, and no other report is imported meanwhile.
func TestImportWaits(t *testing.T) {
	t.Parallel()
	down := &switched{Sink: sink.NewMemory()}
	down.off.Store(true)
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: down})
	s := slot("cp-1", due())
	if r, err := importing(t, h, s, csv); fault.Of(err) != fault.SinkUnavailable || r.State != "" || h.spooled(t) != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if _, err := importing(t, h, s, other); fault.Of(err) != fault.Conflict {
		t.Errorf("another report: %v", err)
	}
	down.off.Store(false)
	ctx, stop := context.WithCancel(t.Context())
	var drain sync.WaitGroup
	drain.Go(func() { h.Drain(ctx) })
	for h.spooled(t) > 0 && t.Context().Err() == nil {
		fault.Sleep(t.Context(), time.Millisecond)
	}
	stop()
	drain.Wait()
	if all := objects(t, down); len(all) != 2 || !strings.Contains(all[s.ManifestKey()], `"by":"Li Wei"`) {
		t.Errorf("the sink holds %q", all)
	}
}

// TestDues: what was due on a day is told by the plan that was in force, and before
// the first one by the schedule of now.
func TestDues(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	began := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	plan, err := evidence.NewPlan([]evidence.PlannedPack{{Source: "prod", Pack: "cp-1", Schedule: "0 */12 * * *", Zone: "UTC"}}, began, "packseal/test")
	if err == nil {
		err = h.PutPlan(t.Context(), plan[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	daily, err := cron.Parse("0 2 * * *", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[time.Time]int{began.AddDate(0, 0, -1): 1, began: 2} {
		dues, err := h.Dues(t.Context(), scheduler.Plan{Source: "prod", Pack: "cp-1", Schedule: daily}, day, day.AddDate(0, 0, 1))
		if err != nil || len(dues) != want {
			t.Errorf("on %s were due %v, %v", day, dues, err)
		}
	}
	if dues, err := h.Dues(t.Context(), scheduler.Plan{Source: "prod", Pack: "cp-2"}, began, began.AddDate(0, 0, 1)); err != nil || len(dues) > 0 {
		t.Errorf("of a pack that was never planned: %v, %v", dues, err)
	}
}
