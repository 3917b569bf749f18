package archive_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// counted holds status and metrics to a number of sealed slots and gaps.
func (h *rig) counted(t *testing.T, sealed, gaps string) {
	t.Helper()
	want := `
# HELP packseal_archive_slots Slots in the archive, by how they ended. Absent until the pack's history was read.
# TYPE packseal_archive_slots gauge
packseal_archive_slots{pack="cp-1",result="gap",source="prod"} ` + gaps + `
packseal_archive_slots{pack="cp-1",result="sealed",source="prod"} ` + sealed + "\n"
	if err := testutil.GatherAndCompare(h.reg, strings.NewReader(want), "packseal_archive_slots"); err != nil {
		t.Error(err)
	}
	st := h.Status("prod", "cp-1")
	if got := fmt.Sprint(st.Sealed, st.Gaps); got != sealed+" "+gaps {
		t.Errorf("the status counts %s, want %s and %s", got, sealed, gaps)
	}
}

// value returns a counter or gauge: the first series, or that of the label.
func (h *rig) value(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %q", name, label)
	return 0
}

// settle settles a slot at once.
func (h *rig) settle(t *testing.T, due time.Time) {
	t.Helper()
	if again := h.Settle(t.Context(), task("cp-1", due, time.Now().Add(time.Minute))); again != 0 {
		t.Fatalf("%s has to wait: %s", due, h.Status("prod", "cp-1").Trouble)
	}
}

// TestCountsOthersSlots: what another process has sealed counts as soon as it
// is found, once, and shows as the latest.
func TestCountsOthersSlots(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	byHand := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)
	daemon := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)
	daemon.load(t)
	daemon.counted(t, "0", "0")
	at := due()
	byHand.settle(t, at)
	for range 2 {
		daemon.settle(t, at)
		daemon.counted(t, "1", "0")
	}
	if hand, d := byHand.Status("prod", "cp-1").LastSealed, daemon.Status("prod", "cp-1").LastSealed; hand != d {
		t.Errorf("the latest is %+v by hand, %+v for the daemon", hand, d)
	}
	if v := daemon.value(t, "packseal_last_sealed_timestamp_seconds", ""); v < float64(at.Unix()) {
		t.Errorf("last sealed at %v", v)
	}
	later := at.Add(time.Second)
	if err := byHand.Gap(t.Context(), evidence.Slot{Source: "prod", Pack: "cp-1", Due: later}, fault.Overlap, ""); err != nil {
		t.Fatal(err)
	}
	daemon.settle(t, later)
	daemon.counted(t, "1", "1")
	daemon.load(t)
	daemon.counted(t, "1", "1")
}

// TestCountsBeforeTheListIsThere: slots that end before the sinks have been
// listed, as those that the queue kept over a restart, count once.
func TestCountsBeforeTheListIsThere(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	before := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)
	at := due().Add(-time.Hour)
	gap := func(h *rig, due time.Time) {
		t.Helper()
		if err := h.Gap(t.Context(), evidence.Slot{Source: "prod", Pack: "cp-1", Due: due}, fault.Missed, ""); err != nil {
			t.Fatal(err)
		}
	}
	before.settle(t, at)
	before.settle(t, at.Add(time.Second))
	gap(before, at.Add(2*time.Second))
	before.load(t)
	before.counted(t, "2", "1")

	after := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)
	after.settle(t, at.Add(time.Second)) // sealed, but not acknowledged before
	gap(after, at.Add(3*time.Second))
	after.settle(t, at.Add(4*time.Second))
	after.load(t)
	after.counted(t, "3", "2")
	if st := after.Status("prod", "cp-1"); !st.LastSealed.Due.Equal(at.Add(4*time.Second)) || !st.LastGap.Due.Equal(at.Add(3*time.Second)) {
		t.Errorf("the latest are %s and %s", st.LastSealed.ID(), st.LastGap.ID())
	}
	if n := after.value(t, "packseal_gaps_total", string(fault.Missed)); n != 1 {
		t.Errorf("%v gaps are counted as missed here, want 1", n)
	}
}

// TestLateSlotIsNotTheLatest: a report that comes to the sinks after that of a
// later slot counts, but the gauges go on to speak of the later one.
func TestLateSlotIsNotTheLatest(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	h.load(t)
	h.settle(t, at)
	want := h.value(t, "packseal_report_created_timestamp_seconds", "")
	h.settle(t, at.Add(-time.Minute))
	h.counted(t, "2", "0")
	if got := h.value(t, "packseal_report_created_timestamp_seconds", ""); got != want || !h.Status("prod", "cp-1").LastSealed.Due.Equal(at) {
		t.Errorf("the latest was made at %v, want %v", got, want)
	}
}
