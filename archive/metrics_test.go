package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// TestLatestMetrics: a late slot does not stand for a younger one, a gap is no
// report, and the next daemon reads the same from the archive.
func TestLatestMetrics(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	reg := prometheus.NewRegistry()
	live := h.again(t, reg)
	if again := live.Settle(t.Context(), task("cp-1", at, time.Now().Add(time.Minute))); again != 0 {
		t.Fatalf("not settled: again in %s", again)
	}
	sealed := shown(t, reg)
	for _, ago := range []time.Duration{time.Hour, 2 * time.Hour} {
		s := scheduler.Slot{Source: "prod", Pack: "cp-1", Due: at.Add(-ago)}
		if err := live.Gap(t.Context(), s, fault.Missed, "on purpose"); err != nil {
			t.Fatal(err)
		}
	}
	after := shown(t, reg)
	if after["packseal_last_gap_timestamp_seconds"] < sealed["packseal_last_sealed_timestamp_seconds"] || sealed["packseal_last_gap_timestamp_seconds"] != 0 {
		t.Errorf("the gap is shown at %v, then at %v", sealed, after)
	}
	if was, is := sealed["packseal_last_sealed_timestamp_seconds"], after["packseal_last_sealed_timestamp_seconds"]; was != is || was == 0 {
		t.Errorf("sealed at %v, after a gap at %v", was, is)
	}
	reg = prometheus.NewRegistry()
	if _, err := h.again(t, reg).History(t.Context(), "prod", "cp-1"); err != nil {
		t.Fatal(err)
	}
	if restarted := shown(t, reg); fmt.Sprint(restarted) != fmt.Sprint(after) {
		t.Errorf("a restart shows %v, before it was %v", restarted, after)
	}
}

// again is another archive on the house's sinks and spool, with metrics.
func (h *house) again(t *testing.T, reg *prometheus.Registry) *archive.Archive {
	t.Helper()
	o := h.Options
	o.Registerer = reg
	a, err := archive.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// shown is the value of each metric that is a gauge of one pack.
func shown(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.Gauge != nil {
				values[f.GetName()] = m.GetGauge().GetValue()
			}
		}
	}
	return values
}
