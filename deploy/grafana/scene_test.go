package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

const (
	keyID     = "LTAI5tOfThisTestAlone"
	keySecret = "opens-nothing-else"
)

// home is one daemon's folder, with its configuration, and what it asks.
type home struct {
	binary, dir, job string
	packs            []sim.Pack
	sinks            string // more of them, as YAML
	schedule         string
	timeout          string
}

// newHome makes a daemon's folder.
func newHome(t *testing.T, binary, job, schedule, timeout string, packs []sim.Pack) *home {
	t.Helper()
	return &home{binary: binary, dir: t.TempDir(), job: job, schedule: schedule, timeout: timeout, packs: packs}
}

// configure writes the configuration. Its packs are those of the simulator and
// one that the simulator does not have, if it is named.
func (h *home) configure(t *testing.T, endpoint string, absent ...string) {
	t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, `state_dir: state
sources:
  prod:
    cloudconfig:
      endpoint: %s
      requests_per_second: 20
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {source: prod, schedule: %q, catch_up: 1m, timeout: %s}
fetch: {poll_min: 100ms, poll_max: 500ms}
web: {listen: "127.0.0.1:0"}
log: {level: error}
sinks:
  - {name: primary, local: {dir: archive}}
%spacks:
`, endpoint, h.schedule, h.timeout, h.sinks)
	for _, p := range h.packs {
		fmt.Fprintf(&y, "  - {id: %s, name: %q, aggregator: %q}\n", p.ID, p.Name, p.Aggregator)
	}
	for _, id := range absent {
		fmt.Fprintf(&y, "  - {id: %s, name: a pack that does not exist}\n", id)
	}
	for name, content := range map[string]string{"key-id": keyID, "key-secret": keySecret, "packseal.yaml": y.String()} {
		write(t, filepath.Join(h.dir, name), content)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// simulate runs a Config API that has the packs.
func simulate(t *testing.T, packs []sim.Pack) (endpoint string) {
	t.Helper()
	handler, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: keySecret, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// build builds packseal.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "packseal")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "packseal.example/cmd/packseal").CombinedOutput(); err != nil {
		t.Fatalf("building packseal: %v\n%s", err, out)
	}
	return binary
}

// run starts the daemon and returns its address, and what ends it.
func (h *home) run(t *testing.T) (address string, stop func()) {
	t.Helper()
	c := exec.Command(h.binary, "run", "--config", "packseal.yaml")
	c.Dir = h.dir
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stop = start(t, c)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), ": http://"); ok {
			go io.Copy(io.Discard, stderr) //nolint:errcheck // ends with the daemon
			return address, stop
		}
	}
	t.Fatalf("%s did not say where it listens", h.job)
	return "", nil
}

// start starts a command that is interrupted by stop, or at the test's end.
func start(t *testing.T, c *exec.Cmd) (stop func()) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			c.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
			c.Wait()                          //nolint:errcheck // it was told to end
		}
	}
	t.Cleanup(stop)
	return stop
}

// verify runs packseal verify, which must end with the code.
func (h *home) verify(t *testing.T, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), h.binary, "verify", "--config", "packseal.yaml")
	c.Dir = h.dir
	out, _ := c.CombinedOutput()
	if c.ProcessState.ExitCode() != code {
		t.Fatalf("verify ended with %d:\n%s", c.ProcessState.ExitCode(), out)
	}
}

// files are those of the archive whose names begin so.
func (h *home) files(t *testing.T, prefix string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(h.dir, "archive"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), prefix) {
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
func (h *home) damage(t *testing.T) {
	t.Helper()
	report := h.files(t, "report-")[0]
	if err := os.Remove(report); err != nil {
		t.Fatal(err)
	}
	write(t, report, "altered")
}

// watch runs a Prometheus that scrapes each job at the address that its file
// in the folder says, and returns its URL.
func watch(t *testing.T, dir string) (url string) {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("prometheus is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() //nolint:errcheck // Prometheus wants a port by its number
	write(t, filepath.Join(dir, "prometheus.yml"), `global: {scrape_interval: 1s}
scrape_configs:
  - job_name: packseal
    file_sd_configs: [{files: ["targets-*.json"], refresh_interval: 1s}]
`)
	c := exec.Command(binary, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+address, "--log.level=error")
	c.Dir = dir
	c.Stderr = os.Stderr
	start(t, c)
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
