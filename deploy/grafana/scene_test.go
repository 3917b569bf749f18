package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// daemon is a lab that Prometheus knows by the name of a job.
type daemon struct {
	*lab.Lab
	job     string
	packs   []sim.Pack
	sinks   string // more of them
	ledger  string // its mapping
	timeout string
}

// newDaemon makes a daemon's lab.
func newDaemon(t *testing.T, job, timeout string, packs []sim.Pack) *daemon {
	t.Helper()
	return &daemon{Lab: lab.New(t, packs...), job: job, timeout: timeout, packs: packs}
}

// configure writes the configuration. Its packs are those of the simulator and
// one that the simulator does not have, if it is named.
func (d *daemon) configure(schedule string, absent ...string) {
	c := lab.Setup{
		Source:   "requests_per_second: 20",
		Defaults: fmt.Sprintf("schedule: %q, catch_up: 1m, timeout: %s", schedule, d.timeout),
		Sinks:    "[{name: primary, local: {dir: archive}}" + d.sinks + "]", Log: "level: error",
	}
	if d.ledger != "" {
		c.More = "ledger: " + d.ledger
	}
	for _, p := range d.packs {
		c.Packs = append(c.Packs, fmt.Sprintf("{id: %s, name: %q, aggregator: %q}", p.ID, p.Name, p.Aggregator))
	}
	for _, id := range absent {
		c.Packs = append(c.Packs, "{id: "+id+", name: a pack that does not exist}")
	}
	d.Configure(c)
}

// files are those of the archive whose names begin so.
func (d *daemon) files(t *testing.T, prefix string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(d.Path("archive"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(e.Name(), prefix) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// damage alters one report.
func (d *daemon) damage(t *testing.T) {
	t.Helper()
	report := d.files(t, "report-")[0]
	if err := os.Remove(report); err != nil {
		t.Fatal(err)
	}
	write(t, report, "altered")
}

// verify runs packseal verify, which must find something wrong, or nothing.
func (d *daemon) verify(t *testing.T, wrong bool) {
	t.Helper()
	if out, err := d.Run("verify"); (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("verify: %v\n%s", err, out)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// watch runs a Prometheus that scrapes each job at the address that its file
// in the folder says, and returns its URL.
func watch(t *testing.T, dir string) (url string) {
	t.Helper()
	binary, address := lab.Tool(t, "prometheus"), lab.Addresses(t, 1)[0]
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, `global: {scrape_interval: 1s}
scrape_configs:
  - job_name: packseal
    file_sd_configs: [{files: ["targets-*.json"], refresh_interval: 1s}]
`)
	lab.Start(t, binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	return "http://" + address
}

// target has Prometheus scrape the job at the address.
func target(t *testing.T, dir, job, address string) {
	t.Helper()
	path := filepath.Join(dir, "targets-"+job+".json")
	write(t, path+".new", fmt.Sprintf(`[{"targets": [%q], "labels": {"job": %q}}]`, address, job))
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until done, or fails the test saying for what it waited.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never came: %s", what)
		}
	}
}
