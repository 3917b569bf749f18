package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// TestLatestMetrics: a late slot does not stand for a younger one, a gap is no
// report, and the next daemon reads the same from the archive.
func TestLatestMetrics(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	h.load(t)
	h.settle(t, at)
	sealed := shown(t, h.reg)
	for _, ago := range []time.Duration{time.Hour, 2 * time.Hour} {
		s := evidence.Slot{Source: "prod", Pack: "cp-1", Due: at.Add(-ago)}
		if err := h.Gap(t.Context(), s, fault.Missed, "on purpose"); err != nil {
			t.Fatal(err)
		}
	}
	after := shown(t, h.reg)
	if after["packseal_last_gap_timestamp_seconds"] < sealed["packseal_last_sealed_timestamp_seconds"] || sealed["packseal_last_gap_timestamp_seconds"] != 0 {
		t.Errorf("the gap is shown at %v, then at %v", sealed, after)
	}
	if was, is := sealed["packseal_last_sealed_timestamp_seconds"], after["packseal_last_sealed_timestamp_seconds"]; was != is || was == 0 {
		t.Errorf("sealed at %v, after a gap at %v", was, is)
	}
	next := h.again(t)
	next.load(t)
	if restarted := shown(t, next.reg); fmt.Sprint(restarted) != fmt.Sprint(after) {
		t.Errorf("a restart shows %v, before it was %v", restarted, after)
	}
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
