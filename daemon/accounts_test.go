package daemon

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

// directory is a simulated API with member accounts, whose roles can be assumed.
func directory(t testing.TB, latency time.Duration, accounts []sim.Account, packs ...sim.Pack) *lab.Lab {
	t.Helper()
	l := lab.Open(t, lab.Options{Options: sim.Options{Accounts: accounts, Packs: packs, Latency: latency}})
	for _, a := range accounts {
		ramtest.Role("acs:ram::"+a.ID+":role/packseal", l.ServeHTTP)
	}
	return l
}

// memberPack is a pack of production in a member account.
func memberPack(account, id string) sim.Pack {
	return sim.Pack{ID: id, Name: "of " + account, Member: account, Tags: map[string]string{"env": "prod"}}
}

// keptIn waits until those packs are kept, as source/pack, and no others.
func (d *live) keptIn(t *testing.T, names ...string) {
	t.Helper()
	slices.Sort(names)
	var got []string
	lab.Eventually(t, fmt.Sprintf("%v are kept", names), func() bool {
		got = nil
		for _, p := range d.packs(t) {
			got = append(got, p.Source+"/"+p.Key)
		}
		slices.Sort(got)
		return slices.Equal(got, names)
	})
}

// sealedIn waits until the pack has so many more sealed reports.
func (d *live) sealedIn(t *testing.T, source string, more int) {
	t.Helper()
	sealed := func() int {
		for _, p := range d.packs(t) {
			if p.Source == source && p.Counts != nil {
				return p.Sealed
			}
		}
		return -1
	}
	lab.Eventually(t, "the history of "+source+" is known", func() bool { return sealed() >= 0 })
	want := sealed() + more
	lab.Eventually(t, fmt.Sprintf("%d reports of %s are sealed", want, source), func() bool { return sealed() >= want })
}

