package daemon

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// listPacks lists the packs of a setup, as packs does without a daemon.
func listPacks(t *testing.T, s lab.Setup) control.SourcePacks {
	t.Helper()
	cfg, err := (&ConfigFile{Path: s.Write(t)}).Load()
	if err != nil {
		t.Fatal(err)
	}
	all, err := ListPacks(t.Context(), cfg, "", "test")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// TestListingIsCheap: 1,000 packs over 10 account groups take one call for the groups,
// and one for each page.
func TestListingIsCheap(t *testing.T) {
	t.Parallel()
	const packs, groups = 1000, 10
	var all []sim.Pack
	for i := range packs {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Aggregator: fmt.Sprintf("ca-%02d", i%groups)})
	}
	api, endpoint := lab.Simulate(t, all...)
	of := listPacks(t, lab.Setup{Endpoint: endpoint, Source: "requests_per_second: 10000", Discover: "aggregators: [all], rules: [{}]"})
	if len(of.Packs) != packs || len(of.Troubles) > 0 {
		t.Errorf("%d packs, %+v", len(of.Packs), of.Troubles)
	}
	calls := 0
	for _, n := range api.Calls() {
		calls += n
	}
	if want := 1 + 1 + groups; calls != want {
		t.Errorf("%d calls, %d are enough: %v", calls, want, api.Calls())
	}
}

// TestListingOfMany: 10,000 packs of an account are listed, and kept.
func TestListingOfMany(t *testing.T) {
	t.Parallel()
	const packs = 10_000
	var all []sim.Pack
	for i := range packs {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i)})
	}
	api, endpoint := lab.Simulate(t, all...)
	of := listPacks(t, lab.Setup{Endpoint: endpoint, Source: "requests_per_second: 10000", Discover: "rules: [{}]"})
	if len(of.Packs) != packs || of.Packs[packs-1].State != "kept" || len(of.Troubles) > 0 || api.Calls()["ListCompliancePacks"] != packs/100 {
		t.Errorf("%d packs, %+v, %v", len(of.Packs), of.Troubles, api.Calls())
	}
}

