package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/scheduler/queue"
	"packseal.example/test/lab"
)

// TestVerifiesOnSchedule: the daemon verifies by itself when the configuration
// says so, also after a reload, and tells what it finds.
func TestVerifiesOnSchedule(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	setup := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	path := setup.Write(t)
	var log lab.Buffer
	d := start(t, path, &log)
	d.await(t, 1)
	if strings.Contains(log.String(), "archive verified") {
		t.Error("it verifies without a schedule")
	}
	d.stop()
	setup.More = "verify: {schedule: \"@every 1s\"}\n"
	d = start(t, setup.Write(t), &log)
	shows := func(line string) {
		t.Helper()
		lab.Eventually(t, line, func() bool { return strings.Contains(d.get(t, "/metrics"), "\n"+line) })
	}
	lab.Eventually(t, "the archive is verified", func() bool { return strings.Contains(log.String(), `"msg":"archive verified"`) })
	shows("packseal_verify_last_success_timestamp_seconds 1")
	reports, err := filepath.Glob(filepath.Join(setup.Dir, "archive/*/*/*/*/*/report-*"))
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	if err := os.Remove(reports[0]); err != nil {
		t.Fatal(err)
	}
	shows(`packseal_verify_problems{kind="missing"} 1`)
	if !strings.Contains(log.String(), `"level":"ERROR","msg":"problem in the archive"`) {
		t.Error("the log does not tell the problem")
	}
}

// TestVerifiesOnce: of replicas, the one that leads verifies for all.
func TestVerifiesOnce(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t)
	setup := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, More: "verify: {schedule: \"@every 1s\"}\n"}
	for _, shared := range []bool{false, true} {
		s := &services{}
		cfg, err := (&ConfigFile{Path: setup.Write(t)}).Load()
		if err != nil {
			t.Fatal(err)
		}
		if s.cfg = cfg; shared {
			cfg.Queue.NATS = new(queue.NATS)
		}
		if s.leads() == shared {
			t.Errorf("without a lease, on a queue that is shared (%t), it leads: %t", shared, s.leads())
		}
	}
}
