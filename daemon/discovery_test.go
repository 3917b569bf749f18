package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

// Rules of tests: packs of production are kept, once a year.
const (
	prodRule   = `{match: {tags: {env: prod}}, labels: {owner: security}}`
	everySoon  = `refresh: "@every 1s"`
	production = everySoon + ", rules: [" + prodRule + "]"
)

// prodPack is a pack that the rule is for.
func prodPack(id, name string) sim.Pack {
	return sim.Pack{ID: id, Name: name, Tags: map[string]string{"env": "prod"}}
}

// found asks the daemon of a state folder for its packs, and returns them by key and
// what is done with them.
func found(t *testing.T, s lab.Setup, refresh bool) map[string]string {
	t.Helper()
	all, err := control.NewClient(filepath.Join(s.Dir, "state")).Packs(t.Context(), "", refresh)
	if err != nil {
		t.Fatal(err)
	}
	packs := make(map[string]string)
	for _, of := range all {
		for _, p := range of.Packs {
			packs[p.Key()] = p.State
		}
	}
	return packs
}

// kept waits until those packs are kept, and no others.
func (d *live) kept(t *testing.T, keys ...string) {
	t.Helper()
	slices.Sort(keys)
	lab.Eventually(t, fmt.Sprintf("%v are kept", keys), func() bool {
		var got []string
		for _, p := range d.packs(t) {
			got = append(got, p.Key)
		}
		slices.Sort(got)
		return slices.Equal(got, keys)
	})
}

// clean verifies the archive: nothing that was due lacks its record.
func clean(t *testing.T, s lab.Setup) archive.Result {
	t.Helper()
	cfg, err := (&ConfigFile{Path: filepath.Join(s.Dir, "packseal.yaml")}).Load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err = WithDiscovered(cfg); err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), cfg, ArchiveOptions{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	result, err := a.Verify(t.Context(), archive.Selection{})
	if err != nil || len(result.Open()) > 0 {
		t.Errorf("the archive has problems: %v, %v", result.Open(), err)
	}
	return result
}

// TestDiscover: packs that a rule is for are kept from when they are found until they
// are gone, without an entry in the file; what is not kept is told of.
func TestDiscover(t *testing.T) {
	t.Parallel()
	const test, stray, group = "cp-00000000000000000001", "cp-00000000000000000002", "ca-f632626622af00790000"
	api, endpoint := lab.Simulate(t, prodPack(lab.Pack, "等保三级"), sim.Pack{ID: test, Name: "test of it"})
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	address := httptest.NewServer(people)
	t.Cleanup(address.Close)
	s := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Defaults: `schedule: "@every 1s", timeout: 1m`,
		Discover: everySoon + ", aggregators: [all], rules: [" + prodRule + `, {match: {name: "test*"}, keep: false}]`,
	}
	entry, content := people.Setting(address.URL, notifytest.Webhook, notifytest.Webhook, ", secret_file: sign")
	s.More = "notify: [{name: team, on: [found, not_kept, gone], group: 1ms, " + entry + "}]\n"
	lab.Write(t, s.Dir, map[string]string{notifytest.Webhook: content, "sign": people.Secret})
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	d.kept(t, lab.Pack)
	d.await(t, 2)
	if p := d.pack(t, lab.Pack); p.Name != "等保三级" || p.Labels["owner"] != "security" {
		t.Errorf("it is %+v", p)
	}

	for _, p := range []sim.Pack{prodPack(lab.Another, "new"), {ID: stray, Name: "forgotten"}, {ID: lab.Pack, Aggregator: group, Tags: map[string]string{"env": "prod"}}} {
		if err := api.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	d.kept(t, lab.Pack, lab.Another, group+"/"+lab.Pack)
	d.await(t, 2)
	want := map[string]string{lab.Pack: "kept", lab.Another: "kept", group + "/" + lab.Pack: "kept", test: "excluded", stray: "not_kept"}
	if got := found(t, s, false); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", got, want)
	}
	for _, series := range []string{`packs{source="prod",state="kept"} 3`, `packs{source="prod",state="not_kept"} 1`, `packs{source="prod",state="excluded"} 1`, `last_refresh_successful{source="prod"} 1`} {
		lab.Eventually(t, series, func() bool { return strings.Contains(d.get(t, "/metrics"), "packseal_discovery_"+series) })
	}
	if page := d.get(t, "/"); !strings.Contains(page, "1 pack exists and is not kept.") || !strings.Contains(page, "forgotten ("+stray+")") {
		t.Errorf("the page does not say what is not kept:\n%s", page)
	}

	api.Remove(lab.Another)
	d.kept(t, lab.Pack, group+"/"+lab.Pack)
	gone := time.Now()
	news := fmt.Sprintf("found %s/%s, found %s, gone %[3]s, not_kept %[4]s", group, lab.Pack, lab.Another, stray)
	lab.Eventually(t, "people were told", func() bool { return told(t, people) == news })
	d.await(t, d.pack(t, lab.Pack).Sealed+3)
	for _, gap := range gapsOf(t, s, lab.Another) { // what fell due before may be one
		if due := filepath.Base(filepath.Dir(gap)); due > gone.UTC().Format(evidence.DueFormat) {
			t.Errorf("a pack that is gone since %s has a gap of %s", gone.UTC(), due)
		}
	}
	d.stop()
	if got := told(t, people); got != news {
		t.Errorf("people were told: %s; want: %s", got, news)
	}
	if clean(t, s); strings.Contains(log.String(), "another plan") {
		t.Errorf("plans were not at one:\n%s", log.String())
	}
}