// TestInventoryAgrees: what metrics count is what packs lists; STATUS is "not listed"
// only of what a listing would have shown.
func TestInventoryAgrees(t *testing.T) {
	t.Parallel()
	parsed, _, err := config.Parse("packseal.yaml", []byte(`
sources:
  prod: {cloudconfig: {endpoint: "http://127.0.0.1:1"}, accounts: {role: packseal}, discover: {rules: [{match: {name: found}}]}}
  old: {enabled: false, cloudconfig: {endpoint: "http://127.0.0.1:1"}, accounts: {role: packseal}, discover: {rules: [{match: {name: found}}]}}
  unread: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}
packs: [{id: cp-1, source: prod}, {id: cp-2, source: prod}, {id: rules, kind: rules, source: prod}, {id: cp-1, source: old}, {id: cp-1, source: unread}]
sinks: [{name: primary, local: {dir: archive}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	listed := discovery.State{Tried: time.Now(), Listed: time.Now(), Packs: []discovery.Pack{
		{PackInfo: fetcher.PackInfo{ID: "cp-2", Account: "1001"}}, {PackInfo: fetcher.PackInfo{ID: "cp-3", Name: "found", Account: "1001"}}, {PackInfo: fetcher.PackInfo{ID: "cp-4", Account: "1001"}}},
		Accounts: []discovery.Account{{AccountInfo: fetcher.AccountInfo{ID: "1001"}}}, AccountsListed: time.Now()}
	found := map[string]discovery.State{"prod": listed, "old": listed}
	cfg := parsed.With(found)
	for source, want := range map[string]struct{ unseen, states, verdicts string }{
		"prod":   {"[cp-1]", "map[kept:4 not_kept:1]", "map[kept:4 not_kept:1]"},
		"old":    {"[]", "map[disabled:2 not_kept:2]", "map[disabled:4 not_kept:0]"},
		"unread": {"[]", "map[kept:1]", "map[kept:1]"},
	} {
		entries := config.BySource(slices.Concat(cfg.Entries(), cfg.Disabled()))[source]
		unseen, states := []string{}, make(map[string]int)
		of := sourcePacks(cfg, source, found[source], entries)
		for _, p := range of.Packs {
			if states[p.State]++; p.Unseen {
				unseen = append(unseen, p.Key())
			}
		}
		if got := fmt.Sprint(unseen); got != want.unseen {
			t.Errorf("%s: not listed %s, want %s", source, got, want.unseen)
		}
		if got := fmt.Sprint(states); got != want.states {
			t.Errorf("%s: %s, want %s", source, got, want.states)
		}
		if got := fmt.Sprint(verdicts(cfg, source, found[source], entries)); got != want.verdicts {
			t.Errorf("%s: counted %s, want %s", source, got, want.verdicts)
		}
		series := make(chan prometheus.Metric, 3)
		discoveryCollector{&services{discovered: new(discovered)}}.accounts(series, cfg, source, found[source])
		if n := len(series); n != map[string]int{"prod": 3}[source] {
			t.Errorf("%s: %d series of its accounts", source, n)
		}
		twice := len(of.Troubles) == 1 && of.Troubles[0].Passing && of.Troubles[0].Message == source+".1001 is the account of "+source+" itself: its packs are there twice"
		if twice != (source == "prod") {
			t.Errorf("%s: %+v", source, of.Troubles)
		}
	}
}

// TestOddListing: what a listing has that is odd is told in clear words, and is in the
// way of nothing else.
func TestOddListing(t *testing.T) {
	t.Parallel()
	l := lab.Open(t, lab.Options{Options: sim.Options{
		Packs: []sim.Pack{
			{ID: lab.Pack, Name: "a\x1b[2J\nb\u202ec"}, {ID: lab.Pack, Aggregator: "ca-1"}, {ID: lab.Pack, Aggregator: "ca-2"},
			{ID: lab.Another, Status: "CREATING"}, {ID: "cp-off", Status: "INACTIVE"}, {ID: "cp-a%b"},
		},
		Groups: []sim.Group{{ID: "ca-new", Creating: true}, {ID: "ca-a b"}},
	}})
	of := listPacks(t, lab.Setup{Endpoint: l.HTTP.URL, Discover: "aggregators: [all], rules: [{}]", Packs: []string{"{kind: template, id: crt-gone}"}})
	got := make(map[string]string)
	for _, p := range of.Packs {
		got[p.Key()] = fmt.Sprintf("%s %t", p.State, p.Unseen)
		if strings.ContainsAny(p.Name, "\x1b\n\u202e") {
			t.Errorf("the name of %s is %q", p.Key(), p.Name)
		}
	}
	want := map[string]string{
		lab.Pack: "kept false", "ca-1/" + lab.Pack: "kept false", "ca-2/" + lab.Pack: "kept false",
		lab.Another: "creating false", "cp-off": "kept false", "crt-gone": "kept true",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", got, want)
	}
	for _, c := range []struct {
		says    string
		reason  fault.Reason
		passing bool
	}{
		{"account group ca-new is being created", fault.NotReady, true}, {`a pack has the ID "cp-a%b"`, fault.Damaged, false}, {`an account group has the ID "ca-a b"`, fault.Damaged, false},
	} {
		found := false
		for _, trouble := range of.Troubles {
			found = found || strings.Contains(trouble.Message, c.says) && trouble.Reason == c.reason && trouble.Passing == c.passing
		}
		if !found {
			t.Errorf("%q is not among %+v", c.says, of.Troubles)
		}
	}
	if of.Listed.IsZero() {
		t.Error("the listing does not count as complete")
	}
}

// TestPagesShift: a pack of the first page that is deleted while the next one is read
// shifts another one out of sight: that is not gone, and is there in the next listing.
func TestPagesShift(t *testing.T) {
	t.Parallel()
	var all []sim.Pack
	for i := range 150 {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i)})
	}
	var l *lab.Lab
	var once sync.Once
	shift := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if strings.Contains(r.URL.RawQuery, "PageNumber=1&") {
				once.Do(func() { l.Remove(all[0].ID) })
			}
		})
	}
	l = lab.Open(t, lab.Options{Options: sim.Options{Packs: all}, Wrap: shift})
	s := lab.Setup{Dir: t.TempDir(), Endpoint: l.HTTP.URL, Discover: `refresh: "@yearly", rules: [{}]`, Defaults: `schedule: "0 0 1 1 *", timeout: 1m`}
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	lab.Eventually(t, "packs are kept", func() bool { return len(d.packs(t)) == 149 }) // one is not there, though listed, and one is, out of sight
	for _, want := range []int{150, 149} {
		if got := found(t, s, true); len(got) != want || got[all[100].ID] != "kept" {
			t.Errorf("%d packs, want %d; the one out of sight is %q", len(got), want, got[all[100].ID])
		}
	}
	if n := strings.Count(log.String(), `"msg":"pack gone"`); n != 1 {
		t.Errorf("%d packs are gone", n)
	}
	d.stop()
}
