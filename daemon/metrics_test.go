package daemon

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"packseal.example/archive"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/fetcher/discovery"
	"packseal.example/test/lab"
)

// scrape returns what /metrics shows of a daemon with a channel when the history
// of its pack is read.
func scrape(t *testing.T) (*registries, []*dto.MetricFamily) {
	t.Helper()
	dir := t.TempDir()
	lab.Write(t, dir, map[string]string{"webhook-url": "http://127.0.0.1:1/"})
	more := strings.Replace(withLedger(t, dir, ledgerOrigin), "interval: 1s",
		`interval: 1s, stamps: [{name: tsa, url: "http://127.0.0.1:1/"}], witnesses: [{name: w, url: "http://127.0.0.1:1/", key: `+witnesstest.New(t, "w").Key+`}]`, 1)
	s, _ := idle(t, lab.Setup{Dir: dir, Discover: "rules: [{}]", Accounts: "role: packseal", Packs: []string{"{id: " + lab.Pack + ", labels: {owner: security}}"}, More: more + "notify: [{name: team, webhook: {url_file: webhook-url}}]\n"})
	if err := s.discovered.set(map[string]discovery.State{"prod": {Tried: time.Now(), Listed: time.Now(), AccountsListed: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	if err := SaveVerified(s.cfg.StateDir, archive.Result{Locks: []archive.Locked{{Sink: "primary", Until: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	reading := make(chan error, 1)
	go func() { reading <- s.catalog.Run(ctx) }()
	lab.Eventually(t, "the history is read", func() bool { return s.catalog.Status("prod", lab.Pack).Complete })
	families, err := s.registries.Gather()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-reading; err != nil {
		t.Error(err)
	}
	return s.registries, families
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
