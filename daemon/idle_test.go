package daemon

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/test/lab"
)

// lastPlan returns the packs of the plan that the archive has last.
func lastPlan(t *testing.T, archive string) []evidence.PlannedPack {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(archive, evidence.PlanDir, "*.json"))
	if err != nil || len(names) == 0 {
		return nil
	}
	name := slices.Max(names)
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := evidence.DecodePlan(raw, evidence.PlanDir+filepath.Base(name))
	if err != nil {
		t.Fatal(err)
	}
	return p.Packs
}

// TestIdle: a pack that is disabled leaves the plan, and keeps its history; of one whose
// until has come nothing falls due; neither is overdue or not kept. Both come back.
func TestIdle(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{lab.Pack, lab.Another}}
	d := start(t, s.Write(t), io.Discard)
	d.await(t, 1)
	until := time.Now().UTC().Truncate(time.Second)
	s.Packs = []string{fmt.Sprintf("{id: %s, until: %s}", lab.Pack, until.Format(time.RFC3339)), fmt.Sprintf("{id: %s, enabled: false}", lab.Another)}
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, off := d.pack(t, lab.Pack), d.pack(t, lab.Another)
	if ended.State != "ended" || !ended.NextDue.IsZero() || !ended.Until.Equal(until) || ended.Counts.Sealed != 1 {
		t.Errorf("the one that ended: %+v", ended)
	}
	if off.State != "disabled" || !off.NextDue.IsZero() {
		t.Errorf("the one that is disabled: %+v", off)
	}
	lab.Eventually(t, "its history is read", func() bool { return d.pack(t, lab.Another).Counts != nil })
	page := d.get(t, "/")
	for _, want := range []string{"ended on", "Ended", "Disabled", "No pack needs attention. Of 2 packs: 0 sealed, 1 ended, 1 disabled."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if page = d.get(t, "/packs/"+lab.Source+"/"+lab.Another); !strings.Contains(page, "SHA-256") {
		t.Errorf("its page lacks its report:\n%s", page)
	}
	metrics := d.get(t, "/metrics")
	if strings.Contains(metrics, fmt.Sprintf("packseal_next_due_timestamp_seconds{pack=%q", lab.Another)) || !strings.Contains(metrics, fmt.Sprintf("packseal_next_due_timestamp_seconds{pack=%q,source=%q} 0\n", lab.Pack, lab.Source)) {
		t.Errorf("the metrics:\n%s", metrics)
	}
	lab.Eventually(t, "the plan is recorded", func() bool {
		packs := lastPlan(t, filepath.Join(s.Dir, "archive"))
		return len(packs) == 1 && packs[0].Pack == lab.Pack && packs[0].Until.Equal(until)
	})
	cfg, _, err := config.Load(filepath.Join(s.Dir, "packseal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := ListPacks(t.Context(), cfg, "", "packseal/test")
	if err != nil || len(all) != 1 || len(all[0].Packs) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, p := range all[0].Packs {
		if want := map[string]string{lab.Pack: "ended", lab.Another: "disabled"}[p.ID]; p.State != want {
			t.Errorf("%s is %s, want %s", p.ID, p.State, want)
		}
	}
	s.Packs = []string{lab.Pack, lab.Another}
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.await(t, 1)
	for _, p := range d.packs(t) {
		if p.State != "sealed" || p.NextDue.IsZero() || p.Counts.Gaps != 0 || p.Counts.Sealed != 1 {
			t.Errorf("back again: %+v", p)
		}
	}
}

// TestDisabledSource: nothing is asked of a source that is disabled, and nothing of it
// is not kept.
func TestDisabledSource(t *testing.T) {
	t.Parallel()
	server, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{lab.Pack}}
	d := start(t, s.Write(t), io.Discard)
	d.await(t, 1)
	lab.Eventually(t, "the other pack is not kept", func() bool {
		return strings.Contains(d.get(t, "/metrics"), `packseal_discovery_packs{source="`+lab.Source+`",state="not_kept"} 1`)
	})
	s.Sources = fmt.Sprintf("{%s: {enabled: false, cloudconfig: {endpoint: %q, credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}}}}", lab.Source, endpoint)
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := server.Calls()
	metrics := d.get(t, "/metrics")
	if p := d.pack(t, lab.Pack); p.State != "disabled" || !strings.Contains(metrics, `state="not_kept"} 0`) || !strings.Contains(metrics, `state="disabled"} 2`) {
		t.Errorf("%+v\n%s", p, metrics)
	}
	if strings.Contains(d.get(t, "/"), "not kept") {
		t.Error("the page says that a pack of it is not kept")
	}
	for _, name := range []string{lab.Source, lab.Pack} {
		_, err := controlled{d.services.Load(), d.Daemon}.Pause(t.Context(), control.Order{Names: []string{name}, By: "a", Why: "b"})
		if err == nil || !strings.Contains(err.Error(), "is disabled: enabled: false") {
			t.Errorf("pausing %s: %v", name, err)
		}
	}
	all, err := controlled{d.services.Load(), d.Daemon}.Packs(t.Context(), lab.Source, true)
	if err != nil || !all[0].Disabled || all[0].Packs[0].State != "not_kept" || all[0].Packs[1].State != "disabled" {
		t.Errorf("%+v, %v", all, err)
	}
	if n := server.Calls(); !maps.Equal(n, calls) {
		t.Errorf("%v, before %v", n, calls)
	}
}

// TestWatchPacksFiles: a file of packs that changes, comes or goes is a change of the
// configuration.
func TestWatchPacksFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	more := filepath.Join(dir, "packs.d")
	if err := os.Mkdir(more, 0o700); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, dir, map[string]string{"key": "k", "packseal.yaml": small(0) + "packs_file: packs.d/*.yaml\n"})
	lab.Write(t, more, map[string]string{"a.yaml": "packs: [{id: cp-1}]\n"})
	f := &ConfigFile{Path: filepath.Join(dir, "packseal.yaml")}
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	differs := func(what string, want bool) {
		t.Helper()
		if f.differs(f.digest()) != want {
			t.Errorf("%s: differs is not %t", what, want)
		}
		if _, err := f.Load(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	differs("nothing", false)
	lab.Write(t, more, map[string]string{"a.yaml": "packs: [{id: cp-2}]\n"})
	differs("another content", true)
	lab.Write(t, more, map[string]string{"b.yaml": "packs: [{id: cp-3}]\n"})
	differs("another file", true)
	lab.Write(t, more, map[string]string{"c.txt": "packs"})
	differs("a file of another name", false)
	if err := os.Remove(filepath.Join(more, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	differs("a file gone", true)
	lab.Write(t, dir, map[string]string{"packseal.yaml": small(0)})
	differs("no files", true)
	lab.Write(t, more, map[string]string{"b.yaml": "packs: [{id: cp-4}]\n"})
	differs("a file that is not named any more", false)
}
