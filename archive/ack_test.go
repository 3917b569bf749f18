package archive_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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

// acked is what verification finds, as text, with who acknowledged it.
func (h *rig) acked(t *testing.T) (found []string) {
	t.Helper()
	r, err := h.Verify(t.Context(), archive.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	open := len(r.Open())
	for _, p := range r.Problems {
		who := "-"
		if p.Ack != nil {
			who = p.Ack.Who
		}
		found = append(found, fmt.Sprintf("%s %s %s %s", p.Kind, p.Sink, p.Key[strings.LastIndexByte(p.Key, '/')+1:], who))
	}
	if r.Acked != len(r.Problems)-open || r.Damaged() != (open > 0) {
		t.Errorf("%d of %d are acknowledged, damaged: %t", r.Acked, len(r.Problems), r.Damaged())
	}
	return found
}

// ackNames are the names of the acknowledgements in a store.
func ackNames(t *testing.T, s sink.Sink) (names []string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(objects(t, s))) {
		if _, name, ok := evidence.ParseKey(key); ok && evidence.IsAck(name) {
			names = append(names, key)
		}
	}
	return names
}

func newAck(s evidence.Slot, problem, why string) evidence.Ack {
	return evidence.Ack{Source: s.Source, Pack: s.Pack, Due: s.Due, Problem: problem, Who: "ops", Why: why}
}

