package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"packseal.example/config"
)

// scrape starts the demo's engine and returns what /metrics shows then.
func scrape(t *testing.T) (*prometheus.Registry, []*dto.MetricFamily) {
	t.Helper()
	d := demo{dir: t.TempDir(), listen: "127.0.0.1:0", began: time.Now()}
	path, err := d.configure("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	withChannel(t, path)
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(t.Context(), cfg, slog.New(slog.DiscardHandler), newReloadStatus())
	if err != nil {
		t.Fatal(err)
	}
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := e.run(ended); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "state", "queue")); err != nil {
		t.Error(err)
	}
	return e.registry, families
}

// withChannel adds to a configuration somebody who is told of things.
func withChannel(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("notify: [{name: team, webhook: {url_file: webhook-url}}]\n")
		err = errors.Join(err, f.Close())
	}
	err = errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(path), "webhook-url"), []byte("http://127.0.0.1:1/"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// TestMetricsLint: what /metrics shows at the start is in order, by the
// library's lint and by promtool's.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	_, families := scrape(t)
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := promlint.New(bytes.NewReader(text.Bytes())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %+v, %v", problems, err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("PACKSEAL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed")
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = &text
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
