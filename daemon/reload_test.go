package daemon

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// slowPack takes some time to make its report.
const slowPack = "cp-00c8626622af00c00002"

// TestReloadKeepsWhatIsAtWork changes the configuration while a report is in
// the making: it is sealed all the same, and the new pack's too.
func TestReloadKeepsWhatIsAtWork(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: slowPack, Script: sim.Script{Make: 2 * time.Second}})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{slowPack}}
	d := start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "the slow pack is at work", func() bool { return d.pack(t, slowPack).State == "working" })
	s.Packs = append(s.Packs, lab.Pack)
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

// TestReloadKeepsSinks: a pack that leaves while its report is in the making is kept in
// the sinks that were its own.
func TestReloadKeepsSinks(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: slowPack, Script: sim.Script{Make: 2 * time.Second}})
	s := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{slowPack + ", sinks: [primary]", lab.Pack},
		Sinks: "\n  - {name: primary, local: {dir: archive}}\n  - {name: mirror, local: {dir: copies}}",
	}
	d := start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "the slow pack is at work", func() bool { return d.pack(t, slowPack).State == "working" })
	s.Packs = s.Packs[1:]
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := func(dir string) int {
		manifests, err := filepath.Glob(filepath.Join(s.Dir, dir, "prod", slowPack, "*", "*", "*", "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		return len(manifests)
	}
	lab.Eventually(t, "the slow pack's report is sealed", func() bool { return kept("archive") == 1 })
	lab.Eventually(t, "nothing waits", func() bool { return len(slices.Collect(d.services.Load().spool.Waiting())) == 0 })
	if n := kept("copies"); n != 0 {
		t.Errorf("%d reports of it are in a sink that was not to keep them", n)
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
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Web: `listen: "127.0.0.1:0", reload: true`}
	var log lab.Buffer
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
	if !in(lab.Pack) || in(lab.Another) {
		t.Errorf("before, the packs are %+v", d.packs(t))
	}

	lab.Write(t, s.Dir, map[string]string{"packseal.yaml": "pakcs: []\n"})
	status, said := d.post(t)
	if status/100 == 2 || !strings.Contains(said, `did you mean "packs"`) || !in(lab.Pack) || !strings.Contains(log.String(), "configuration not reloaded") ||
		!strings.Contains(log.String(), `no pack is configured (the first of 4 faults)`) || strings.Contains(log.String(), `\n  hint`) || !strings.Contains(log.String(), "discover: {rules: [{}]}") {
		t.Errorf("a bad file: %d, %s", status, said)
	}
	inForce(true)

	s.Packs = []string{lab.Pack, lab.Another}
	s.Write(t)
	if status, said := d.post(t); status/100 != 2 || !in(lab.Pack) || !in(lab.Another) {
		t.Errorf("a good file: %d, %s", status, said)
	}
	inForce(false)
	d.await(t, 1)
	if m := d.get(t, "/metrics"); strings.Count(m, "\npackseal_last_sealed_timestamp_seconds{") != 2 {
		t.Errorf("after a good file, the metrics are\n%s", m)
	}
}

// TestReloadGoesBack gives the daemon a configuration that is good but for a
// source that can't be opened: it goes on with the old one.
func TestReloadGoesBack(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	d.await(t, 1)
	s.Packs = []string{lab.Pack, lab.Another}
	s.Write(t)
	good := d.Load
	d.Load = unopenable(good)
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "opening source prod") {
		t.Errorf("a source that can't be opened: %v", err)
	}
	if n := strings.Count(log.String(), "configuration not reloaded"); n != 1 || len(d.packs(t)) != 1 {
		t.Errorf("said %d times, %d packs are in force", n, len(d.packs(t)))
	}
	d.get(t, "/metrics")
	d.Load = good
	if err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.await(t, 1)
	if all := d.packs(t); len(all) != 2 {
		t.Errorf("%d packs are in force", len(all))
	}
}

