package daemon

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/fixture"
)

// slowPack takes some time to make its report.
const slowPack = "cp-00c8626622af00c00002"

// TestReloadKeepsWhatIsAtWork changes the configuration while a report is in
// the making: it is sealed all the same, and the new pack's too.
func TestReloadKeepsWhatIsAtWork(t *testing.T) {
	t.Parallel()
	_, endpoint := fixture.Simulate(t, sim.Pack{ID: fixture.Pack}, sim.Pack{ID: slowPack, Script: sim.Script{Make: 2 * time.Second}})
	s := fixture.Setup{Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{slowPack}}
	d := start(t, s.Write(t), io.Discard)
	fixture.Eventually(t, "the slow pack is at work", func() bool { return d.pack(t, slowPack).State == "working" })
	s.Packs = append(s.Packs, fixture.Pack)
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.await(t, 1)
	for _, p := range d.packs(t) {
		if p.Sealed != 1 || p.Counts.Gaps != 0 {
			t.Errorf("%+v", p)
		}
	}
}

// post reloads through the page, and returns the status and the answer.
func (d *live) post(t *testing.T) (int, string) {
	t.Helper()
	r, err := http.Post(d.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// TestReload: a good new file takes effect without a restart; a bad one leaves
// the old one in force, and shows in metrics, log and status.
func TestReload(t *testing.T) {
	t.Parallel()
	_, endpoint := fixture.Simulate(t, sim.Pack{ID: fixture.Pack}, sim.Pack{ID: fixture.Another})
	s := fixture.Setup{Dir: t.TempDir(), Endpoint: endpoint, Web: `listen: "127.0.0.1:0", reload: true`}
	var log fixture.Buffer
	d := start(t, s.Write(t), &log)
	d.await(t, 1)
	in := func(key string) bool { return d.pack(t, key).Key != "" }
	inForce := func(bad bool) {
		t.Helper()
		if m := d.get(t, "/metrics"); strings.Contains(m, "\npackseal_config_last_reload_successful 0\n") != bad {
			t.Error("the metric is wrong")
		}
		if strings.Contains(d.outlook(), "the old one is in force") != bad {
			t.Errorf("the status is %q", d.outlook())
		}
	}
	if !in(fixture.Pack) || in(fixture.Another) {
		t.Errorf("before, the packs are %+v", d.packs(t))
	}

	fixture.Write(t, s.Dir, map[string]string{"packseal.yaml": "pakcs: []\n"})
	status, said := d.post(t)
	if status/100 == 2 || !strings.Contains(said, `did you mean "packs"`) || !in(fixture.Pack) || !strings.Contains(log.String(), "configuration not reloaded") {
		t.Errorf("a bad file: %d, %s", status, said)
	}
	inForce(true)

	s.Packs = []string{fixture.Pack, fixture.Another}
	s.Write(t)
	if status, said := d.post(t); status/100 != 2 || !in(fixture.Pack) || !in(fixture.Another) {
		t.Errorf("a good file: %d, %s", status, said)
	}
	inForce(false)
	d.await(t, 1)
	if m := d.get(t, "/metrics"); strings.Count(m, "\npackseal_last_sealed_timestamp_seconds{") != 2 {
		t.Errorf("after a good file, the metrics are\n%s", m)
	}
}

// TestReloadGoesBack gives the daemon files that are no good: one whose folder
// can't be made, and one without packs. It goes on with the old one.
func TestReloadGoesBack(t *testing.T) {
	t.Parallel()
	_, endpoint := fixture.Simulate(t, sim.Pack{ID: fixture.Pack})
	s := fixture.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	var log fixture.Buffer
	d := start(t, s.Write(t), &log)
	d.await(t, 1)
	bad := s
	bad.State = "key-id/state"
	bad.Write(t)
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a state folder in a file: %v", err)
	}
	d.await(t, 1)
	s.State = "other"
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.await(t, 1)
	if got := filepath.Base(d.engine.Load().cfg.StateDir); got != "other" {
		t.Errorf("state_dir %s is in force", got)
	}
	if n := strings.Count(log.String(), "configuration not reloaded"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}
