package archive_test

import (
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestPausedIsAGap: a slot that was paused until its deadline is a gap that
// says so, and nobody is asked for its report.
func TestPausedIsAGap(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	late := task("cp-1", due(), time.Now().Add(-time.Second))
	late.Paused = "source prod has been paused since then by alice: storage moves"
	if again := h.Settle(t.Context(), late); again != 0 {
		t.Errorf("again in %s", again)
	}
	if r := records(t, h, "cp-1"); len(r) != 1 || r[0].Reason != fault.Paused || r[0].Detail != late.Paused {
		t.Errorf("records are %+v", r)
	}
	if calls := h.sim.Calls(); calls["GenerateCompliancePackReport"] > 0 {
		t.Errorf("calls were made: %v", calls)
	}
	if n := h.value(t, "packseal_gaps_total", string(fault.Paused)); n != 1 {
		t.Errorf("%v gaps are counted as paused", n)
	}
}

// TestPausedKeepsReports: pausing holds back no report that is here. One in the
// spool is sealed, past its deadline, and no gap.
func TestPausedKeepsReports(t *testing.T) {
	t.Parallel()
	store := &switched{Sink: sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "memory", Sink: store})
	store.off.Store(true)
	s := task("cp-1", due(), time.Now().Add(time.Minute))
	if again := h.Settle(t.Context(), s); again == 0 {
		t.Fatal("settled without a sink")
	}
	store.off.Store(false)
	s.Deadline, s.Paused = time.Now().Add(-time.Second), "paused"
	if again := h.Settle(t.Context(), s); again != 0 {
		t.Errorf("again in %s", again)
	}
	if r := records(t, h, "cp-1"); len(r) != 1 || r[0].State != evidence.Sealed {
		t.Errorf("records are %+v", r)
	}
}