// TestAccounts: each member account is a source of its own, also where the packs of two
// have one ID. What one of them refuses, and that the directory can't be listed for a
// while, is told once and hinders no other; one that leaves takes its packs along.
func TestAccounts(t *testing.T) {
	t.Parallel()
	const one, two, three, four = "51001", "51002", "51003", "51004"
	l := directory(t, 0, []sim.Account{
		{ID: one, Name: "first\u001b[31m\nline"}, {ID: two}, {ID: three, Name: "untrusting", Untrusting: true}, {ID: four, Status: "CreateVerifying"}, {ID: "51005", Name: "sandbox"},
	}, memberPack(one, lab.Pack), memberPack(two, lab.Pack), memberPack(three, lab.Pack), memberPack(four, lab.Another), memberPack("51005", lab.Another))
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	address := httptest.NewServer(people)
	t.Cleanup(address.Close)
	s := lab.Setup{
		Dir: l.Dir, Endpoint: l.HTTP.URL, Defaults: `schedule: "@every 1s", timeout: 1m`, Discover: production,
		Accounts: fmt.Sprintf("role: packseal, endpoint: %q, rules: [{match: {name: sandbox}, keep: false}, {}]", l.HTTP.URL),
	}
	entry, content := people.Setting(address.URL, notifytest.Webhook, notifytest.Webhook, ", secret_file: sign")
	s.More = "notify: [{name: team, on: [not_listed, gone, found], match: {sources: [prod]}, group: 1ms, " + entry + "}]\n"
	lab.Write(t, s.Dir, map[string]string{notifytest.Webhook: content, "sign": people.Secret})
	var log lab.Buffer
	d := start(t, s.Write(t), &log)
	d.keptIn(t, "prod."+one+"/"+lab.Pack, "prod."+two+"/"+lab.Pack)
	d.sealedIn(t, "prod."+one, 2)
	d.sealedIn(t, "prod."+two, 2)
	told := func() (text string) {
		for _, m := range people.Taken(notifytest.Webhook) {
			text += m.Text
		}
		return text
	}
	lab.Eventually(t, "people were told of the role", func() bool { return strings.Contains(told(), "1 source not listed") })
	if text := told(); !strings.Contains(text, "untrusting (prod."+three+")") || !strings.Contains(text, "allow sts:AssumeRole on acs:ram::"+three+":role/packseal") {
		t.Errorf("people were told:\n%s", text)
	}
	for _, series := range []string{`accounts{source="prod",state="kept"} 2`, `accounts{source="prod",state="refused"} 1`, `accounts{source="prod",state="excluded"} 1`, `last_refresh_successful{source="prod.51003"} 0`, `last_refresh_successful{source="prod.51001"} 1`} {
		if !strings.Contains(d.get(t, "/metrics"), "packseal_discovery_"+series) {
			t.Errorf("no series %s", series)
		}
	}
	all, err := control.NewClient(filepath.Join(s.Dir, "state")).Packs(t.Context(), "prod", false)
	if err != nil || len(all) != 4 || all[1].AccountName != "first[31m line" || len(all[0].Troubles) != 1 || !strings.Contains(all[0].Troubles[0].Message, "accounts "+four) || !strings.Contains(d.get(t, "/"), "prod.51003 (untrusting)") {
		t.Errorf("packs shows %+v, %v", all, err)
	}

	// The directory can't be listed, while an account is taken out: nothing happens.
	l.Fail(sim.Failure{Call: "ListAccounts", Code: "NoPermission", Times: 3})
	l.RemoveAccount(two)
	lab.Eventually(t, "the failed listing is told of", func() bool { return strings.Contains(told(), "resourcedirectory:ListAccounts") })
	// Then it is gone; the others are there for good.
	d.keptIn(t, "prod."+one+"/"+lab.Pack)
	lab.Eventually(t, "people were told of the account", func() bool { return strings.Contains(told(), "1 pack gone") })
	if err := l.SetAccount(sim.Account{ID: three, Name: "trusting"}); err != nil {
		t.Fatal(err)
	}
	if err := l.SetAccount(sim.Account{ID: four}); err != nil {
		t.Fatal(err)
	}
	if _, err := control.NewClient(filepath.Join(s.Dir, "state")).Packs(t.Context(), "prod", true); err != nil {
		t.Error(err)
	}
	d.keptIn(t, "prod."+one+"/"+lab.Pack, "prod."+three+"/"+lab.Pack, "prod."+four+"/"+lab.Another)
	lab.Eventually(t, "people were told of the packs of a new account", func() bool { return strings.Contains(told(), `"kind":"found"`) })
	d.sealedIn(t, "prod."+four, 1)
	if record := d.Latest("prod."+two, lab.Pack); record.Pack != "" {
		t.Errorf("a pack that is gone is watched: %+v", record)
	}
	d.stop()
	clean(t, s)
	for message, n := range map[string]int{`"msg":"account gone"`: 1, `"msg":"account found"`: 1, `"level":"WARN","msg":"packs not listed","source":"prod.51003"`: 1, "another plan": 0, `51005`: 0} {
		if got := strings.Count(log.String(), message); got != n {
			t.Errorf("the log has %s %d times, want %d", message, got, n)
		}
	}
	read, err := (&ConfigFile{Path: filepath.Join(s.Dir, "packseal.yaml")}).Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), read, ArchiveOptions{ReadOnly: true, Logger: d.Logger})
	if err != nil {
		t.Fatal(err)
	}
	history := 0
	for _, err := range a.List(t.Context(), "prod."+two, lab.Pack, d.began, d.began.AddDate(0, 0, 1)) {
		if history++; err != nil {
			t.Fatal(err)
		}
	}
	if history < 2 {
		t.Errorf("%d slots of the account that is gone can be read", history)
	}
}

// TestAccountsLost: where nobody knows the accounts any more, and the directory can't be
// listed, the plan in the archive stays in force for their packs.
func TestAccountsLost(t *testing.T) {
	t.Parallel()
	const one = "52001"
	l := directory(t, 0, []sim.Account{{ID: one}}, memberPack(one, lab.Pack))
	s := lab.Setup{Dir: l.Dir, Endpoint: l.HTTP.URL, Discover: production, Accounts: fmt.Sprintf("role: packseal, endpoint: %q", l.HTTP.URL)}
	var log lab.Buffer
	path := s.Write(t)
	d := start(t, path, &log)
	d.keptIn(t, "prod."+one+"/"+lab.Pack)
	lab.Eventually(t, "the plan is recorded", func() bool { return strings.Contains(log.String(), `"packs":1,"key":"packseal-ledger/plan/`) })
	d.stop()
	if err := os.Remove(filepath.Join(s.Dir, "state", "discovered.json")); err != nil {
		t.Fatal(err)
	}
	l.Fail(sim.Failure{Call: "ListAccounts", Code: "NoPermission", Times: 2})
	d = start(t, path, &log)
	lab.Eventually(t, "the listing failed", func() bool { return strings.Contains(log.String(), "resourcedirectory:ListAccounts") })
	timeline, _, err := d.services.Load().plans.InForce(t.Context(), "prod."+one, lab.Pack)
	if n := len(timeline); err != nil || n == 0 || timeline[n-1].Schedule.String() == "" {
		t.Errorf("by the plan in force the pack is scheduled %v, %v", timeline, err)
	}
	d.keptIn(t, "prod."+one+"/"+lab.Pack)
	timeline, _, err = d.services.Load().plans.InForce(t.Context(), "prod."+one, lab.Pack)
	if err != nil || len(timeline) != 1 {
		t.Errorf("it left the plan in between: %v, %v", timeline, err)
	}
	d.stop()
	clean(t, s)
}

