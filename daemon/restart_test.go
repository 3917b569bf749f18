package daemon

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// kept are the metrics that a restart must not change.
var kept = []string{"packseal_archive_slots", "packseal_last_sealed_timestamp_seconds", "packseal_last_gap_timestamp_seconds", "packseal_report_bytes"}

// TestRestart has a daemon settle this year's slots, one of them as a gap, and
// holds the next daemon's metrics against the first one's.
func TestRestart(t *testing.T) {
	t.Parallel()
	handler, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another, Script: sim.Script{Size: 50 << 10}})
	var packs []string // whose names Config need not be asked for
	for _, id := range []string{lab.Pack, lab.Another, sim.MissingPackID} {
		packs = append(packs, "{id: "+id+", name: n}")
	}
	path := lab.Setup{Endpoint: endpoint, Packs: packs}.Write(t)

	first := start(t, path, io.Discard)
	first.await(t, 1)
	before := first.metrics(t)
	first.stop()
	generated := handler.Calls()

	second := start(t, path, io.Discard)
	second.await(t, 1)
	if diff := cmp.Diff(before, second.metrics(t)); diff != "" {
		t.Errorf("a restart changes the metrics (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(generated, handler.Calls()); diff != "" {
		t.Errorf("a restart calls the API (-before +after):\n%s", diff)
	}
	for _, want := range []string{
		`packseal_archive_slots{pack=cp-fdc8626622af00f90000,result=sealed,source=prod} 1`,
		`packseal_archive_slots{pack=cp-00c8626622af00ffffff,result=gap,source=prod} 1`,
	} {
		if !slices.Contains(before, want) {
			t.Errorf("%s is not in\n%s", want, strings.Join(before, "\n"))
		}
	}
	problems, err := testutil.GatherAndLint(second)
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics' names and help: %v, error %v", problems, err)
	}
}

// metrics gathers what a restart must not change, one series a line.
func (d *live) metrics(t *testing.T) (lines []string) {
	t.Helper()
	families, err := d.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !slices.Contains(kept, f.GetName()) {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			// A family is of one type; the other value is 0.
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), m.GetCounter().GetValue()+m.GetGauge().GetValue()))
		}
	}
	return lines
}
