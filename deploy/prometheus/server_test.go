package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// server is a Prometheus, by its URL.
type server string

// startPrometheus runs a Prometheus with the rules, which scrapes the target
// every second.
func startPrometheus(ctx context.Context, t *testing.T, program, alertmanager, target string) server {
	t.Helper()
	dir, address := t.TempDir(), lab.Addresses(t, 1)[0]
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(rules), "alert: PacksealSinkDown\n")
	hasty := strings.Replace(after, "for: 5m\n", "for: 2s\n", 1)
	if !ok || hasty == after {
		t.Fatal("PacksealSinkDown does not wait for 5 minutes")
	}
	lab.Write(t, dir, map[string]string{"rules.yaml": before + "alert: PacksealSinkDown\n" + hasty, "prometheus.yaml": fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: packseal, static_configs: [{targets: [%q]}]}]
`, alertmanager, target)})
	lab.Start(t, program, "--config.file="+dir+"/prometheus.yaml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address)
	s := server("http://" + address)
	until(ctx, t, "Prometheus is ready", func() bool {
		r, err := http.Get(string(s) + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close() //nolint:errcheck // read only
		return r.StatusCode == http.StatusOK
	})
	return s
}

// get asks Prometheus' API, and decodes the answer's data into v.
func (s server) get(t *testing.T, path string, query url.Values, v any) {
	t.Helper()
	r, err := http.Get(string(s) + "/api/v1/" + path + "?" + query.Encode())
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
func (s server) query(t *testing.T, expr string) int {
	t.Helper()
	var data struct{ Result []any }
	s.get(t, "query", url.Values{"query": {expr}}, &data)
	return len(data.Result)
}

// checkRules: every rule was evaluated, without a fault.
func (s server) checkRules(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	s.get(t, "rules", nil, &data)
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

// checkNames: every series that rules and runbook name exists, and the
// runbook's queries can be asked.
func (s server) checkNames(t *testing.T, pack string) {
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
	named := strings.NewReplacer("SOURCE", lab.Source, "SINK", "primary", "PACK", pack)
	for line := range strings.Lines(string(runbook)) {
		if expr, _, ok := strings.Cut(line, "# PromQL"); ok {
			expr = named.Replace(strings.TrimSpace(expr))
			s.query(t, expr)
			text += expr + "\n"
		}
	}
	for _, match := range selector.FindAllString(text, -1) {
		var found []any
		if s.get(t, "series", url.Values{"match[]": {match}}, &found); len(found) == 0 {
			t.Errorf("no series is %s", match)
		}
	}
}
