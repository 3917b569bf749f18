package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/test/lab"
)

// TestDemoAdopts: what the demo finds in its archive is in the ledger as found; what it
// keeps itself, and only that, as kept.
func TestDemoAdopts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	old := evidence.Slot{Source: "demo", Pack: "cp-0ld", Due: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	raw, err := evidence.Encode(evidence.NewGap(old, fault.Missed, "", old.Due, "packseal/demo"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "archive", old.GapKey())
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, filepath.Dir(name), map[string]string{"gap.json": string(raw)})
	var out, talk strings.Builder
	if code := run(t.Context(), []string{"demo", "--once", "--listen", "127.0.0.1:0", "--dir", dir}, &out, &talk); code != 0 {
		t.Fatalf("it ends with %d: %s", code, talk.String())
	}
	cfg, err := load(filepath.Join(dir, "packseal.yaml"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l, err := openLedger(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = l.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[tree.Kind]int)
	logged := make(map[string]bool)
	for e, err := range l.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind()]++
		logged[e.Object()] = true
		if e.Kind() == tree.Found && e.Object() != old.GapKey() {
			t.Errorf("%s is logged as found", e.Object())
		}
	}
	if kinds[tree.Found] != 1 || kinds[tree.Manifest] < 12 || kinds[tree.Gap] < 1 || kinds[tree.Plan] < 2 {
		t.Errorf("the ledger has %v", kinds)
	}
	err = filepath.WalkDir(filepath.Join(dir, "archive"), func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(filepath.Join(dir, "archive"), path); strings.HasSuffix(rel, "manifest.json") || strings.HasSuffix(rel, "gap.json") || evidence.IsPlan(rel) {
			if !logged[rel] {
				t.Errorf("%s is not logged", rel)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if st := l.Status(); st.Owed > 0 || len(st.Problems) > 0 {
		t.Errorf("%+v", st)
	}
}

// TestLedgerKeyFiles: no key takes the place of another one, and the next one comes on a
// line of its own.
func TestLedgerKeyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lab.Write(t, dir, map[string]string{"packseal.yaml": "ledger: {origin: example.com/log, key_file: sub/key}\n"})
	path := filepath.Join(dir, "packseal.yaml")
	init := func(more ...string) (code int, out, talk string) {
		var o, e strings.Builder
		code = run(t.Context(), append([]string{"ledger", "init", "-c", path}, more...), &o, &e)
		if strings.Contains(o.String()+e.String(), "PRIVATE+KEY+example") {
			t.Errorf("the key is shown: %s%s", o.String(), e.String())
		}
		return code, o.String(), e.String()
	}
	if code, _, talk := init("--next"); code != exitFailed || !strings.Contains(talk, "no such file") {
		t.Errorf("--next without a key ends with %d: %s", code, talk)
	}
	_, first, _ := init()
	file := filepath.Join(dir, "sub", "key")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, filepath.Dir(file), map[string]string{"key": strings.TrimSpace(string(raw))}) // without the end of its line
	_, second, _ := init("--next")
	keys, err := ledger.ReadKeys(secret.File(file), "example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(keys.Verifiers(), "\n") + "\n"; got != first+second {
		t.Errorf("the keys are\n%swant\n%s%s", got, first, second)
	}
	lab.Write(t, filepath.Dir(file), map[string]string{"key": "something else\n"})
	for _, more := range [][]string{nil, {"--next"}} {
		if code, out, _ := init(more...); code != exitFailed || out != "" {
			t.Errorf("%q ends with %d: %s", more, code, out)
		}
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "something else\n" {
		t.Errorf("the file is %q, %v", raw, err)
	}
}

// TestLedgerStatusOfDaemon: beside a daemon, status says what that knows.
func TestLedgerStatusOfDaemon(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	dir := t.TempDir()
	s := lab.Setup{Dir: dir, Endpoint: endpoint, More: "ledger: {origin: example.com/log, key_file: key, interval: 1s}\n"}
	path := s.Write(t)
	var out, talk strings.Builder
	if code := run(t.Context(), []string{"ledger", "init", "-c", path}, &out, &talk); code != 0 {
		t.Fatal(talk.String())
	}
	startRun(t, path).settled(t)
	lab.Eventually(t, "the daemon has committed", func() bool {
		out.Reset()
		talk.Reset()
		code := run(t.Context(), []string{"ledger", "status", "-c", path}, &out, &talk)
		return code == 0 && talk.Len() == 0 && strings.Contains(out.String(), "\nto note    ledger example.com/log ") && strings.Contains(out.String(), "\ncommitted ")
	})
	out.Reset()
	if code := run(t.Context(), []string{"ledger", "adopt", "-c", path}, &out, &talk); code != 0 || !strings.HasPrefix(out.String(), "0 manifests and 0 gap records logged") {
		t.Errorf("adopt ends with %d: %s%s", code, out.String(), talk.String())
	}
}
