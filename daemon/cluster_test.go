package daemon

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// replicas writes the configurations of three replicas that form the queue and
// share an archive, each in its own folder.
func replicas(t testing.TB, s lab.Setup) (all []lab.Setup) {
	t.Helper()
	top, routes := t.TempDir(), lab.Addresses(t, 3)
	lab.Write(t, top, map[string]string{"token": "MARKED-between-replicas"})
	archive := filepath.Join(top, "archive")
	for i := range 3 {
		own := s
		own.Dir, own.Archive = filepath.Join(top, strconv.Itoa(i)), archive
		own.More += fmt.Sprintf(`queue: {embedded: {cluster: {member: m%d, listen: "%s", routes: ["%s"], token_file: ../token}}}`+"\n",
			i, routes[i], strings.Join(routes, `", "`))
		all = append(all, own)
	}
	return all
}

// TestReplicas runs three daemons that form the queue and share an archive. A
// daemon alone serves its page and is not ready. One of the three has a newer
// configuration with one more pack; each pack's report is made once all the
// same, wherever its slot goes first.
func TestReplicas(t *testing.T) {
	t.Parallel()
	ids := []string{lab.Pack, lab.Another, slowPack, "cp-0ab3626622af00d00003"}
	var packs []sim.Pack
	for _, id := range ids {
		packs = append(packs, sim.Pack{ID: id})
	}
	api, endpoint := lab.Simulate(t, packs...)
	setups := replicas(t, lab.Setup{Endpoint: endpoint, Packs: ids[:3]})
	setups[2].Packs = ids
	var log lab.Buffer
	first := setups[0].Write(t)
	alone := start(t, first, io.Discard)
	if page := alone.get(t, "/"); !strings.Contains(page, "packseal") {
		t.Errorf("the page of a replica alone:\n%s", page)
	}
	if text := alone.get(t, "/-/ready"); !strings.Contains(text, "starting") {
		t.Errorf("alone, it says to be ready: %s", text)
	}
	alone.stop() // while it waits for the others: no error

	all := []*live{start(t, first, &log), start(t, setups[1].Write(t), &log), start(t, setups[2].Write(t), &log)}
	sealed(t, setups[0].Archive, len(ids))
	for i, d := range all { // two of them are enough to seal, so the third may still be starting
		d.ready(t)
		d.shows(t, min(3+i/2, len(ids))) // whoever sealed them: as many as it knows packs
	}
	if n := api.Calls()["GenerateCompliancePackReport"]; n != len(ids) {
		t.Errorf("%d reports were made for %d slots", n, len(ids))
	}
	for _, d := range all {
		d.stop()
	}
	if strings.Contains(log.String(), "MARKED") {
		t.Errorf("the token is in the log")
	}
}

// shows waits until page and metrics of a replica say that so many slots are
// sealed, wherever that was done.
func (d *live) shows(t *testing.T, sealed int) {
	t.Helper()
	lab.Eventually(t, fmt.Sprintf("a replica shows %d sealed slots", sealed), func() bool {
		onPage := 0
		for _, p := range d.packs(t) {
			onPage += p.Sealed
		}
		return onPage == sealed && sum(d.get(t, "/metrics"), "packseal_archive_slots{", `result="sealed"`) == float64(sealed)
	})
}

// sum adds up the series of a page of metrics that begin with a prefix and hold
// a text.
func sum(page, prefix, text string) (total float64) {
	for line := range strings.Lines(page) {
		if series, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(series, prefix) && strings.Contains(series, text) {
			v, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			total += v
		}
	}
	return total
}

// sealed waits until the archive holds so many manifests.
func sealed(t testing.TB, dir string, n int) {
	t.Helper()
	lab.Eventually(t, fmt.Sprintf("%d slots are sealed", n), func() bool {
		found := 0
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { //nolint:errcheck // what is not there yet is not counted
			if filepath.Base(path) == "manifest.json" {
				found++
			}
			return nil
		})
		return found == n
	})
}
