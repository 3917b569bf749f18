package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// watcher is a Prometheus, by its URL.
type watcher string

// startPrometheus runs a Prometheus with the rules, which watches the target
// every second.
func startPrometheus(ctx context.Context, t *testing.T, program, alertmanager, target string) watcher {
	t.Helper()
	dir, addr := t.TempDir(), freePort(t)
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(rules), "alert: PacksealSinkDown\n")
	hasty := strings.Replace(after, "for: 5m\n", "for: 2s\n", 1)
	if !ok || hasty == after {
		t.Fatal("PacksealSinkDown is not patient")
	}
	lab.Write(t, dir, map[string]string{"rules.yaml": before + "alert: PacksealSinkDown\n" + hasty, "prometheus.yaml": fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: packseal, static_configs: [{targets: [%q]}]}]
`, alertmanager, target)})
	start(t, program, "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	w := watcher("http://" + addr)
	until(ctx, t, "Prometheus is ready", func() bool {
		r, err := http.Get(string(w) + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close() //nolint:errcheck // read only
		return r.StatusCode == http.StatusOK
	})
	return w
}

// get asks Prometheus' API, and decodes the answer's data into v.
func (w watcher) get(t *testing.T, path string, query url.Values, v any) {
	t.Helper()
	r, err := http.Get(string(w) + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read only
	answer := struct {
		Error string
		Data  any
	}{Data: v}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s %v: %s, %v", path, query, answer.Error, err)
	}
}

// query returns how many series an expression has now.
func (w watcher) query(t *testing.T, expr string) int {
	t.Helper()
	var data struct{ Result []any }
	w.get(t, "query", url.Values{"query": {expr}}, &data)
	return len(data.Result)
}

// checkRules: every rule was evaluated, without a fault.
func (w watcher) checkRules(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	w.get(t, "rules", nil, &data)
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if n++; r.Health != "ok" {
				t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n == 0 {
		t.Error("Prometheus has no rules")
	}
}

// selector is a metric of ours, and which of its series.
var selector = regexp.MustCompile(`\bpackseal_[a-z_]+(\{[^}]*\})?`)

// checkNames: every series that rules and runbook speak of is there, and the
// runbook's queries can be asked.
func (w watcher) checkNames(t *testing.T, pack string) {
	t.Helper()
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(rules)
	named := strings.NewReplacer("SOURCE", "prod", "SINK", "primary", "PACK", pack)
	for line := range strings.Lines(string(runbook)) {
		if expr, _, ok := strings.Cut(line, "# PromQL"); ok {
			expr = named.Replace(strings.TrimSpace(expr))
			w.query(t, expr)
			text += expr + "\n"
		}
	}
	for _, s := range selector.FindAllString(text, -1) {
		var found []any
		if w.get(t, "series", url.Values{"match[]": {s}}, &found); len(found) == 0 {
			t.Errorf("no series is %s", s)
		}
	}
}

// startAlertmanager runs an Alertmanager that tells the webhook at once, and
// returns its address.
func startAlertmanager(t *testing.T, program, hook string) string {
	t.Helper()
	dir, addr := t.TempDir(), freePort(t)
	lab.Write(t, dir, map[string]string{"alertmanager.yaml": fmt.Sprintf(`
route: {receiver: hook, group_by: [...], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: %q}]}]
`, hook)})
	start(t, program, "--config.file="+filepath.Join(dir, "alertmanager.yaml"), "--storage.path="+dir,
		"--web.listen-address="+addr, "--cluster.listen-address=")
	return addr
}

// component returns the path of a program that the test needs.
func component(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// until waits for a condition.
func until(ctx context.Context, t *testing.T, what string, reached func() bool) {
	t.Helper()
	for !reached() {
		if !fault.Sleep(ctx, 50*time.Millisecond) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// start runs a program until the test ends, and shows what it said if the
// test failed.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	var said lab.Buffer
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		c.Wait()                          //nolint:errcheck // it was told to end
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), said.String())
		}
	})
}

// freePort returns an address of this machine that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it was never used
	return l.Addr().String()
}
