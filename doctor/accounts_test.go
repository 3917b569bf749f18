package doctor

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) { os.Exit(ramtest.M{Tests: m}.Run()) }

// TestAccounts: the role is tried in each account that is kept, and those that refuse
// are named with what to do.
func TestAccounts(t *testing.T) {
	t.Parallel()
	accounts := []sim.Account{
		{ID: "53001", Name: "good"}, {ID: "53002", Name: "untrusting", Untrusting: true}, {ID: "53003", Name: "without role", Role: "other"},
		{ID: "53004", Name: "new", Status: "CreateVerifying"}, {ID: "53005", Name: "excluded", Untrusting: true},
	}
	l := lab.Open(t, lab.Options{Options: sim.Options{Accounts: accounts, Packs: []sim.Pack{{ID: lab.Pack}}}})
	for _, a := range accounts {
		ramtest.Role("acs:ram::"+a.ID+":role/packseal", l.ServeHTTP)
	}
	path := l.Configure(lab.Setup{Accounts: fmt.Sprintf("role: packseal, endpoint: %q, rules: [{match: {name: excluded}, keep: false}, {}]", l.HTTP.URL)})
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	results := func() (all map[string]diag.Result) {
		all = make(map[string]diag.Result)
		for r := range Run(t.Context(), Options{Config: cfg, Packs: cfg.Entries(), Tool: "packseal/test"}) {
			if r.Check == "accounts" {
				all[r.Target+" "+string(r.Reason)] = r
			}
		}
		return all
	}
	got := results()
	for target, hint := range map[string]string{"source prod.53002 untrusting credentials": "allow sts:AssumeRole on acs:ram::53002", "source prod.53003 without role credentials": "create the role acs:ram::53003"} {
		if r := got[target]; r.State != diag.Bad || !strings.Contains(r.Hint, hint) {
			t.Errorf("%s: %+v", target, r)
		}
	}
	if r := got["source prod "]; r.State != diag.Good || r.Detail != "4 accounts: 3 kept, in 1 of them the role can be assumed and packs can be listed" || len(got) != 3 {
		t.Errorf("got %+v", got)
	}
	l.Fail(sim.Failure{Call: "ListAccounts", Code: "NoPermission"})
	if r := results()["source prod denied"]; r.State != diag.Bad || r.Reason != fault.Denied || !strings.Contains(r.Hint, "resourcedirectory:ListAccounts") {
		t.Errorf("a directory that can't be listed: %+v", r)
	}
}

// TestNamedAccounts: an account that packs names is asked, and its packs, whether the
// directory has it or not. That the account which lists is one of them is told.
func TestNamedAccounts(t *testing.T) {
	t.Parallel()
	accounts := []sim.Account{{ID: "54001"}, {ID: "54002", Name: "left out"}}
	l := lab.Open(t, lab.Options{Options: sim.Options{Accounts: accounts, Packs: []sim.Pack{
		{ID: lab.Pack, AccountID: "54001"}, {ID: lab.Pack, Member: "54001"}, {ID: lab.Pack, Member: "54002"}}}})
	for _, a := range accounts {
		ramtest.Role("acs:ram::"+a.ID+":role/packseal", l.ServeHTTP)
	}
	path := l.Configure(lab.Setup{
		Accounts: fmt.Sprintf("role: packseal, endpoint: %q, rules: [{match: {id: \"54002\"}, keep: false}, {}]", l.HTTP.URL),
		Packs:    []string{"{id: " + lab.Pack + ", source: prod.54002}", "{id: " + lab.Another + ", source: prod.54002}", "{id: " + lab.Pack + ", source: prod.54009}"},
	})
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.With(nil)
	got := make(map[string]diag.Result)
	for r := range Run(t.Context(), Options{Config: cfg, Packs: cfg.Entries(), Tool: "packseal/test"}) {
		key := r.Check + " " + r.Target
		if strings.Contains(r.Hint, `match: {id: "54001"}`) {
			key += " 1"
		}
		got[key+" "+fmt.Sprint(r.State == diag.Bad)] = r
	}
	for key, detail := range map[string]string{
		"permission prod.54002/" + lab.Pack + " false":   "config:GetCompliancePackReport",
		"permission prod.54002/" + lab.Another + " true": "Invalid.CompliancePackId",
		"accounts source prod.54009 true":                "EntityNotExist.Role",
		"accounts source prod.54009 false":               "the directory does not list the account",
		"accounts source prod 1 false":                   "prod.54001 is the account of prod itself",
		"accounts source prod false":                     "2 accounts and 1 that packs names: 3 kept, in 2 of them",
	} {
		if r, ok := got[key]; !ok || !strings.Contains(r.Detail, detail) {
			t.Errorf("%s: %+v", key, r)
		}
	}
	if t.Failed() {
		t.Logf("%+v", got)
	}
}
