package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

// TestPacksThatAreCreated are told of when it is decided what becomes of them, not when
// they are first seen.
func TestPacksThatAreCreated(t *testing.T) {
	t.Parallel()
	const stray = "cp-00000000000000000002"
	api, endpoint := lab.Simulate(t, prodPack(lab.Pack, "x"))
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	address := httptest.NewServer(people)
	t.Cleanup(address.Close)
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Defaults: `schedule: "@yearly", catch_up: 0s`, Discover: production}
	entry, content := people.Setting(address.URL, notifytest.Webhook, notifytest.Webhook, ", secret_file: sign")
	s.More = "notify: [{name: team, on: [found, not_kept], group: 1ms, " + entry + "}]\n"
	lab.Write(t, s.Dir, map[string]string{notifytest.Webhook: content, "sign": people.Secret})
	d := start(t, s.Write(t), io.Discard)
	d.kept(t, lab.Pack)
	add := func(status string) {
		for _, p := range []sim.Pack{{ID: lab.Another, Name: "wanted", Tags: map[string]string{"env": "prod"}}, {ID: stray, Name: "unwanted"}} {
			api.Remove(p.ID)
			p.Status = status
			if err := api.Add(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	told := func(what string) bool {
		for _, m := range people.Taken(notifytest.Webhook) {
			if strings.Contains(m.Text, what) {
				return true
			}
		}
		return false
	}
	add("CREATING")
	lab.Eventually(t, "they are being created", func() bool {
		f := found(t, s, false)
		return f[lab.Another] == "creating" && f[stray] == "creating"
	})
	if told("wanted") {
		t.Errorf("told of what is being created: %+v", people.Taken(notifytest.Webhook))
	}
	add("")
	lab.Eventually(t, "people are told of both", func() bool { return told(lab.Another) && told(stray) })
}

// TestOpenWhileDisabled: the members of a disabled source are known, namely none.
func TestOpenWhileDisabled(t *testing.T) {
	t.Parallel()
	source := `{prod: {enabled: %t, cloudconfig: {endpoint: "http://127.0.0.1:1"}, accounts: {role: packseal}, discover: {rules: [{}]}}, other: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}}`
	for _, enabled := range []bool{true, false} {
		s := lab.Setup{Dir: t.TempDir(), Sources: fmt.Sprintf(source, enabled), Packs: []string{"{id: cp-1, source: other}"}}
		cfg, _, err := config.Load(s.Write(t))
		if err != nil {
			t.Fatal(err)
		}
		r := &runtime{components: &components{cfg: cfg.With(nil)}, services: &services{discovered: &discovered{}}}
		if open := r.open(); open[evidence.MemberSource("prod", "")] != enabled {
			t.Errorf("enabled: %t: what is open is %v", enabled, open)
		}
	}
}

// TestGoneAmongListed: what was listed of an account does not outlive the account, in
// whatever order the results of one batch are.
func TestGoneAmongListed(t *testing.T) {
	t.Parallel()
	l := directory(t, 0, []sim.Account{{ID: "55001"}}, memberPack("55001", lab.Pack))
	s := lab.Setup{Dir: l.Dir, Endpoint: l.HTTP.URL, Defaults: `schedule: "@yearly", catch_up: 0s`, Discover: "rules: [" + prodRule + "]", Accounts: fmt.Sprintf("role: packseal, endpoint: %q", l.HTTP.URL)}
	d := start(t, s.Write(t), io.Discard)
	d.keptIn(t, "prod.55001/"+lab.Pack)
	sv := d.services.Load()
	own := sv.discovered.of("prod")
	parent := listed{source: "prod", before: own, after: own, changes: discovery.Changes{AccountsGone: []discovery.Account{{AccountInfo: fetcher.AccountInfo{ID: "55001"}}}}}
	for _, parentFirst := range []bool{true, false} {
		st := sv.discovered.of("prod.55001")
		st.Packs, st.Revision = []discovery.Pack{{PackInfo: fetcher.PackInfo{ID: lab.Pack}}}, st.Revision+1
		batch := []listed{{source: "prod.55001", after: st}, parent}
		if parentFirst {
			batch[0], batch[1] = batch[1], batch[0]
		}
		sv.accept(t.Context(), batch)
		if left := sv.discovered.of("prod.55001").Packs; len(left) > 0 {
			t.Errorf("parent first: %t: %v is left", parentFirst, left)
		}
	}
}

// TestDisabledPackIsNamed: records of a pack that is disabled have its name and labels.
func TestDisabledPackIsNamed(t *testing.T) {
	t.Parallel()
	s := lab.Setup{Dir: t.TempDir(), Endpoint: "http://127.0.0.1:1", Packs: []string{"{id: " + lab.Pack + ", name: payments, labels: {owner: security}, enabled: false}"}}
	cfg, _, err := config.Load(s.Write(t))
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), cfg, ArchiveOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	slot := evidence.Ref("prod", lab.Pack).Slot(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	body := append([]byte{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1}, make([]byte, 8192)...)
	at := time.Now().UTC().Truncate(time.Millisecond)
	if _, err := a.Import(t.Context(), slot, bytes.NewReader(body), evidence.Imported{At: at, By: "alice", File: "x.xls"}, cfg.Fetch); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(s.Dir, "archive", slot.Dir(), evidence.ManifestName))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	m, err := os.ReadFile(all[0])
	if err != nil || !strings.Contains(string(m), `"payments"`) || !strings.Contains(string(m), `"security"`) {
		t.Errorf("got %s, %v", m, err)
	}
}
