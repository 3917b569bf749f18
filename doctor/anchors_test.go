package doctor

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/config"
	"packseal.example/internal/secret"
	"packseal.example/sink/local"
)

// TestAnchors: each authority and each witness is tried, and what is wrong is said.
func TestAnchors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := secret.File(filepath.Join(dir, "ledger-key"))
	line, text, err := ledger.GenerateKey("example.com/packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	good, fast, w := stamptest.New(t, "tsa.example"), stamptest.New(t, "tsa.example"), witnesstest.New(t, "witness.example/w1", log)
	fast.Now = func() time.Time { return time.Now().Add(time.Hour) }
	write := func(name string, b []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("ledger-key", []byte(line.Reveal()+"\n"))
	stamp := func(name string, a *stamptest.Authority, roots []byte) config.Stamp {
		server := httptest.NewServer(a)
		t.Cleanup(server.Close)
		return config.Stamp{Name: name, URL: server.URL, CAFile: write(name+".pem", roots)}
	}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	e := &examination{Options: Options{Tool: "packseal/test", Config: &config.Config{
		StateDir: dir, Sinks: []config.Sink{{Name: "primary", Local: &local.Options{Dir: filepath.Join(dir, "archive")}}},
		Ledger: &config.Ledger{
			Origin: "example.com/packseal/test", KeyFile: key,
			Stamps:    []config.Stamp{stamp("good", good, good.Root), stamp("fast", fast, fast.Root), stamp("foreign", good, fast.Root)},
			Witnesses: []config.Witness{{Name: "w1", URL: server.URL, Key: w.Key}},
		},
	}}}
	examine := func(want ...string) {
		t.Helper()
		checks := e.anchors()
		if len(checks) != len(want) {
			t.Fatalf("%d checks, want %d", len(checks), len(want))
		}
		for i, c := range checks {
			r := c.run(t.Context())
			if got := fmt.Sprint(r[0].Mark(), " ", c.target, ": ", r[0].Detail, " ", r[0].Hint); len(r) != 1 || !strings.HasPrefix(got, want[i]) {
				t.Errorf("%s, want %s", got, want[i])
			}
		}
	}
	stamps := []string{
		"✓ authority good: gives time-stamps that hold, by CN=tsa.example, whose certificate ends on 2120-01-01",
		"✗ authority fast: this machine's clock differs by ", "✗ authority foreign: the time-stamp of authority foreign: the authority's certificate leads to no root",
	}
	examine(append(stamps, "– witness w1: not asked, since there is no checkpoint: "+filepath.Join(dir, "ledger"))...)
	if _, err := os.Stat(filepath.Join(dir, "ledger")); err == nil {
		t.Error("doctor made the ledger's state")
	}
	keys, err := ledger.ReadKeys(key, "example.com/packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	sink, err := e.Config.Sinks[0].Opener().Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{
		Origin: "example.com/packseal/test", Keys: keys, Dir: filepath.Join(dir, "ledger"), Tool: "packseal/test",
		Logger: slog.New(slog.DiscardHandler), Sinks: []ledger.Target{{Name: "primary", Sink: sink}},
	})
	if err == nil {
		err = l.Append(t.Context(), []tree.Entry{tree.Of("prod/cp-1/2026/03/20260331T180000Z/manifest.json", nil)})
	}
	if err != nil {
		t.Fatal(err)
	}
	examine(append(stamps, "✓ witness w1: knows the ledger, and has cosigned 1 entries of it")...)
	e.Config.Ledger.Stamps = []config.Stamp{{Name: "lost", URL: "http://tsa.example/", CAFile: filepath.Join(dir, "lost.pem")}}
	e.Config.Ledger.Witnesses = nil
	examine("✗ ledger.stamps: the certificates of authority lost")
}
