package daemon

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/test/lab"
)

const ledgerOrigin = "example.com/packseal/test"

// withLedger writes a key into the folder, and returns the settings of a ledger.
func withLedger(t testing.TB, dir, origin string) (more string) {
	t.Helper()
	key, _, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, dir, map[string]string{"ledger-key": key.Reveal() + "\n"})
	return "ledger: {origin: " + origin + ", key_file: ledger-key, interval: 1s}\n"
}

// ledgerStatus is what the page's JSON says of the ledger.
func (d *live) ledgerStatus(t testing.TB) (s evidence.LedgerStatus) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.get(t, "/api/v1/ledger")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// ledgerOf opens the ledger of a configuration, and follows it to its end.
func ledgerOf(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLedger(t.Context(), cfg, LedgerOptions{Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = ledger.Patiently(t.Context(), l.Commit)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// kinds counts the entries of a ledger.
func kinds(t testing.TB, l *ledger.Ledger) map[tree.Kind]int {
	t.Helper()
	n := make(map[tree.Kind]int)
	for e, err := range l.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n[e.Kind()]++
	}
	return n
}

// TestLedger: what the daemon keeps is in the ledger, in every sink, as its metrics, its
// page and its control socket say; a verb beside it sees the same.
func TestLedger(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{
		Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack, sim.MissingPackID}, More: withLedger(t, dir, ledgerOrigin),
		Sinks: "\n  - {name: primary, local: {dir: archive}}\n  - {name: mirror, local: {dir: copies}}",
	}
	path := s.Write(t)
	var log lab.Buffer
	d := start(t, path, &log)
	d.await(t, 1)
	var st evidence.LedgerStatus
	var n map[tree.Kind]int
	lab.Eventually(t, "the ledger has everything", func() bool {
		l := ledgerOf(t, path)
		n, st = kinds(t, l), d.ledgerStatus(t)
		return slated(&log) && n[tree.Manifest]+n[tree.Gap] == 2 && st.Owed == 0 && st.Size == l.Status().Checkpoint.Size
	})
	size := strconv.FormatInt(st.Size, 10)
	if st.Origin != ledgerOrigin || st.Line != "ledger "+ledgerOrigin+" "+size+" "+st.Root || len(st.Keys) != 1 || len(st.Problems) > 0 || st.Error != "" || st.Committed.IsZero() {
		t.Errorf("%+v", st)
	}
	if shown := d.get(t, "/"); !strings.Contains(shown, "<code>ledger "+ledgerOrigin+" "+size+" ") {
		t.Errorf("the page does not show it:\n%s", shown)
	}
	if shown := d.get(t, "/statement?from=2020-01-01&to=2020-12-31&zone=Asia/Shanghai"); !strings.Contains(shown, "合规报告存证声明") || !strings.Contains(shown, `<a href="/">packseal</a>`) {
		t.Errorf("the statement is not shown:\n%s", shown)
	}
	metrics := d.get(t, "/metrics")
	for _, want := range []string{"packseal_ledger_backlog 0", "packseal_ledger_size " + size, "packseal_ledger_batches [1-9]", "packseal_ledger_void_total 0", `packseal_ledger_problems{kind="rolled_back"} 0`, `packseal_ledger_last_commit_success_timestamp_seconds 1\.`} {
		if !regexp.MustCompile("(?m)^" + want).MatchString(metrics) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if c := (controlled{d.services.Load(), d.Daemon}).Status(t.Context()); c.Ledger == nil || c.Ledger.Size != st.Size {
		t.Errorf("control says %+v", c.Ledger)
	}
	if n[tree.Manifest] != 1 || n[tree.Gap] != 1 || n[tree.Plan] != 1 || len(n) != 4 {
		t.Errorf("the ledger has %v", n)
	}
	d.stop()
	for _, key := range []string{tree.BatchKey(0), tree.CheckpointKey(0)} {
		a, err := os.ReadFile(filepath.Join(dir, "archive", key))
		b, berr := os.ReadFile(filepath.Join(dir, "copies", key))
		if err != nil || berr != nil || string(a) != string(b) {
			t.Errorf("%s: %v, %v", key, err, berr)
		}
	}
}

// TestLedgerReload: the ledger comes, gets the next key and goes with the configuration.
// Another origin needs a restart.
func TestLedgerReload(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint}
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	d.await(t, 1)
	if body := d.get(t, "/api/v1/ledger"); !strings.Contains(body, "no ledger is configured") || strings.Contains(d.get(t, "/metrics"), "packseal_ledger") {
		t.Errorf("before: %s", body)
	}
	reload := func() {
		t.Helper()
		s.Write(t)
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.More = withLedger(t, dir, ledgerOrigin)
	reload()
	s.Packs = []string{lab.Pack, sim.MissingPackID}
	reload()
	lab.Eventually(t, "the gap is logged", func() bool { return kinds(t, ledgerOf(t, filepath.Join(dir, "packseal.yaml")))[tree.Gap] == 1 })

	file := filepath.Join(dir, "ledger-key")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	next, verifier, err := ledger.GenerateKey(ledgerOrigin)
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, dir, map[string]string{"ledger-key": string(old) + next.Reveal() + "\n"})
	reload()
	lab.Eventually(t, "the next key is logged", func() bool {
		st := d.ledgerStatus(t)
		return len(st.Keys) == 2 && st.Keys[1] == verifier && kinds(t, ledgerOf(t, filepath.Join(dir, "packseal.yaml")))[tree.NextKey] == 1
	})

	if err := os.Mkdir(filepath.Join(dir, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := s.More
	s.More = strings.Replace(withLedger(t, filepath.Join(dir, "other"), "example.com/other"), "ledger-key", "other/ledger-key", 1)
	reload()
	if st := d.ledgerStatus(t); st.Origin != ledgerOrigin || !strings.Contains(log.String(), `"keys":["ledger.origin"]`) {
		t.Errorf("the origin is %s\n%s", st.Origin, log.String())
	}
	s.More = before
	reload()
	s.More = ""
	reload()
	if body := d.get(t, "/api/v1/ledger"); !strings.Contains(body, "no ledger is configured") {
		t.Errorf("after: %s", body)
	}
	for line := range strings.Lines(log.String()) {
		waits := strings.Contains(line, `"reason":"busy"`) // for this test, which appends, too
		if strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, "ledger not") && !waits || strings.Contains(line, "ledger problem") {
			t.Error(line)
		}
	}
}

// TestLedgerAtEnd: what was kept until the daemon ended is committed by then.
func TestLedgerAtEnd(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint, More: strings.Replace(withLedger(t, dir, ledgerOrigin), "1s", "1d", 1)}
	path := s.Write(t)
	d := start(t, path, io.Discard)
	d.await(t, 1)
	d.stop()
	left, err := os.ReadFile(filepath.Join(dir, "state", "ledger", "owed"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(left)) { // a plan that was being put is, and is put by the next daemon
		if !strings.Contains(line, "  "+evidence.PlanDir) {
			t.Errorf("%q is owed", line)
		}
	}
	if n := kinds(t, ledgerOf(t, path)); n[tree.Manifest] != 1 {
		t.Errorf("the ledger has %v", n)
	}
}

// TestLedgerOfReplicas: two daemons with one archive and one key append to one ledger,
// each what it keeps.
func TestLedgerOfReplicas(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	archive := t.TempDir()
	var key []byte
	var paths []string
	var replicas []*live
	for _, pack := range []string{lab.Pack, lab.Another} {
		dir := t.TempDir()
		s := lab.Setup{Dir: dir, Endpoint: endpoint, Archive: archive, Packs: []string{pack}, More: withLedger(t, dir, ledgerOrigin)}
		file := filepath.Join(dir, "ledger-key")
		if key != nil {
			lab.Write(t, dir, map[string]string{"ledger-key": string(key)})
		}
		var err error
		if key, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, s.Write(t))
		replicas = append(replicas, start(t, paths[len(paths)-1], io.Discard))
	}
	for _, d := range replicas {
		lab.Eventually(t, "both have followed what both have kept", func() bool {
			st := d.ledgerStatus(t)
			return st.Owed == 0 && kinds(t, ledgerOf(t, paths[0]))[tree.Manifest] == 2 && st.Size == replicas[0].ledgerStatus(t).Size
		})
	}
	for _, d := range replicas {
		if st := d.ledgerStatus(t); len(st.Problems) > 0 || st.Error != "" {
			t.Errorf("%+v", st)
		}
	}
}

// TestLedgerSucceeds: a ledger that goes on from another one begins with its record.
func TestLedgerSucceeds(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint, More: withLedger(t, dir, "example.com/before")}
	path := s.Write(t)
	d := start(t, path, io.Discard)
	d.await(t, 1)
	lab.Eventually(t, "the first ledger has the report", func() bool { return kinds(t, ledgerOf(t, path))[tree.Manifest] == 1 })
	d.stop()
	end := ledgerOf(t, path).Show()
	if err := os.Rename(filepath.Join(dir, "state", "ledger"), filepath.Join(dir, "state", "ledger-before")); err != nil {
		t.Fatal(err)
	}

	s.More = strings.Replace(withLedger(t, dir, ledgerOrigin), "interval: 1s", `interval: 1s, succeeds: {checkpoint: "`+end.Line+`", reason: the key was stolen}`, 1)
	s.Archive = "archive-2"
	d = start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "the next ledger has the report", func() bool { return kinds(t, ledgerOf(t, path))[tree.Manifest] == 1 })
	d.stop()
	l := ledgerOf(t, path)
	for e, err := range l.Entries(t.Context()) {
		if err != nil || e.Kind() != tree.Epoch {
			t.Fatalf("the first entry is %v, %v", e, err)
		}
		raw, err := l.ReadRecord(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := evidence.DecodeEpoch(raw, e.Key)
		if err != nil || got.Origin != end.Origin || got.Size != end.Size || got.Root != end.Root || got.Reason != "the key was stolen" {
			t.Errorf("%+v, %v, want %+v", got, err, end)
		}
		break
	}
}
