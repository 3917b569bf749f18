package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
)

// reloading is a daemon whose one slot is due and whose configuration a test
// changes.
type reloading struct {
	*live
	log      safeBuffer
	outcomes chan error
	write    func(state, packs string)
}

// slowPack takes some time to make its report.
const slowPack = "cp-1a4f626622af00b10001"

func startReloading(t *testing.T) *reloading {
	t.Helper()
	api, err := sim.New(sim.Options{
		AccessKeyID: simKeyID, AccessKeySecret: simKeySecret,
		Packs: []sim.Pack{{ID: "cp-fdc8626622af00f90000"}, {ID: slowPack, Script: sim.Script{Make: 2 * time.Second}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, dir := &reloading{outcomes: make(chan error, 10)}, t.TempDir()
	r.write = func(state, packs string) {
		writeFiles(t, dir, map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": fmt.Sprintf(`
state_dir: %s
sources:
  prod:
    cloudconfig:
      endpoint: %s
      requests_per_second: 50
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {source: prod, schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1m}
sinks: [{name: primary, local: {dir: archive}}]
fetch: {poll_min: 100ms, poll_max: 200ms}
web: {listen: "127.0.0.1:0"}
packs: [%s]
`, state, server.URL, packs)})
	}
	r.write("state", "{id: "+slowPack+"}")
	r.live = startDaemon(t, filepath.Join(dir, "packseal.yaml"), &r.log, func(d *daemon) { d.reloaded = func(err error) { r.outcomes <- err } })
	return r
}

// TestReloadKeepsWhatIsAtWork changes the configuration while a report is in
// the making: it is sealed all the same, and the new pack's too.
func TestReloadKeepsWhatIsAtWork(t *testing.T) {
	t.Parallel()
	r := startReloading(t)
	for r.engine.Load() == nil || !r.engine.Load().Status("prod", slowPack).Working {
		if !fault.Sleep(t.Context(), 10*time.Millisecond) {
			t.Fatal("it never works")
		}
	}
	r.write("state", "{id: "+slowPack+"}, {id: cp-fdc8626622af00f90000}")
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.await(t, 1)
	for _, pack := range []string{slowPack, "cp-fdc8626622af00f90000"} {
		if st := r.engine.Load().Status("prod", pack); st.Sealed != 1 || st.Gaps != 0 {
			t.Errorf("%s: %+v", pack, st)
		}
	}
}

// TestReloadGoesBack gives the daemon a file that is in order but for a
// folder that can't be made: it goes on with the old one, and says so.
func TestReloadGoesBack(t *testing.T) {
	t.Parallel()
	r := startReloading(t)
	r.await(t, 1)
	const pack = "{id: " + slowPack + "}"
	for _, c := range []struct {
		state, packs, want string
	}{
		{"key-id/state", pack, "not a directory"},
		{"state", "", "no pack"},
		{"other", pack, ""},
	} {
		r.write(c.state, c.packs)
		err := r.Reload(t.Context())
		if heard := <-r.outcomes; !errors.Is(heard, err) {
			t.Errorf("heard %v, not %v", heard, err)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		r.await(t, 1) // the engine of before, or that of the new file
		good := fmt.Sprintf("packseal_config_last_reload_successful %d\n", map[bool]int{true: 1}[c.want == ""])
		if page := r.get(t, "/metrics"); !strings.Contains(page, good) {
			t.Errorf("no %s", good)
		}
		if status := r.outlook(); strings.Contains(status, "the old one is in force") != (c.want != "") {
			t.Errorf("the status is %q", status)
		}
	}
	if got := filepath.Base(r.engine.Load().cfg.StateDir); got != "other" {
		t.Errorf("state_dir %s is in force", got)
	}
	if n := strings.Count(r.log.String(), "the old one stays in force"); n != 2 {
		t.Errorf("said %d times:\n%s", n, r.log.String())
	}
}
