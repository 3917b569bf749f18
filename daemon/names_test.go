package daemon

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestNames: a pack without a name goes by the one that Config has, on page, in
// metrics, and in manifests of reports that are fetched from then on; the
// configuration's name and labels come first.
func TestNames(t *testing.T) {
	t.Parallel()
	const group = "ca-f632626622af00790000"
	api, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack, Name: "等保三级"}, sim.Pack{ID: lab.Another, Name: "theirs"}, sim.Pack{ID: slowPack, Aggregator: group, Name: "组内"})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{
		lab.Pack, "{id: " + lab.Another + ", name: ours, labels: {owner: security}, since: 2020-01-01T00:00:00Z}", "{id: " + slowPack + ", aggregator: " + group + "}",
	}}
	d := start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "packs have names", func() bool {
		return d.pack(t, lab.Pack).Name == "等保三级" && d.pack(t, group+"/"+slowPack).Name == "组内"
	})
	if p := d.pack(t, lab.Another); p.Name != "ours" || p.Labels["owner"] != "security" {
		t.Errorf("got %+v", p)
	}
	for _, want := range []string{`packseal_pack_info{name="等保三级",pack="` + lab.Pack + `"`, `packseal_pack_labels{label_owner="security",pack="` + lab.Another + `"`} {
		if !strings.Contains(d.get(t, "/metrics"), want) {
			t.Errorf("no %s", want)
		}
	}
	d.await(t, 1)
	asked := api.Calls()["ListCompliancePacks"]
	s.Packs = s.Packs[1:2] // all that is left has a name
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Packs, s.Defaults = []string{lab.Pack, lab.Another}, strings.Replace(lab.Yearly, `"0 0 1 1 *"`, `"0 0 1 * *"`, 1)
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "the name is back", func() bool { return d.pack(t, lab.Pack).Name == "等保三级" })
	if now := api.Calls()["ListCompliancePacks"]; now > asked+2 { // a page with packs and one without
		t.Errorf("%d calls of the list, before %d", now, asked)
	}
	d.stop()
}

// TestNameInManifest: a report that is sealed when the name is known says it.
func TestNameInManifest(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack, Name: "等保三级"})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint, Defaults: `schedule: "@every 1s", timeout: 1m`, Packs: []string{lab.Pack}}
	start(t, s.Write(t), io.Discard)
	lab.Eventually(t, "a manifest has the name", func() bool {
		manifests, _ := filepath.Glob(filepath.Join(s.Dir, "archive", "prod", lab.Pack, "*", "*", "*", "manifest.json"))
		for _, m := range manifests {
			if b, err := os.ReadFile(m); err == nil && strings.Contains(string(b), `"name":"等保三级"`) {
				return true
			}
		}
		return false
	})
}
