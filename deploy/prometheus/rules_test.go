// Package rules_test holds the alerting rules and the runbook against one
// another, and lets promtool try the rules.
package rules_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

const (
	rulesFile   = "rules.yaml"
	runbookFile = "../../docs/runbook.md"
	runbookURL  = "https://packseal.example/docs/runbook#"
)

// rule is an alerting rule, or a recording rule when Alert is empty.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// read decodes a YAML file into v.
func read(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// alerts returns the alerting rules.
func alerts(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	read(t, rulesFile, &file)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				all = append(all, r)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

// slug is the anchor that a heading, or an alert's name without "Packseal",
// gets: words in lower case with dashes.
func slug(heading string) string {
	words := regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(heading, "$1 $2")
	return strings.ReplaceAll(strings.ToLower(words), " ", "-")
}

// TestRunbook: each alert has its section, each section its alert, and each
// section has a meaning, a diagnosis and a mitigation.
func TestRunbook(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(runbookFile)
	if err != nil {
		t.Fatal(err)
	}
	var sections, wanted []string
	for _, section := range strings.Split(string(b), "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		sections = append(sections, slug(heading))
		for _, part := range []string{"**Meaning**", "**Diagnosis**", "**Mitigation**"} {
			if strings.Count(body, part) != 1 {
				t.Errorf("section %q: not one %s", heading, part)
			}
		}
	}
	for _, a := range alerts(t) {
		name, ok := strings.CutPrefix(a.Alert, "Packseal")
		anchor := slug(name)
		wanted = append(wanted, anchor)
		if url := a.Annotations["runbook_url"]; !ok || url != runbookURL+anchor {
			t.Errorf("%s: runbook_url is %q, want %s%s", a.Alert, url, runbookURL, anchor)
		}
		if !slices.Contains([]string{"critical", "warning"}, a.Labels["severity"]) {
			t.Errorf("%s: its severity is %q", a.Alert, a.Labels["severity"])
		}
		for _, what := range []string{"summary", "description"} {
			if text := a.Annotations[what]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: its %s is no sentence: %q", a.Alert, what, text)
			}
		}
	}
	slices.Sort(sections)
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, sections); diff != "" {
		t.Errorf("sections of the runbook (-alerts +sections):\n%s", diff)
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(string(b), -1) {
		sections = append(sections, slug(heading[1]))
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(string(b), -1) {
		if !slices.Contains(sections, link[1]) {
			t.Errorf("the runbook links to #%s, which is not there", link[1])
		}
	}
}

// TestEachAlertIsTried: the unit tests have each alert fire, and not fire.
func TestEachAlertIsTried(t *testing.T) {
	t.Parallel()
	fires, rests := make(map[string]bool), make(map[string]bool)
	for _, name := range unitTests(t) {
		var file struct {
			Tests []struct {
				Cases []struct {
					Alert string `yaml:"alertname"`
					Want  []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		read(t, name, &file)
		for _, test := range file.Tests {
			for _, c := range test.Cases {
				fires[c.Alert] = fires[c.Alert] || len(c.Want) > 0
				rests[c.Alert] = rests[c.Alert] || len(c.Want) == 0
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !rests[a.Alert] {
			t.Errorf("%s: tried firing %t, not firing %t", a.Alert, fires[a.Alert], rests[a.Alert])
		}
		delete(fires, a.Alert)
	}
	for name := range fires {
		t.Errorf("%s is tried and is no alert", name)
	}
}

// unitTests returns the files of promtool's unit tests.
func unitTests(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no unit tests: %v", err)
	}
	return names
}

// TestPromtool: rules, unit tests and examples pass what Prometheus and
// Alertmanager come with.
func TestPromtool(t *testing.T) {
	t.Parallel()
	checks := [][]string{
		{"promtool", "check", "rules", rulesFile},
		{"promtool", "check", "config", "prometheus.example.yaml"},
		{"amtool", "check-config", "alertmanager.example.yaml"},
	}
	for _, name := range unitTests(t) {
		checks = append(checks, []string{"promtool", "test", "rules", name})
	}
	for _, check := range checks {
		t.Run(strings.Join(check, " "), func(t *testing.T) {
			t.Parallel()
			tool, err := exec.LookPath(check[0])
			if err != nil {
				if os.Getenv("PACKSEAL_CI") != "" {
					t.Fatal(err)
				}
				t.Skipf("%s is not installed", check[0])
			}
			if out, err := exec.CommandContext(t.Context(), tool, check[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
