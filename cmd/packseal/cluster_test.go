package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
)

// addresses returns loopback addresses that are free.
func addresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // only its number was wanted
		all = append(all, l.Addr().String())
	}
	return all
}

// member is the configuration of one of three replicas that form the queue.
func member(i int, routes []string, endpoint, bounds string, packs []string) string {
	return fmt.Sprintf(`
state_dir: state-%d
sources:
  prod:
    cloudconfig:
      endpoint: %s
      %s
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m}
sinks: [{name: primary, local: {dir: archive}}]
fetch: {poll_min: 200ms, poll_max: 1s}
web: {listen: "127.0.0.1:0"}
queue: {embedded: {cluster: {member: m%d, listen: "%s", routes: ["%s"], token_file: token}}}
packs: [{id: %s}]
`, i, endpoint, bounds, i, routes[i], strings.Join(routes, `", "`), strings.Join(packs, "}, {id: "))
}

// TestReplicas runs three daemons that form the queue and share an archive. A
// daemon alone serves its page and is not ready. One of the three has a newer
// configuration with one more pack; each pack's report is made once all the
// same, wherever its slot goes first.
func TestReplicas(t *testing.T) {
	t.Parallel()
	ids := []string{"cp-fdc8626622af00f90000", "cp-1a4f626622af00b10001", "cp-00c8626622af00c00002", "cp-0ab3626622af00d00003"}
	o := sim.Options{AccessKeyID: simKeyID, AccessKeySecret: simKeySecret}
	for _, id := range ids {
		o.Packs = append(o.Packs, sim.Pack{ID: id})
	}
	handler, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	dir, routes := t.TempDir(), addresses(t, 3)
	files := map[string]string{"key-id": simKeyID, "key-secret": simKeySecret, "token": "MARKED-between-replicas"}
	for i := range 3 {
		known := ids[:3]
		if i == 2 {
			known = ids
		}
		files[fmt.Sprint(i, ".yaml")] = member(i, routes, server.URL, "requests_per_second: 50", known)
	}
	writeFiles(t, dir, files)

	var said safeBuffer
	start := func(i int, log io.Writer) *live {
		return startDaemon(t, filepath.Join(dir, fmt.Sprint(i, ".yaml")), log)
	}
	alone := start(0, io.Discard)
	if page := alone.get(t, "/"); !strings.Contains(page, "packseal") {
		t.Errorf("the page of a replica alone:\n%s", page)
	}
	if text := alone.get(t, "/-/ready"); !strings.Contains(text, "starting") {
		t.Errorf("alone, it says to be ready: %s", text)
	}
	alone.stop() // while it waits for the others: no error

	all := []*live{start(0, &said), start(1, &said), start(2, &said)}
	sealed(t, filepath.Join(dir, "archive"), len(ids))
	for i, d := range all { // two of them are enough to seal, so the third may still be starting
		ready(t, d)
		d.shows(t, min(3+i/2, len(ids))) // whoever sealed them: as many as it knows packs
	}
	if n := handler.Calls()["GenerateCompliancePackReport"]; n != len(ids) {
		t.Errorf("%d reports were made for %d slots", n, len(ids))
	}
	for _, d := range all {
		d.stop()
	}
	if strings.Contains(said.String(), "MARKED") {
		t.Errorf("the token is in the log")
	}
}

// ready waits until the daemon says that it is at work.
func ready(t *testing.T, d *live) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		text := d.get(t, "/-/ready")
		if !strings.Contains(text, "not ready") {
			return
		}
		if !fault.Sleep(ctx, 20*time.Millisecond) {
			t.Fatalf("a replica does not get ready: %s", text)
		}
	}
}

// sealed waits until the archive holds so many manifests.
func sealed(t *testing.T, dir string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		var found int
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { //nolint:errcheck // what is not there yet is not counted
			if filepath.Base(path) == "manifest.json" {
				found++
			}
			return nil
		})
		if found == n {
			return
		}
		if !fault.Sleep(ctx, 20*time.Millisecond) {
			t.Fatalf("%d slots are sealed, want %d", found, n)
		}
	}
}
