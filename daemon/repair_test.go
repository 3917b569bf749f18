package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestRepairsOnSchedule: what a sink has lost, and a sink that is new, get what they lack;
// it is logged and counted. Reports are read part by part, also after a restart.
func TestRepairsOnSchedule(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	sink := func(name string) string {
		return fmt.Sprintf("{name: %s, local: {dir: %s}}", name, filepath.Join(dir, name))
	}
	setup := lab.Setup{Dir: dir, Endpoint: endpoint, Sinks: "[" + sink("first") + "]"}
	var log lab.Buffer
	d := start(t, setup.Write(t), &log)
	d.await(t, 1)
	d.stop()
	setup.Sinks = "[" + sink("first") + ", " + sink("second") + "]"
	setup.More = "verify: {schedule: \"@every 1s\", share: 1%, repair: true}\n"
	d = start(t, setup.Write(t), &log)
	shows := func(line string) {
		t.Helper()
		lab.Eventually(t, line, func() bool { return strings.Contains(d.get(t, "/metrics"), "\n"+line) })
	}
	shows(`packseal_repaired_objects_total{sink="second"} `)
	report := func(sink string) string {
		all, _ := filepath.Glob(filepath.Join(dir, sink, "*/*/*/*/*/report-*"))
		return strings.Join(all, "")
	}
	lab.Eventually(t, "the new sink has the report", func() bool { return report("second") != "" })
	shows("packseal_verify_all_reports_since_timestamp_seconds 1")
	if err := os.Remove(report("first")); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "the first has it again", func() bool { return report("first") != "" })
	lab.Eventually(t, "the log tells it", func() bool {
		return strings.Contains(log.String(), `"level":"WARN","msg":"archive repaired","objects":1,`)
	})
	shows(`packseal_repaired_objects_total{sink="first"} 1`)
	lab.Eventually(t, "nothing is wrong", func() bool {
		return strings.Contains(d.get(t, "/metrics"), `packseal_verify_problems{kind="missing"} 0`)
	})
	d.stop()
	before := loadVerified(filepath.Join(dir, "state")).Place
	if before.Since.IsZero() {
		t.Errorf("the place that is kept is %+v", before)
	}
}
