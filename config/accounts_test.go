package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/fault"
)

// TestAccountFits: a rule is for the accounts that have all that its match says.
func TestAccountFits(t *testing.T) {
	t.Parallel()
	account := fetcher.AccountInfo{ID: "1001", Name: "财务/prod", Path: "rd-1/r-1/fd-finance/fd-emea/1001", Folder: "fd-emea", Tags: map[string]string{"env": "prod"}}
	for name, c := range map[string]struct {
		match AccountMatch
		fits  bool
	}{
		"nothing set":      {AccountMatch{}, true},
		"id":               {AccountMatch{ID: "10*"}, true},
		"other id":         {AccountMatch{ID: "11*"}, false},
		"name over slash":  {AccountMatch{Name: "财务*"}, true},
		"name in part":     {AccountMatch{Name: "财务"}, false},
		"folder":           {AccountMatch{Folder: "fd-emea"}, true},
		"folder above":     {AccountMatch{Folder: "fd-fin*"}, true},
		"other folder":     {AccountMatch{Folder: "fd-apac"}, false},
		"no folder":        {AccountMatch{Folder: "1001"}, false},
		"tag":              {AccountMatch{Tags: map[string]string{"env": "p*"}}, true},
		"other tag":        {AccountMatch{Tags: map[string]string{"owner": "*"}}, false},
		"folder and a tag": {AccountMatch{Folder: "fd-emea", Tags: map[string]string{"env": "test"}}, false},
	} {
		if got := c.match.fits(account); got != c.fits {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (AccountMatch{Folder: "*"}).fits(fetcher.AccountInfo{ID: "1"}) {
		t.Error("an account whose folder is not known is in a folder")
	}
}

// members is a configuration of a source with accounts.
const members = `
sources:
  prod:
    cloudconfig: {endpoint: "http://127.0.0.1:1", requests_per_second: 7, max_in_flight: 3, calls_per_minute: {GetCompliancePackReport: 90}}
    accounts: {role: auditor, external_id: x-1, rules: [{match: {name: "test*"}, keep: false}, {match: {tags: {env: prod}}}]}
    discover:
      aggregators: [all]
      rules: [{match: {account: "1003"}, keep: false}, {match: {name: "keep*"}, schedule: "@daily"}]
defaults: {credentials: {profile: company, sts_endpoint: "sts-vpc.cn-shanghai.aliyuncs.com"}}
packs: [{id: cp-9, source: prod.1009}, {id: cp-1}]
sinks: [{name: archive, local: {dir: archive}}]
notify: [{name: a, match: {sources: [prod, prod.1001]}, mail: {server: "127.0.0.1:25", tls: none, from: a@example.com, to: [b@example.com]}}]
`

// found is what was found with it.
func foundMembers() map[string]discovery.State {
	account := func(id, name, env string) discovery.Account {
		return discovery.Account{AccountInfo: fetcher.AccountInfo{ID: id, Name: name, Tags: map[string]string{"env": env}}}
	}
	pack := func(id, name string) discovery.Pack {
		return discovery.Pack{PackInfo: fetcher.PackInfo{ID: id, Name: name}}
	}
	return map[string]discovery.State{
		"prod": {
			Accounts: []discovery.Account{account("1001", "one", "prod"), account("1002", "test two", "prod"), account("1003", "three", "prod"), account("1004", "four", "dev")},
			Packs:    []discovery.Pack{pack("cp-2", "keep 2")},
		},
		"prod.1001": {Packs: []discovery.Pack{pack("cp-1", "keep 1"), pack("cp-2", "other")}},
		"prod.1002": {Packs: []discovery.Pack{pack("cp-1", "keep 1")}},
		"prod.1003": {Packs: []discovery.Pack{pack("cp-1", "keep 1")}},
		"prod.1009": {Packs: []discovery.Pack{pack("cp-1", "keep 1"), pack("cp-9", "")}},
	}
}

// TestMembers: accounts that are found, and those that packs name, are sources with
// the settings and rules of the one that lists them.
func TestMembers(t *testing.T) {
	t.Parallel()
	c := parse(t, members)
	with := c.With(foundMembers())
	if got := slices.Sorted(maps.Keys(with.Sources)); fmt.Sprint(got) != "[prod prod.1001 prod.1003 prod.1009]" {
		t.Errorf("sources %v", got)
	}
	var packs []string
	for _, e := range with.Entries() {
		packs = append(packs, e.Pack.Source+"/"+e.Pack.Key()+" "+e.Schedule)
	}
	want := []string{"prod.1009/cp-9 0 2 * * *", "prod/cp-1 0 2 * * *", "prod/cp-2 @daily", "prod.1001/cp-1 @daily"}
	if diff := cmp.Diff(want, packs); diff != "" {
		t.Error(diff)
	}
	member := with.Sources["prod.1001"]
	o := member.CloudConfig
	if diff := cmp.Diff(&cloudconfig.Credentials{RoleARN: "acs:ram::1001:role/auditor", ExternalID: "x-1", STSEndpoint: "sts-vpc.cn-shanghai.aliyuncs.com"}, o.Credentials); diff != "" {
		t.Error(diff)
	}
	if b := member.Opener().Bounds(); b.RequestsPerSecond != 7 || b.MaxInFlight != 3 || o.CallsPerMinute["GetCompliancePackReport"] != 90 {
		t.Errorf("bounds %+v", b)
	}
	if m, ok := with.Member("prod.1001"); !ok || m != (Member{Parent: "prod", ID: "1001", Name: "one"}) {
		t.Errorf("member %+v", m)
	}
	named := parse(t, strings.Replace(members, "prod.1009", "prod.1002", 1)).With(foundMembers()) // a rule leaves it out, and a pack names it
	if m, ok := named.Member("prod.1002"); !ok || m.Name != "test two" {
		t.Errorf("member %+v", m)
	}
	if _, ok := with.Member("prod"); ok || c.Sources["prod"].CloudConfig.Credentials.Profile != "company" {
		t.Error("the source itself is a member, or has no credentials")
	}
	if s := with.Scope("prod"); !s.All || s.Directory != cloudconfig.DirectoryEndpoint {
		t.Errorf("scope of the source %+v", s)
	}
	if s := with.Scope("prod.1001"); s.All || s.Directory != "" {
		t.Errorf("scope of an account %+v", s)
	}
	for source, want := range map[string]Judgement{"prod.1001": {Kept, 2}, "prod.1003": {Excluded, 1}, "prod.1009": {Excluded, 0}} {
		if got := with.Judge(source)(fetcher.PackInfo{ID: "cp-1", Name: "keep 1", Account: "spoofed"}); got != want {
			t.Errorf("%s: %+v, want %+v", source, got, want)
		}
	}
	m := with.match(with.Notify[0].Match)
	for source, want := range map[string]bool{"prod": true, "prod.1003": true, "prod.1009": true, "prod2.1003": false, "prod.x": false} {
		if m.Pack(source, "cp-1", nil) != want {
			t.Errorf("whether the channel is for %s is not %t", source, want)
		}
	}
	if len(c.Sources) != 1 || len(c.With(nil).Sources) != 2 {
		t.Error("the configuration itself has changed")
	}
}

// TestBadAccounts: what is wrong with accounts is told with its place.
func TestBadAccounts(t *testing.T) {
	t.Parallel()
	const config = `sources:
  prod:
    cloudconfig: {endpoint: "http://127.0.0.1:1"}
    ACCOUNTS
  plain: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}
defaults: {source: prod}
packs: [PACK]
sinks: [{name: archive, local: {dir: archive}}]
`
	for accounts, want := range map[string]string{
		"accounts: {}":                                             "packseal.yaml:4: sources.prod.accounts.role: missing: it is assumed in each account",
		"accounts: {role: 'acs:ram::1:role/x'}":                    `sources.prod.accounts.role: "acs:ram::1:role/x" is not the name of a role`,
		"accounts: {role: x, endpoint: 'http://rd.example.com'}":   "sources.prod.accounts.endpoint: the endpoint is not https",
		"accounts: {role: x, rules: [{match: {folder: '[a'}}]}":    `sources.prod.accounts.rules[0].match.folder: "[a" is not a pattern`,
		"accounts: {role: x, rules: [{match: {tags: {a: '[a'}}}]}": `sources.prod.accounts.rules[0].match.tags.a: "[a" is not a pattern`,
		"accounts: {role: x, rules: [{keep: false}]}":              "sources.prod.accounts.rules: no account is left",
		"accounts: [1001]":                                         "sources.prod.accounts: ",
	} {
		_, _, err := Parse("packseal.yaml", []byte(strings.NewReplacer("ACCOUNTS", accounts, "PACK", "{id: cp-1}").Replace(config)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", accounts, err)
		}
	}
	for pack, want := range map[string]string{
		"{id: cp-1, source: prod.1001}":  "",
		"{id: cp-1, source: plain.1001}": `packs[0].source: "plain.1001" would be a member account of plain, which has no accounts`,
		"{id: cp-1, source: other.1001}": `there is no source "other.1001"`,
	} {
		_, _, err := Parse("packseal.yaml", []byte(strings.NewReplacer("ACCOUNTS", "accounts: {role: x}", "PACK", pack).Replace(config)))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", pack, err)
		}
	}
	long := strings.Repeat("x", 101)
	_, _, err := Parse("packseal.yaml", []byte(strings.NewReplacer("ACCOUNTS", "accounts: {role: x}", "PACK", "{id: cp-1}", "prod", long).Replace(config)))
	if err == nil || !strings.Contains(err.Error(), "101 bytes long, the limit is 100 for a source with accounts") {
		t.Errorf("a long name: %v", err)
	}
}

// TestSharedCredentials: sources without credentials have those of defaults, and a
// role is assumed with them.
func TestSharedCredentials(t *testing.T) {
	t.Parallel()
	c := parse(t, `
sources:
  none: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}
  role: {cloudconfig: {endpoint: "http://127.0.0.1:1", credentials: {role_arn: "acs:ram::1:role/x", external_id: e}}}
  own: {cloudconfig: {endpoint: "http://127.0.0.1:1", credentials: {profile: p}}}
  both: {cloudconfig: {endpoint: "http://127.0.0.1:1", credentials: {profile: p, role_arn: "acs:ram::1:role/x"}}}
  chain: {cloudconfig: {endpoint: "http://127.0.0.1:1", credentials: {}}}
defaults: {credentials: {ecs_role: r, role_arn: "acs:ram::2:role/y", sts_endpoint: "sts.cn-shanghai.aliyuncs.com"}}
packs: [{id: cp-1, source: none}]
sinks: [{name: archive, local: {dir: archive}}]
`)
	for name, want := range map[string]cloudconfig.Credentials{
		"none":  {ECSRole: "r", RoleARN: "acs:ram::2:role/y", STSEndpoint: "sts.cn-shanghai.aliyuncs.com"},
		"role":  {ECSRole: "r", RoleARN: "acs:ram::1:role/x", ExternalID: "e", STSEndpoint: "sts.cn-shanghai.aliyuncs.com"}, // in place of the default role
		"own":   {Profile: "p"},
		"chain": {},
		"both":  {Profile: "p", RoleARN: "acs:ram::1:role/x"},
	} {
		if diff := cmp.Diff(&want, c.Sources[name].CloudConfig.Credentials); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, _, err := Parse("packseal.yaml", []byte(`
sources: {prod: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}}
defaults: {credentials: {ecs_role: r, profile: p}}
packs: [{id: cp-1}]
sinks: [{name: archive, local: {dir: archive}}]
`))
	if err == nil || !strings.Contains(err.Error(), "defaults.credentials: profile and ecs_role exclude each other") || fault.Hint(err) != "" {
		t.Errorf("two ways at once: %v", err)
	}
}
