package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher/cloudconfig/sim"
)

// kept are the metrics that a restart must not change.
var kept = []string{"packseal_slots_total", "packseal_gaps_total", "packseal_last_sealed_timestamp_seconds", "packseal_last_gap_timestamp_seconds", "packseal_report_bytes"}

// TestRestart has a daemon settle this year's slots, one of them as a gap, and
// holds the next daemon's metrics against the first one's.
func TestRestart(t *testing.T) {
	t.Parallel()
	handler, err := sim.New(sim.Options{
		AccessKeyID: simKeyID, AccessKeySecret: simKeySecret,
		Packs: []sim.Pack{{ID: "cp-fdc8626622af00f90000"}, {ID: "cp-1a4f626622af00b10001", Script: sim.Script{Size: 50 << 10}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": fmt.Sprintf(`
state_dir: state
sources:
  prod:
    cloudconfig:
      endpoint: %s
      requests_per_second: 50
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {source: prod, schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1m}
sinks: [{name: primary, local: {dir: archive}}]
fetch: {poll_min: 200ms, poll_max: 1s}
web: {listen: "127.0.0.1:0"}
packs: [{id: cp-fdc8626622af00f90000, since: 2020-01-01T00:00:00Z}, {id: cp-1a4f626622af00b10001, since: 2020-01-01T00:00:00Z}, {id: cp-00c8626622af00ffffff, since: 2020-01-01T00:00:00Z}]
`, server.URL)})
	path := filepath.Join(dir, "packseal.yaml")

	first := startDaemon(t, path, io.Discard)
	first.await(t, 1)
	before := first.metrics(t)
	first.stop()
	generated := handler.Calls()

	second := startDaemon(t, path, io.Discard)
	second.await(t, 1)
	if diff := cmp.Diff(before, second.metrics(t)); diff != "" {
		t.Errorf("a restart changes the metrics (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(generated, handler.Calls()); diff != "" {
		t.Errorf("a restart calls the API (-before +after):\n%s", diff)
	}
	for _, want := range []string{
		`packseal_slots_total{pack=cp-fdc8626622af00f90000,result=sealed,source=prod} 1`,
		`packseal_gaps_total{reason=not_found} 1`,
	} {
		if !slices.Contains(before, want) {
			t.Errorf("%s is not in\n%s", want, strings.Join(before, "\n"))
		}
	}
	problems, err := testutil.GatherAndLint(prometheus.GathererFunc(second.gather))
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics' names and help: %v, error %v", problems, err)
	}
}

// metrics gathers what a restart must not change, one series a line.
func (d *live) metrics(t *testing.T) (lines []string) {
	t.Helper()
	families, err := d.gather()
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
