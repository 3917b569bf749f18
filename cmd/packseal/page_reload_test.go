package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
)

// The packs of these tests; the simulator makes their reports in an instant.
const (
	onePack     = "cp-fdc8626622af00f90000"
	anotherPack = "cp-1a4f626622af00b10001"
)

// simulate serves a simulator of both packs.
func simulate(t *testing.T) (*sim.Server, string) {
	t.Helper()
	handler, err := sim.New(sim.Options{
		AccessKeyID: simKeyID, AccessKeySecret: simKeySecret,
		Packs: []sim.Pack{{ID: onePack}, {ID: anotherPack, Script: sim.Script{Standing: 400 * 24 * time.Hour}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return handler, server.URL
}

// configured writes a configuration of the packs into dir, and returns its
// path. This year's first second is the only slot of each.
func configured(t *testing.T, dir, endpoint string, packs ...string) string {
	t.Helper()
	config := fmt.Sprintf(`
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
web: {listen: "127.0.0.1:0", reload: true}
packs:
`, endpoint)
	for _, id := range packs {
		config += fmt.Sprintf("  - {id: %s, since: 2020-01-01T00:00:00Z}\n", id)
	}
	writeFiles(t, dir, map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "packseal.yaml": config})
	return filepath.Join(dir, "packseal.yaml")
}

// post reloads by the page, and returns the status and what is said.
func (d *live) post(t *testing.T) (int, string) {
	t.Helper()
	r, err := http.Post(d.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read only
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, body.String()
}

// TestReload: a good new file is taken up without a restart; a bad one leaves
// the old one in force, and is counted, logged and told.
func TestReload(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	dir := t.TempDir()
	var log safeBuffer
	d := startDaemon(t, configured(t, dir, endpoint, onePack), &log)
	d.await(t, 1)
	if page := d.get(t, "/api/v1/packs"); !strings.Contains(page, onePack) || strings.Contains(page, anotherPack) {
		t.Errorf("before, the packs are %s", page)
	}

	writeFiles(t, dir, map[string]string{"packseal.yaml": "pakcs: []\n"})
	status, said := d.post(t)
	if status/100 == 2 || !strings.Contains(said, `did you mean "packs"`) {
		t.Errorf("a bad file: %d, %s", status, said)
	}
	if m := d.get(t, "/metrics"); !strings.Contains(m, "\npackseal_config_last_reload_successful 0\n") || !strings.Contains(log.String(), "configuration not reloaded") {
		t.Error("a bad file is neither counted nor logged")
	}
	if page := d.get(t, "/api/v1/packs"); !strings.Contains(page, onePack) {
		t.Errorf("after a bad file, the packs are %s", page)
	}

	configured(t, dir, endpoint, onePack, anotherPack)
	if status, said := d.post(t); status/100 != 2 {
		t.Errorf("a good file: %d, %s", status, said)
	}
	for len(d.engine.Load().entries) == 1 && fault.Sleep(t.Context(), time.Millisecond) {
	}
	d.await(t, 1)
	if page := d.get(t, "/api/v1/packs"); !strings.Contains(page, onePack) || !strings.Contains(page, anotherPack) {
		t.Errorf("after a good file, the packs are %s", page)
	}
	if m := d.get(t, "/metrics"); !strings.Contains(m, "\npackseal_config_last_reload_successful 1\n") || strings.Count(m, "\npackseal_last_sealed_timestamp_seconds{") != 2 {
		t.Errorf("after a good file, the metrics are\n%s", m)
	}
}

// TestSealBesideDaemon: seal works on the slots that a daemon works on, in the
// same folders and at the same time, and each slot is settled once.
func TestSealBesideDaemon(t *testing.T) {
	t.Parallel()
	api, endpoint := simulate(t)
	dir := t.TempDir()
	path := configured(t, dir, endpoint, onePack, anotherPack)
	var log, out, talk safeBuffer
	d := startDaemon(t, path, &log)
	code := run(context.WithoutCancel(t.Context()), []string{"seal", "--json", "-c", path}, &out, &talk)
	if code != 0 || strings.Count(out.String(), `"state":"sealed"`) != 2 {
		t.Errorf("seal ended with %d: %s%s", code, out.String(), talk.String())
	}
	d.await(t, 1)
	d.stop()
	if n := api.Calls()["GenerateCompliancePackReport"]; n != 2 {
		t.Errorf("%d reports were asked for, want one a pack", n)
	}
	out = safeBuffer{}
	if code := run(t.Context(), []string{"verify", "-c", path}, &out, &talk); code != 0 || !strings.HasPrefix(out.String(), "2 sealed, 0 gaps") {
		t.Errorf("verify ended with %d: %s%s", code, out.String(), talk.String())
	}
	if left, err := os.ReadDir(filepath.Join(dir, "state", "spool")); err != nil || len(left) != 0 {
		t.Errorf("the spool holds %v, %v", left, err)
	}
}
