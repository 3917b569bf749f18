package rules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// TestAlert takes the sink away from a daemon that Prometheus watches, until
// Alertmanager has called the webhook, and gives it back, until the webhook hears
// of that. Only the 5 minutes for which the alert waits are shorter than in the
// rules. What Prometheus has scraped by then answers for the rest: every series
// that rules and runbook name exists.
func TestAlert(t *testing.T) {
	t.Parallel()
	prometheus, alertmanager := lab.Tool(t, "prometheus"), lab.Tool(t, "prometheus-alertmanager")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	l := lab.New(t, sim.Pack{ID: lab.Pack})
	l.Configure(lab.Setup{Discover: `rules: [{match: {name: "no such name"}}]`,
		Defaults: `schedule: "@every 2s", catch_up: 1m, timeout: 1m`,
		Packs:    []string{"{id: " + lab.Pack + "}", "{id: " + sim.MissingPackID + "}"},
		More:     `ledger: {origin: example.com/packseal/alerts, key_file: ledger-key, stamps: [{name: silent, url: "http://127.0.0.1:9"}], witnesses: [{name: silent, url: "http://127.0.0.1:9", key: witness.example+3ac253b8+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}`,
	})
	if out, err := l.Run("ledger", "init"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	locked := fmt.Sprintf(`{"locks": [{"sink": "worm", "read": 1, "until": %q}]}`, time.Now().AddDate(1, 0, 0).Format(time.RFC3339)) // as a verification of a sink that locks leaves it
	if err := os.MkdirAll(l.Path("state"), 0o750); err != nil {
		t.Fatal(err)
	}
	l.Write("state/verify.json", locked)
	p := l.Start()
	p.Ready()
	hook := newWebhook(t)
	w := startPrometheus(ctx, t, prometheus, startAlertmanager(t, alertmanager, hook.URL), strings.TrimPrefix(p.URL(), "http://"))
	until(ctx, t, "the sink is scraped as up", func() bool { return w.query(t, `packseal_sink_up{sink="primary"} == 1`) > 0 })
	until(ctx, t, "PacksealGap fires for the pack that does not exist", func() bool {
		return hook.received("PacksealGap", "firing", sim.MissingPackID) != nil
	})

	archive := l.Path("archive")
	if err := os.Rename(archive, archive+".away"); err != nil {
		t.Fatal(err)
	}
	l.Write("archive", "no folder")
	until(ctx, t, "PacksealSinkDown fires", func() bool { return hook.received("PacksealSinkDown", "firing", "") != nil })
	want := map[string]string{"alertname": "PacksealSinkDown", "job": "packseal", "severity": "critical", "sink": "primary"}
	if diff := cmp.Diff(want, hook.received("PacksealSinkDown", "firing", "")); diff != "" {
		t.Errorf("the alert's labels (-want +got):\n%s", diff)
	}
	if err := os.Remove(archive); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(archive+".away", archive); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "PacksealSinkDown is resolved", func() bool { return hook.received("PacksealSinkDown", "resolved", "") != nil })
	if diff := cmp.Diff([]string{"PacksealGap", "PacksealSinkDown"}, hook.names()); diff != "" {
		t.Errorf("alerts that fired (-want +got):\n%s", diff)
	}
	w.checkRules(t)
	w.checkNames(t, lab.Pack)
}

// until waits for a condition.
func until(ctx context.Context, t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("timed out waiting: %s", what)
		}
	}
}

// webhook is a receiver of Alertmanager's.
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

// received returns the labels of an alert that was received with that status.
func (w *webhook) received(alert, status, pack string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.labels[[3]string{alert, status, pack}]
}

// names returns the alerts that fired, in order.
func (w *webhook) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	fired := make(map[string]bool)
	for key := range w.labels {
		fired[key[0]] = true
	}
	return slices.Sorted(maps.Keys(fired))
}

// startAlertmanager runs an Alertmanager that calls the webhook at once, and
// returns its address.
func startAlertmanager(t *testing.T, program, hook string) (address string) {
	t.Helper()
	dir, address := t.TempDir(), lab.Addresses(t, 1)[0]
	lab.Write(t, dir, map[string]string{"alertmanager.yaml": fmt.Sprintf(`
route: {receiver: hook, group_by: [...], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: %q}]}]
`, hook)})
	lab.Start(t, program, "--config.file="+dir+"/alertmanager.yaml", "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	return address
}
