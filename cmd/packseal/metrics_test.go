package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"

	"packseal.example/config"
)

// TestMetricsLint: what /metrics shows at the start is in order, by the
// library's lint and by promtool's.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	d := demo{dir: t.TempDir(), listen: "127.0.0.1:0", began: time.Now()}
	path, err := d.configure("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(t.Context(), cfg, slog.New(slog.DiscardHandler), newReloadStatus())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if err := e.run(ended); err != nil {
		t.Error(err)
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
	if _, err := os.Stat(filepath.Join(d.dir, "state", "queue")); err != nil {
		t.Error(err)
	}
}