// TestAccountsByOne: of three replicas one lists accounts and their packs, and all work
// on them.
func TestAccountsByOne(t *testing.T) {
	t.Parallel()
	const one, two = "57001", "57002"
	l := directory(t, 0, []sim.Account{{ID: one}, {ID: two}}, memberPack(one, lab.Pack), memberPack(two, lab.Pack))
	setups := replicas(t, lab.Setup{
		Endpoint: l.HTTP.URL, Discover: `refresh: "@yearly", rules: [` + prodRule + "]", Accounts: fmt.Sprintf("role: packseal, endpoint: %q", l.HTTP.URL),
	})
	var all []*live
	for _, s := range setups {
		all = append(all, start(t, s.Write(t), io.Discard))
	}
	for _, d := range all {
		d.keptIn(t, "prod."+one+"/"+lab.Pack, "prod."+two+"/"+lab.Pack)
	}
	sealed(t, setups[0].Archive, 2)
	if n := l.Calls(); n["ListAccounts"] != 1 || n["ListCompliancePacks"] != 3 {
		t.Errorf("%d listings of accounts, %d of packs", n["ListAccounts"], n["ListCompliancePacks"])
	}
	for _, d := range all {
		d.stop()
	}
}

// TestListPacksOfAccounts: without a daemon, the accounts are listed as well, or the one
// that is named.
func TestListPacksOfAccounts(t *testing.T) {
	t.Parallel()
	const one, two = "54001", "54002"
	l := directory(t, 0, []sim.Account{{ID: one, Name: "first"}, {ID: two, Untrusting: true}}, memberPack(one, lab.Pack))
	s := lab.Setup{Dir: l.Dir, Endpoint: l.HTTP.URL, Discover: production, Accounts: fmt.Sprintf("role: packseal, endpoint: %q", l.HTTP.URL)}
	cfg, err := (&ConfigFile{Path: s.Write(t)}).Load()
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"": "prod:0/0 prod.54001:1/0 prod.54002:0/1", "prod": "prod:0/0 prod.54001:1/0 prod.54002:0/1", "prod.54001": "prod.54001:1/0", "prod.54009": "not_found",
	} {
		all, err := ListPacks(t.Context(), cfg, source, "packseal/test")
		var got []string
		for _, of := range all {
			got = append(got, fmt.Sprintf("%s:%d/%d", of.Source, len(of.Packs), len(of.Troubles)))
		}
		if err != nil {
			got = []string{string(fault.Of(err))}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", source, got, err)
		}
	}
}

// TestQueueOfAccounts: the slots of member accounts are listed with the source that
// lists the accounts, also those of a pack that is not kept any more.
func TestQueueOfAccounts(t *testing.T) {
	t.Parallel()
	const one, two = "56001", "56002"
	slow := func(account string) sim.Pack {
		p := memberPack(account, lab.Pack)
		p.Script = sim.Script{Make: time.Hour}
		return p
	}
	l := directory(t, 0, []sim.Account{{ID: one}, {ID: two}}, slow(one), slow(two))
	s := lab.Setup{Dir: l.Dir, Endpoint: l.HTTP.URL, Defaults: `schedule: "@every 1s"`, Discover: production}
	accounts := func(rules string) {
		s.Accounts = fmt.Sprintf("role: packseal, endpoint: %q, rules: %s", l.HTTP.URL, rules)
		s.Write(t)
	}
	accounts("[{}]")
	d := start(t, filepath.Join(s.Dir, "packseal.yaml"), io.Discard)
	listed := func(source string, names ...string) int {
		c, err := controlled{d.services.Load(), d.Daemon}.List(t.Context(), control.Selection{Source: source, Names: names})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, of := range c.Counts {
			n += of
		}
		return n
	}
	d.keptIn(t, "prod."+one+"/"+lab.Pack, "prod."+two+"/"+lab.Pack)
	lab.Eventually(t, "both have a slot", func() bool { return listed("") == 2 })
	if all, first, named := listed("prod"), listed("prod."+one), listed("prod", "prod."+two+"/"+lab.Pack); all != 2 || first != 1 || named != 1 {
		t.Errorf("prod has %d slots, its first account %d, and by name %d", all, first, named)
	}
	accounts("[{match: {id: \"" + two + "\"}, keep: false}, {}]")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.keptIn(t, "prod."+one+"/"+lab.Pack)
	if all, left := listed("prod"), listed("prod", lab.Pack); all != 2 || left != 1 {
		t.Errorf("after one left, prod has %d slots, and %d of the pack that is kept", all, left)
	}
}
