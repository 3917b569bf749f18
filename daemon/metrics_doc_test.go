package daemon

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// update writes docs/metrics.md instead of comparing it:
// go test ./daemon -run Metrics -update
var update = flag.Bool("update", false, "write the tables of docs/metrics.md")

// TestMetricsReference holds docs/metrics.md to what /metrics shows: every
// metric with its type, labels and help, and the values of labels that are
// words of the program and not of the configuration.
func TestMetricsReference(t *testing.T) {
	t.Parallel()
	reg, families := scrape(t)
	families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !strings.HasPrefix(f.GetName(), "packseal_") })
	if missing := unseen(reg, families); len(missing) > 0 {
		t.Errorf("registered, but shown by no series at the start: %q", missing)
	}
	path := filepath.Join("..", "docs", "metrics.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := fill(t, fill(t, old, "metrics", metricsTable(families)), "values", valuesTable(families))
	if *update {
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(page, old) {
		t.Errorf("%s is not up to date: go test ./daemon -run Metrics -update", path)
	}
}

// unseen returns the names that the registry describes and the families lack:
// a vector without a series is registered and yet not to be seen.
func unseen(reg *registries, families []*dto.MetricFamily) (names []string) {
	described := make(chan *prometheus.Desc)
	go func() {
		reg.process.Describe(described)
		for _, part := range reg.parts {
			part.Describe(described)
		}
		close(described)
	}()
	name := regexp.MustCompile(`fqName: "(packseal_\w+)"`)
	for d := range described {
		m := name.FindStringSubmatch(d.String())
		if m != nil && !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == m[1] }) {
			names = append(names, m[1])
		}
	}
	return names
}

// fill puts a table between the two comments of that name.
func fill(t *testing.T, page []byte, name, table string) []byte {
	t.Helper()
	between := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]*-->\n)(.*?)(<!-- end of ` + name + ` -->\n)`)
	if !between.Match(page) {
		t.Fatalf("docs/metrics.md has no place for %s", name)
	}
	return between.ReplaceAllFunc(page, func(all []byte) []byte {
		m := between.FindSubmatch(all)
		return slices.Concat(m[1], []byte("\n"+table+"\n"), m[3])
	})
}

// metricsTable has a row for each metric.
func metricsTable(families []*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it tells |\n|---|---|---|---|\n")
	for _, f := range families {
		labels := slices.Sorted(maps.Keys(labelValues(f)))
		for i, l := range labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n",
			f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), strings.ReplaceAll(f.GetHelp(), "|", `\|`))
	}
	return b.String()
}

// fromOutside are the labels whose values come from the configuration or the
// build.
var fromOutside = []string{"source", "pack", "name", "sink", "channel", "version", "goversion", "label_owner"}

// valuesTable has a row for each set of values that a label can have.
func valuesTable(families []*dto.MetricFamily) string {
	users := make(map[string][]string) // label and values → metrics
	for _, f := range families {
		for label, values := range labelValues(f) {
			if !slices.Contains(fromOutside, label) {
				row := fmt.Sprintf("| `%s` | %s |", label, "`"+strings.Join(slices.Sorted(maps.Keys(values)), "` `")+"`")
				users[row] = append(users[row], "`"+strings.TrimPrefix(f.GetName(), "packseal_")+"`")
			}
		}
	}
	var b strings.Builder
	b.WriteString("| label | values | of |\n|---|---|---|\n")
	for _, row := range slices.Sorted(maps.Keys(users)) {
		fmt.Fprintf(&b, "%s %s |\n", row, strings.Join(users[row], ", "))
	}
	return b.String()
}

// labelValues are a metric's labels, each with the values that it has.
func labelValues(f *dto.MetricFamily) map[string]map[string]bool {
	labels := make(map[string]map[string]bool)
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if labels[l.GetName()] == nil {
				labels[l.GetName()] = make(map[string]bool)
			}
			labels[l.GetName()][l.GetValue()] = true
		}
	}
	return labels
}
