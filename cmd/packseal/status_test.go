package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"packseal.example/control"
	"packseal.example/test/lab"
)

// TestStatusAndReload: the daemon says how it is doing and loads its configuration
// anew; a bad one is told as that, and changes nothing.
func TestStatusAndReload(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	setup := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	path := setup.Write(t)
	says := func(want int, args ...string) string {
		t.Helper()
		var out strings.Builder
		if code := run(t.Context(), append(args, "--config", path), &out, &out); code != want {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
		return out.String()
	}
	if out := says(exitTransient, "status"); !strings.Contains(out, "no daemon runs") {
		t.Errorf("without a daemon: %s", out)
	}
	if out := says(exitTransient, "reload"); !strings.Contains(out, "no daemon runs") {
		t.Errorf("without a daemon: %s", out)
	}
	d := startRun(t, path)
	d.settled(t)
	var st control.Status
	if err := json.Unmarshal([]byte(says(0, "status", "--json")), &st); err != nil || !st.Ready || st.PID != os.Getpid() || st.Packs["sealed"] != 1 || st.Next == nil || st.Next.Pack != lab.Pack {
		t.Errorf("%+v, %v", st, err)
	}
	setup.Packs = []string{lab.Pack, "{id: " + lab.Another + ", name: 等保三级, schedule: \"@every 100h\"}"}
	setup.Write(t)
	if out := says(0, "reload"); out != "reloaded\n" {
		t.Errorf("after a reload: %s", out)
	}
	d.settled(t)
	says(0, "queue", "pause", "prod", "--why", "the bucket moves")
	out := says(0, "status")
	for _, want := range []string{"packseal dev ", "ready; running for ", "packs ", "2 sealed", "next ", lab.Another + " 等保三级", "0 reports wait", "verified ", "never", "paused ", "the bucket moves"} {
		if !strings.Contains(out, want) {
			t.Errorf("the status lacks %q:\n%s", want, out)
		}
	}
	setup.Packs = []string{"{id: rules}"}
	setup.Write(t)
	if out := says(exitUsage, "reload"); !strings.Contains(out, "packs[0].id") {
		t.Errorf("a bad one: %s", out)
	}
	if packs := d.packs(t); len(packs) != 2 {
		t.Errorf("the daemon has %d packs", len(packs))
	}
}