// told returns which packs people were told of and how, in however many notices: packs
// that appear together may be found by two listings.
func told(t *testing.T, people *notifytest.Server) string {
	t.Helper()
	var all []string
	for _, m := range people.Taken(notifytest.Webhook) {
		var notice struct{ Events []struct{ Kind, Pack string } }
		if err := json.Unmarshal([]byte(m.Text), &notice); err != nil {
			t.Fatal(err)
		}
		for _, e := range notice.Events {
			all = append(all, e.Kind+" "+e.Pack)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// gapsOf returns the gap records of a pack, as files.
func gapsOf(t *testing.T, s lab.Setup, key string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.Dir, "archive", "prod", key, "*", "*", "*", "gap.json"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// plansOf counts the plans in the archive.
func plansOf(t *testing.T, s lab.Setup) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(s.Dir, "archive", "packseal-ledger", "plan", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestDiscoveredSurvives: a restart without the API goes on with what was discovered;
// with a new state folder, the plan that is in force stays until the packs are listed
// again, and what fell due meanwhile is recorded.
func TestDiscoveredSurvives(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, prodPack(lab.Pack, "等保三级"))
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Discover: production, Defaults: `schedule: "@every 1s", timeout: 1m`}
	d := start(t, s.Write(t), io.Discard)
	d.kept(t, lab.Pack)
	d.await(t, 1)
	lab.Eventually(t, "the plan is recorded", func() bool { return plansOf(t, s) == 1 })
	d.stop()

	away := s
	away.Endpoint = "http://127.0.0.1:1"
	d = start(t, away.Write(t), io.Discard)
	d.kept(t, lab.Pack)
	if p := d.pack(t, lab.Pack); p.Name != "等保三级" {
		t.Errorf("it is %+v", p)
	}
	lab.Eventually(t, "the metric says that packs are not listed", func() bool {
		return strings.Contains(d.get(t, "/metrics"), `packseal_discovery_last_refresh_successful{source="prod"} 0`)
	})
	d.stop()
	if err := os.RemoveAll(filepath.Join(s.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	var log lab.Buffer
	d = start(t, s.Write(t), &log)
	d.kept(t, lab.Pack)
	lab.Eventually(t, "slots are sealed by the new one", func() bool {
		p := d.pack(t, lab.Pack)
		return p.Counts != nil && p.Sealed > 1
	})
	lab.Eventually(t, "what fell due meanwhile is recorded", func() bool { return d.Ready() == nil && len(gapsOf(t, s, lab.Pack)) > 0 })
	d.stop()
	if n := plansOf(t, s); n != 1 {
		t.Errorf("%d plans are recorded", n)
	}
	clean(t, s)
}

// TestDiscoverEvaluates: the rules of a pack that is discovered are evaluated before its
// report, once, and those that are not done in time are no reason for a gap.
func TestDiscoverEvaluates(t *testing.T) {
	t.Parallel()
	pack := prodPack(lab.Pack, "等保三级")
	pack.Script = sim.Script{Rules: 3, Stuck: 1}
	api, endpoint := lab.Simulate(t, pack, sim.Pack{ID: lab.Another, Name: "without"})
	s := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Defaults: `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 1m`,
		Discover: `rules: [{match: {tags: {env: prod}}, evaluate: 1s}, {}]`,
	}
	d := start(t, s.Write(t), io.Discard)
	d.kept(t, lab.Pack, lab.Another)
	d.await(t, 1)
	d.stop()
	for key, want := range map[string]int{lab.Pack: 1, lab.Another: 0} {
		if got := api.Evaluations(key); got != want {
			t.Errorf("%s was evaluated %d times", key, got)
		}
		all, err := filepath.Glob(filepath.Join(s.Dir, "archive", "prod", key, "*", "*", "*", "manifest.json"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s has %d manifests, %v", key, len(all), err)
		}
		if b, err := os.ReadFile(all[0]); err != nil || strings.Contains(string(b), `"evaluated":{"of":3,"rules":0}`) != (want == 1) {
			t.Errorf("the manifest of %s is %s, %v", key, b, err)
		}
	}
	if api.Calls()["GetCompliancePack"] == 0 {
		t.Error("its rules were not read")
	}
}

// TestTemplateDeleted: a report template that is deleted is gone, in a notice and for
// packs, which says so too of one that never was.
func TestTemplateDeleted(t *testing.T) {
	t.Parallel()
	const template, wrong = "crt-3b7e626622af00c20002", "crt-wrong"
	api, endpoint := lab.Simulate(t, sim.Pack{ID: template, Name: "monthly"}, sim.Pack{ID: "crt-other"})
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	address := httptest.NewServer(people)
	t.Cleanup(address.Close)
	s := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Discover: `refresh: "@yearly"`, Defaults: `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 1m`,
		Packs: []string{"{kind: template, id: " + template + "}", "{kind: template, id: " + wrong + "}"},
	}
	entry, content := people.Setting(address.URL, notifytest.Webhook, notifytest.Webhook, ", secret_file: sign")
	s.More = "notify: [{name: team, on: [gone], group: 1ms, " + entry + "}]\n"
	lab.Write(t, s.Dir, map[string]string{notifytest.Webhook: content, "sign": people.Secret})
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	lab.Eventually(t, "it has the name of the listing", func() bool { return d.pack(t, template).Name == "monthly" })
	unseen := func(refresh bool) map[string]bool {
		t.Helper()
		all, err := control.NewClient(filepath.Join(s.Dir, "state")).Packs(t.Context(), "", refresh)
		if err != nil {
			t.Fatal(err)
		}
		packs := make(map[string]bool)
		for _, p := range all[0].Packs {
			packs[p.Key()] = p.Unseen
		}
		return packs
	}
	if got := unseen(false); fmt.Sprint(got) != fmt.Sprint(map[string]bool{template: false, wrong: true}) {
		t.Errorf("not listed: %v", got)
	}
	api.Remove(template)
	unseen(true)
	if got := unseen(true); !got[template] {
		t.Errorf("after it was deleted: %v", got)
	}
	lab.Eventually(t, "people were told", func() bool {
		return slices.ContainsFunc(people.Taken(notifytest.Webhook), func(m notifytest.Delivery) bool { return strings.Contains(m.Text, template) })
	})
	lab.Eventually(t, "the gap says why", func() bool { return len(gapsOf(t, s, wrong)) == 1 })
	if !strings.Contains(log.String(), "check the id of the report template, and whether it was deleted") {
		t.Errorf("the log has no hint:\n%s", log.String())
	}
	d.stop()
}

// TestDiscoverByOne: of three replicas one lists, and all keep what it has found, also
// when one of the others is told to list.
func TestDiscoverByOne(t *testing.T) {
	t.Parallel()
	api, endpoint := lab.Simulate(t, prodPack(lab.Pack, "first"))
	setups := replicas(t, lab.Setup{Endpoint: endpoint, Discover: `refresh: "@yearly", rules: [` + prodRule + "]"})
	var all []*live
	var logs [3]lab.Buffer
	for i, s := range setups {
		all = append(all, start(t, s.Write(t), &logs[i]))
	}
	for _, d := range all {
		d.kept(t, lab.Pack)
	}
	sealed(t, setups[0].Archive, 1)
	if n := api.Calls()["ListCompliancePacks"]; n != 1 {
		t.Errorf("%d listings", n)
	}
	if err := api.Add(prodPack(lab.Another, "second")); err != nil {
		t.Fatal(err)
	}
	for i, s := range setups { // each of them in turn
		if got := found(t, s, true); got[lab.Another] != "kept" || got[lab.Pack] != "kept" {
			t.Errorf("replica %d: %v", i, got)
		}
	}
	for _, d := range all {
		d.kept(t, lab.Pack, lab.Another)
	}
	if n := api.Calls()["ListCompliancePacks"]; n != 4 {
		t.Errorf("%d listings", n)
	}
	told := 0
	for i := range all {
		all[i].stop()
		told += strings.Count(logs[i].String(), `"msg":"pack found"`)
	}
	if told != 1 {
		t.Errorf("the new pack was told of %d times", told)
	}
}

// TestPacksWithoutDiscover: what exists and is not kept is known also where nothing
// is discovered, and not where it may not be listed.
func TestPacksWithoutDiscover(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: lab.Another, Name: "theirs"})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	d := start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "the metric", func() bool {
		return strings.Contains(d.get(t, "/metrics"), `packseal_discovery_packs{source="prod",state="not_kept"} 1`)
	})
	if m := d.get(t, "/metrics"); strings.Contains(m, "packseal_discovery_last_refresh_successful{") {
		t.Errorf("whether it is listed is a matter of those that discover:\n%s", m)
	}
	if got := found(t, s, false); got[lab.Pack] != "kept" || got[lab.Another] != "not_kept" {
		t.Errorf("found %v", got)
	}
	if _, err := control.NewClient(filepath.Join(s.Dir, "state")).Packs(t.Context(), "prdo", false); err == nil || !strings.Contains(err.Error(), "prdo") {
		t.Errorf("an unknown source: %v", err)
	}
	d.stop()
	cfg, err := (&ConfigFile{Path: filepath.Join(s.Dir, "packseal.yaml")}).Load()
	if err != nil {
		t.Fatal(err)
	}
	all, err := ListPacks(context.Background(), cfg, "prod", "test")
	if err != nil || len(all) != 1 || len(all[0].Packs) != 2 || time.Since(all[0].Listed) > time.Minute {
		t.Errorf("without a daemon: %+v, %v", all, err)
	}
}
