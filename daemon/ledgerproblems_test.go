package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packseal.example/archive"
	"packseal.example/archive/ledger/tree"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestLedgerProblems: what somebody wrote into the ledger is told by notices, metrics, the
// page's first sentence and a verification beside the daemon.
func TestLedgerProblems(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack}, More: withLedger(t, dir, ledgerOrigin)}
	path := s.Write(t)
	var log lab.Buffer
	d := start(t, path, &log)
	d.await(t, 1)
	lab.Eventually(t, "the ledger has everything", func() bool { return slated(&log) && d.ledgerStatus(t).Owed == 0 })
	services := d.services.Load()
	verified := func() (kinds []archive.Kind) {
		a, err := OpenArchive(t.Context(), services.runtime.Load().cfg, ArchiveOptions{ReadOnly: true, Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := a.Verify(t.Context(), archive.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Problems {
			kinds = append(kinds, p.Kind)
		}
		return kinds
	}
	if n, found := services.problems(), verified(); len(n)+len(found) > 0 {
		t.Fatalf("before: %v, %v", n, found)
	}
	lab.Write(t, filepath.Join(dir, "archive"), map[string]string{tree.BatchKey(500): "planted"})
	lab.Eventually(t, "it is noticed", func() bool { return services.problems()["void"] == 1 })
	if found := verified(); !slices.Equal(found, []archive.Kind{archive.Void}) {
		t.Errorf("verified: %v", found)
	}
	if shown := d.get(t, "/?lang=en"); !strings.Contains(shown, "Somebody without the key wrote into the ledger.") {
		t.Errorf("the page: %s", shown)
	}
	if shown := d.get(t, "/metrics"); !strings.Contains(shown, `packseal_ledger_problems{kind="void"} 1`) {
		t.Error("the metrics do not show it")
	}
	d.stop()
	if err := os.Remove(filepath.Join(dir, "archive", tree.BatchKey(500))); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{tree.BatchDir, tree.Dir + "checkpoint"} { // the whole ledger, under a stopped daemon
		if err := os.RemoveAll(filepath.Join(dir, "archive", gone)); err != nil {
			t.Fatal(err)
		}
	}
	if found := verified(); !slices.Contains(found, archive.RolledBack) {
		t.Errorf("without the ledger, verified: %v", found)
	}
}
