package daemon

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/secret"
	"packseal.example/sink"
	"packseal.example/sink/local"
	"packseal.example/test/lab"
)

// TestVouched: a time-stamping authority and a witness vouch for what the daemon keeps,
// in every sink; one that is down is told of, and holds nothing up.
func TestVouched(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	dir := t.TempDir()
	more := withLedger(t, dir, ledgerOrigin)
	keys, err := ledger.ReadKeys(secret.File(filepath.Join(dir, "ledger-key")), ledgerOrigin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewVerifier(keys.Verifiers()[0])
	if err != nil {
		t.Fatal(err)
	}
	authority, cosigner := stamptest.New(t, "tsa.example"), witnesstest.New(t, "witness.example/w1", log)
	tsa, w1 := httptest.NewServer(authority), httptest.NewServer(cosigner)
	t.Cleanup(tsa.Close)
	t.Cleanup(w1.Close)
	lab.Write(t, dir, map[string]string{"roots.pem": string(authority.Root)})
	path := lab.Setup{
		Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack},
		Sinks: "\n  - {name: primary, local: {dir: archive}}\n  - {name: mirror, local: {dir: copies}}",
		More: strings.Replace(more, "interval: 1s", "interval: 1s, stamps: [{name: tsa, url: '"+tsa.URL+"', ca_file: roots.pem}, {name: down, url: 'http://127.0.0.1:1/'}],"+
			" witnesses: [{name: w1, url: '"+w1.URL+"', key: "+cosigner.Key+"}]", 1),
	}.Write(t)
	d := start(t, path, io.Discard)
	d.await(t, 1)
	var st evidence.LedgerStatus
	lab.Eventually(t, "others vouch for the ledger", func() bool {
		st = d.ledgerStatus(t)
		return len(st.Stamps) == 2 && st.Stamps[0].Size > 0 && st.Stamps[1].Error != "" && st.Witnesses[0].Size > 0
	})
	if st.Stamps[0].Name != "tsa" || st.Stamps[0].Offset == nil || *st.Stamps[0].Offset > 60 || st.Stamps[0].Error != "" || st.Stamps[1].Hint == "" || len(st.Problems) > 0 || st.Error != "" {
		t.Errorf("%+v", st)
	}
	if shown := d.get(t, "/"); !strings.Contains(shown, "Time-stamped last: <bdi>tsa</bdi> <time") || !strings.Contains(shown, "<bdi>down</bdi> <small>none yet</small>") {
		t.Errorf("the page does not show it:\n%s", shown)
	}
	metrics := d.get(t, "/metrics")
	for _, want := range []string{
		`packseal_ledger_stamp_age_seconds{tsa="tsa"} [0-9]`, `packseal_ledger_stamp_age_seconds{tsa="down"} \+Inf`, `packseal_ledger_stamp_failures_total{tsa="down"} 1`,
		`packseal_ledger_clock_offset_seconds{tsa="tsa"} -?[0-9]`, `packseal_ledger_witnessed_size{witness="w1"} [1-9]`, `packseal_ledger_witness_failures_total{witness="w1"} 0`,
		`packseal_ledger_problems{kind="clock_offset"} 0`,
	} {
		if !regexp.MustCompile("(?m)^" + want).MatchString(metrics) {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, name := range []string{"archive", "copies"} {
		s, err := (&local.Options{Dir: filepath.Join(dir, name)}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, name+" holds what they said", func() bool { return vouchedIn(t, s, authority) })
	}
	d.stop()
}

// vouchedIn reports whether a sink holds a cosignature, and a time-stamp that holds.
func vouchedIn(t testing.TB, s sink.Sink, a *stamptest.Authority) bool {
	t.Helper()
	all, err := anchor.List(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	stamped, cosigned := false, false
	read := func(key string) []byte {
		raw, err := sink.ReadAll(t.Context(), s, key, stamp.MaxSize)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, one := range all {
		for _, keys := range one.Stamps {
			if token, err := stamp.Verify(read(keys[0]), read(tree.CheckpointKey(one.N)), a.Pool); err != nil || time.Since(token.Time) > time.Minute {
				t.Errorf("%s: %+v, %v", keys[0], token, err)
			}
			stamped = true
		}
		cosigned = cosigned || len(one.Cosignatures) > 0
	}
	return stamped && cosigned
}

// TestNoRoots: a file of certificates that is gone is told of by name.
func TestNoRoots(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := config.Ledger{Stamps: []config.Stamp{{Name: "tsa", URL: "http://tsa.example/", CAFile: filepath.Join(dir, "gone.pem")}}}
	if _, err := l.Authorities("packseal/test"); err == nil || !strings.Contains(err.Error(), "gone.pem") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gone.pem"), stamptest.New(t, "tsa").Root, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := l.Authorities("packseal/test"); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}