// TestAcknowledge: a gap and a problem are acknowledged once, in every sink; what is
// not there is not, and a problem that is acknowledged is no damage.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	sinks := []archive.Target{{Name: "a", Sink: sink.NewMemory()}, {Name: "b", Sink: sink.NewMemory()}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
	ctx, at := t.Context(), due()
	gap, sealed := slot("cp-1", at.Add(-time.Hour)), slot("cp-1", at)
	if err := h.Gap(ctx, gap, fault.Missed, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Seal(ctx, sealed, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for name, ack := range map[string]evidence.Ack{
		"of a sealed slot":       newAck(sealed, "", "w"),
		"of nothing":             newAck(slot("cp-1", at.Add(-2*time.Hour)), "", "w"),
		"of what is not a fault": newAck(sealed, "altered", "w"),
	} {
		if _, _, err := h.Acknowledge(ctx, ack); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.Hint(err))
		}
	}
	stray := sealed.Dir() + "report-ffffffffffff.xls"
	if err := sinks[1].Put(ctx, stray, sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Acknowledge(ctx, newAck(sealed, "altered", "w")); fault.Of(err) != fault.Request || !strings.Contains(fault.Hint(err), "orphaned") {
		t.Errorf("of another kind: %v, hint %q", err, fault.Hint(err))
	}
	for _, ack := range []evidence.Ack{newAck(gap, "", "holiday"), newAck(sealed, "orphaned", "a leftover")} {
		first, already, err := h.Acknowledge(ctx, ack)
		if err != nil || already {
			t.Fatalf("%v, already: %t", err, already)
		}
		again, already, err := h.Acknowledge(ctx, ack)
		if diff := cmp.Diff(first, again); err != nil || !already || diff != "" {
			t.Errorf("the same again: %v, already: %t\n%s", err, already, diff)
		}
	}
	ackOf := h.GapAcks()
	for s, why := range map[evidence.Slot]string{gap: "holiday", sealed: "", slot("cp-1", gap.Due.Add(-60*24*time.Hour)): "", slot("cp-2", gap.Due): ""} {
		if got, err := ackOf(ctx, s); err != nil || (got == nil) != (why == "") || got != nil && (got.Why != why || got.Tool != "packseal/test") {
			t.Errorf("the gap %s has the acknowledgement %v, %v", s, got, err)
		}
	}
	want := []string{"orphaned b report-ffffffffffff.xls ops"}
	if diff := cmp.Diff(want, h.acked(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a, b := ackNames(t, sinks[0].Sink), ackNames(t, sinks[1].Sink); len(a) != 2 || !slices.Equal(a, b) {
		t.Errorf("the sinks have %v and %v", a, b)
	}
	// Another one replaces it, and ends.
	last := newAck(sealed, "orphaned", "only until then")
	last.Until = time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	if _, already, err := h.Acknowledge(ctx, last); err != nil || already {
		t.Fatalf("%v, already: %t", err, already)
	}
	if diff := cmp.Diff([]string{"orphaned b report-ffffffffffff.xls -"}, h.acked(t)); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
}

// TestAckInOneSink: an acknowledgement that a sink lacks, or has otherwise, is a
// problem that no acknowledgement excuses, until the same one is given again.
func TestAckInOneSink(t *testing.T) {
	t.Parallel()
	sinks := []archive.Target{{Name: "a", Sink: sink.NewMemory()}, {Name: "b", Sink: sink.NewMemory()}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
	s := slot("cp-1", due())
	if err := h.Gap(t.Context(), s, fault.Missed, "test"); err != nil {
		t.Fatal(err)
	}
	put := func(into sink.Sink, minute int, ack evidence.Ack) {
		ack.Schema, ack.Recorded = evidence.AckSchema, time.Date(2026, 4, 1, 10, minute, 0, 0, time.UTC)
		raw, err := evidence.Encode(ack)
		if err != nil {
			t.Fatal(err)
		}
		if err := into.Put(t.Context(), ack.Key(), sink.Bytes(raw)); err != nil {
			t.Fatal(err)
		}
	}
	put(sinks[0], 1, newAck(s, "missing", "w")) // which was repaired since
	put(sinks[0], 2, newAck(s, "unmirrored", "w"))
	put(sinks[0], 3, newAck(s, "divergent", "w"))
	put(sinks[1], 3, newAck(s, "divergent", "other"))
	damaged := s.Dir() + "ack-20260401T100400Z.json"
	for _, t2 := range sinks {
		if err := t2.Put(t.Context(), damaged, sink.Bytes([]byte(`{"schema":"packseal.ack/v1"}`))); err != nil {
			t.Fatal(err)
		}
	}
	if err := sinks[0].Put(t.Context(), s.Dir()+"ack-x.json", sink.Bytes([]byte(`x`))); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"malformed a ack-20260401T100400Z.json -", "orphaned a ack-x.json -", "unmirrored b ack-20260401T100100Z.json -", "unmirrored b ack-20260401T100200Z.json -",
		"divergent b ack-20260401T100300Z.json -", "malformed b ack-20260401T100400Z.json -",
	}
	if diff := cmp.Diff(want, h.acked(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, already, err := h.Acknowledge(t.Context(), newAck(s, "missing", "w")); err != nil || !already {
		t.Errorf("the same again: %v, already: %t", err, already)
	}
	if diff := cmp.Diff(slices.Delete(want, 2, 3), h.acked(t)); diff != "" {
		t.Errorf("after that (-want +got):\n%s", diff)
	}
}

// TestAckOfAbsent: a slot of which nothing is kept can be acknowledged, and settled
// afterwards.
func TestAckOfAbsent(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	now := time.Now().UTC().Truncate(24 * time.Hour)
	planned(t, now.Add(-80*time.Hour), []evidence.PlannedPack{{Source: "prod", Pack: "cp-1", Schedule: "@every 24h", Zone: "UTC"}}, h.sinks...)
	first, absent := slot("cp-1", now.Add(-72*time.Hour)), slot("cp-1", now.Add(-48*time.Hour))
	if err := h.Gap(t.Context(), first, fault.Missed, "test"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Acknowledge(t.Context(), newAck(absent, "absent", "the host burnt down")); err != nil {
		t.Fatal(err)
	}
	if found := h.acked(t); !slices.Contains(found, "absent  manifest.json ops") || slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, "orphaned") }) {
		t.Errorf("verification finds %q", found)
	}
	if err := h.Gap(t.Context(), absent, fault.Absent, "test"); err != nil {
		t.Fatal(err)
	}
	if r, _, err := h.Read(t.Context(), absent); err != nil || r.State != evidence.Gapped {
		t.Errorf("it is %+v, %v", r, err)
	}
}

// TestAckDeleted: an acknowledgement that was deleted counts no more, and that it was
// is a problem.
func TestAckDeleted(t *testing.T) {
	t.Parallel()
	store := newVersioned()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: store})
	s := slot("cp-1", due())
	if err := h.Gap(t.Context(), s, fault.Missed, "test"); err != nil {
		t.Fatal(err)
	}
	ack, _, err := h.Acknowledge(t.Context(), newAck(s, "", "w"))
	if err != nil {
		t.Fatal(err)
	}
	_, name, _ := evidence.ParseKey(ack.Key())
	store.remove(t, name)
	if got, err := h.GapAcks()(t.Context(), s); got != nil || err != nil {
		t.Errorf("it still counts: %v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"deleted a " + name + " -"}, h.acked(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
