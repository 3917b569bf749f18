package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

const (
	rulesFile   = "../../deploy/prometheus/rules.yaml"
	runbookFile = "../../docs/runbook.md"
)

// TestAlert takes the sink away from a daemon that Prometheus watches, until
// the webhook behind Alertmanager is told, and gives it back, until it is told
// of that. Nothing but the alert's patience of 5 minutes is other than in
// deploy/prometheus. What Prometheus has scraped then answers for the rest:
// every series that the rules and the runbook speak of is there.
func TestAlert(t *testing.T) {
	t.Parallel()
	prometheus, alertmanager := component(t, "prometheus"), component(t, "prometheus-alertmanager")
	ctx, cancel := context.WithTimeout(t.Context(), 85*time.Second)
	defer cancel()
	const good, missing = "cp-fdc8626622af00f90000", "cp-00c8626622af00ffffff"
	_, endpoint := lab.Simulate(t, sim.Pack{ID: good})
	dir := t.TempDir()
	path := lab.Setup{
		Dir: dir, Endpoint: endpoint, Defaults: `schedule: "@every 2s", catch_up: 1m, timeout: 1m`,
		Packs: []string{"{id: " + good + "}", "{id: " + missing + "}"},
	}.Write(t)
	daemon := startRun(t, path)
	hook := newWebhook(t)
	p := startPrometheus(ctx, t, prometheus, startAlertmanager(t, alertmanager, hook.URL), strings.TrimPrefix(daemon.url, "http://"))
	until(ctx, t, "Prometheus sees the sink", func() bool { return p.query(t, `packseal_sink_up{sink="primary"} == 1`) > 0 })
	until(ctx, t, "the webhook hears of the gap of the pack that does not exist", func() bool {
		return hook.heard("PacksealGap", "firing", missing) != nil
	})

	archive := filepath.Join(dir, "archive")
	if err := os.Rename(archive, archive+".away"); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, dir, map[string]string{"archive": "no folder"})
	until(ctx, t, "the webhook hears of the sink", func() bool { return hook.heard("PacksealSinkDown", "firing", "") != nil })
	want := map[string]string{"alertname": "PacksealSinkDown", "job": "packseal", "severity": "critical", "sink": "primary"}
	if diff := cmp.Diff(want, hook.heard("PacksealSinkDown", "firing", "")); diff != "" {
		t.Errorf("the alert's labels (-want +got):\n%s", diff)
	}
	if err := os.Remove(archive); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(archive+".away", archive); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "the webhook hears that the sink is back", func() bool { return hook.heard("PacksealSinkDown", "resolved", "") != nil })
	if diff := cmp.Diff([]string{"PacksealGap", "PacksealSinkDown"}, hook.names()); diff != "" {
		t.Errorf("alerts that fired (-want +got):\n%s", diff)
	}
	p.checkRules(t)
	p.checkNames(t, good)
}

// webhook is what Alertmanager tells.
type webhook struct {
	*httptest.Server
	mu     sync.Mutex
	labels map[[3]string]map[string]string // alert, status and pack, if any → all labels
}

func newWebhook(t *testing.T) *webhook {
	w := &webhook{labels: make(map[[3]string]map[string]string)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct {
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range message.Alerts {
			w.labels[[3]string{a.Labels["alertname"], a.Status, a.Labels["pack"]}] = a.Labels
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// heard returns the labels of an alert that was told of with that status.
func (w *webhook) heard(alert, status, pack string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.labels[[3]string{alert, status, pack}]
}

// names returns the alerts that fired, in order.
func (w *webhook) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	fired := make(map[string]bool)
	for told := range w.labels {
		fired[told[0]] = true
	}
	return slices.Sorted(maps.Keys(fired))
}