// unopenable loads a configuration whose CA file is gone by the time that the
// source is opened.
func unopenable(load func() (*config.Config, error)) func() (*config.Config, error) {
	return func() (*config.Config, error) {
		cfg, err := load()
		if err == nil {
			cfg.Sources["prod"].CloudConfig.CAFile = "gone.pem"
		}
		return cfg, err
	}
}

// TestReloadNeedsRestart: what can't change while the process runs is logged,
// and the rest of the new file takes effect.
func TestReloadNeedsRestart(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	d.await(t, 1)
	before := d.services.Load().queue.queue
	s.State, s.Packs = "other", []string{lab.Pack, lab.Another}
	s.More = "queue: {embedded: {max_bytes: 300000000}}\n"
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.await(t, 1)
	if !strings.Contains(log.String(), `"msg":"configuration needs a restart","keys":["queue","state_dir"]`) {
		t.Errorf("the log is\n%s", log.String())
	}
	if d.services.Load().queue.queue != before || len(d.packs(t)) != 2 {
		t.Error("the queue was opened anew, or the new pack is not there")
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "other")); err == nil {
		t.Error("the new state folder was made")
	}
}

// TestReloadReuses: a source or a sink is opened anew when its configuration or
// a file that it names has changed, and otherwise not.
func TestReloadReuses(t *testing.T) {
	t.Parallel()
	s := lab.Setup{Dir: t.TempDir()}
	d := start(t, s.Write(t), io.Discard)
	d.ready(t)
	for _, c := range []struct {
		what                 string
		change               func()
		sourceKept, sinkKept bool
	}{
		{"a pack", func() { s.Packs = []string{lab.Another} }, true, true},
		{"the rate", func() { s.Source = "requests_per_second: 7" }, false, true},
		{"the polling", func() { s.Fetch = "poll_min: 70ms" }, false, true},
		{"the sink", func() { s.Archive = "elsewhere" }, true, false},
	} {
		old := d.services.Load().runtime.Load()
		c.change()
		s.Write(t)
		if err := d.Reload(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		now := d.services.Load().runtime.Load()
		if kept := now.sources["prod"].Fetcher == old.sources["prod"].Fetcher; kept != c.sourceKept {
			t.Errorf("%s: the source was kept: %v", c.what, kept)
		}
		if kept := now.sinks["primary"] == old.sinks["primary"]; kept != c.sinkKept {
			t.Errorf("%s: the sink was kept: %v", c.what, kept)
		}
	}
}

// TestFingerprint: it follows values and the content of files, and tells nothing.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	type options struct {
		Rate   *float64
		Hosts  []string
		CAFile string `yaml:"ca_file,omitempty"`
		hidden int
	}
	name := filepath.Join(t.TempDir(), "ca")
	rate, other := 5.0, 5.0
	one := fingerprint(map[string]int{"a": 1})
	if one != fingerprint(map[string]int{"a": 1}) || one == fingerprint(map[string]int{"a": 2}) {
		t.Error("maps")
	}
	all := map[string]string{}
	differs := func(what string, o options) {
		t.Helper()
		f := fingerprint(o)
		if before, ok := all[f]; ok {
			t.Errorf("%s and %s have the same", what, before)
		}
		all[f] = what
	}
	differs("nothing", options{})
	differs("a rate", options{Rate: &rate})
	differs("hosts", options{Hosts: []string{"a", "b"}})
	differs("other hosts", options{Hosts: []string{"ab"}})
	differs("no file", options{CAFile: name})
	lab.Write(t, filepath.Dir(name), map[string]string{"ca": "one"})
	differs("a file", options{CAFile: name})
	lab.Write(t, filepath.Dir(name), map[string]string{"ca": "two"})
	differs("another file", options{CAFile: name})
	if fingerprint(options{Rate: &rate, hidden: 1}) != fingerprint(options{Rate: &other}) {
		t.Error("it goes by addresses, or by what is not configuration")
	}
}
