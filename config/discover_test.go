package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
)

// TestRuleFits: a rule is for the packs that have all that its match says.
func TestRuleFits(t *testing.T) {
	t.Parallel()
	pack := fetcher.PackInfo{ID: "cp-1", Name: "CIS/OSS v2", Risk: 2, Template: "ct-5f26", Status: "ACTIVE", Tags: map[string]string{"env": "prod-1", "acs:rm:rgId": "rg-1"}}
	group := pack
	group.Aggregator = "ca-1"
	for name, c := range map[string]struct {
		match PackMatch
		pack  fetcher.PackInfo
		fits  bool
	}{
		"nothing set":           {PackMatch{}, pack, true},
		"tag":                   {PackMatch{Tags: map[string]string{"env": "prod-1"}}, pack, true},
		"tag by pattern":        {PackMatch{Tags: map[string]string{"env": "prod-*", "acs:rm:rgId": "*"}}, pack, true},
		"tag with other value":  {PackMatch{Tags: map[string]string{"env": "prod"}}, pack, false},
		"tag that is not there": {PackMatch{Tags: map[string]string{"owner": "*"}}, pack, false},
		"one tag of two":        {PackMatch{Tags: map[string]string{"env": "*", "owner": "*"}}, pack, false},
		"name over a slash":     {PackMatch{Name: "CIS*v2"}, pack, true},
		"name in part":          {PackMatch{Name: "CIS"}, pack, false},
		"risk":                  {PackMatch{Risk: []string{"high", "medium"}}, pack, true},
		"other risk":            {PackMatch{Risk: []string{"low"}}, pack, false},
		"unknown risk":          {PackMatch{Risk: []string{"low"}}, fetcher.PackInfo{Risk: 9}, false},
		"template":              {PackMatch{Template: "ct-5*"}, pack, true},
		"status":                {PackMatch{Status: "INACTIVE"}, pack, false},
		"group":                 {PackMatch{Aggregator: "ca-*"}, group, true},
		"no group":              {PackMatch{Aggregator: "none"}, pack, true},
		"of no group":           {PackMatch{Aggregator: "none"}, group, false},
		"any group":             {PackMatch{Aggregator: "ca-*"}, pack, false},
		"all and one not":       {PackMatch{Name: "*", Template: "ct-*", Status: "CREATING"}, pack, false},
	} {
		if got := c.match.fits(c.pack); got != c.fits {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// discovering is a configuration of one pack and rules.
const discovering = `
sources:
  prod:
    cloudconfig: {endpoint: "http://127.0.0.1:1"}
    discover:
      aggregators: [ca-2, all]
      rules:
        - {match: {tags: {env: prod}}, schedule: "@daily", labels: {owner: security}, jitter: 5m, evaluate: 20m}
        - {match: {name: "test*"}, keep: false}
        - {match: {aggregator: none}}
  other: {cloudconfig: {endpoint: "http://127.0.0.1:2"}}
defaults: {time_zone: Asia/Shanghai}
packs: [{id: cp-1, source: prod, schedule: "@weekly"}, {id: cp-9, source: other, aggregator: ca-9}, {kind: rules, source: other, aggregator: ca-8}, {kind: template, id: crt-2, source: other}, {kind: template, id: crt-1, source: other}]
sinks: [{name: archive, local: {dir: archive}}]
notify: [{name: a, match: {packs: [cp-unknown, cp-1], labels: {owner: security}}, ping: {url_file: /dev/null}}]
`

// TestWith: the first rule that fits decides, after packs.
func TestWith(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(discovering, "ping: {url_file: /dev/null}", "mail: {server: \"127.0.0.1:25\", tls: none, from: a@example.com, to: [b@example.com]}", 1))
	prod, found := map[string]string{"env": "prod"}, time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	packs := []discovery.Pack{
		{PackInfo: fetcher.PackInfo{ID: "cp-1", Name: "one", Tags: prod}},
		{PackInfo: fetcher.PackInfo{ID: "cp-2", Name: "two", Tags: prod}},
		{PackInfo: fetcher.PackInfo{ID: "cp-2", Aggregator: "ca-1", Tags: prod}, Found: found},
		{PackInfo: fetcher.PackInfo{ID: "cp-3", Name: "testing"}},
		{PackInfo: fetcher.PackInfo{ID: "cp-4", Name: "four"}, Missed: 5},
		{PackInfo: fetcher.PackInfo{ID: "cp-5", Aggregator: "ca-1"}},
		{PackInfo: fetcher.PackInfo{ID: "cp-6", Status: "CREATING", Tags: prod}},
	}
	with := c.With(map[string]discovery.State{"prod": {Packs: packs}, "other": {Packs: packs}, "none": {Packs: packs}})
	type kept struct {
		Key, Name, Schedule, Zone, Owner string
		Jitter, Evaluate                 time.Duration
		Since                            time.Time
	}
	var got []kept
	for _, e := range with.Entries() {
		got = append(got, kept{e.Pack.Source + "/" + e.Pack.Key(), e.Pack.Name, e.Schedule, e.TimeZone, e.Labels["owner"], e.Jitter, e.Evaluate, e.Since})
	}
	want := []kept{
		{"prod/cp-1", "one", "@weekly", "Asia/Shanghai", "", 0, 0, time.Time{}},
		{"other/ca-9/cp-9", "", "0 2 * * *", "Asia/Shanghai", "", 0, 0, time.Time{}},
		{"other/ca-8/rules", "", "0 2 * * *", "Asia/Shanghai", "", 0, 0, time.Time{}},
		{"other/crt-2", "", "0 2 * * *", "Asia/Shanghai", "", 0, 0, time.Time{}},
		{"other/crt-1", "", "0 2 * * *", "Asia/Shanghai", "", 0, 0, time.Time{}},
		{"prod/cp-2", "two", "@daily", "Asia/Shanghai", "security", 5 * time.Minute, 20 * time.Minute, time.Time{}},
		{"prod/ca-1/cp-2", "", "@daily", "Asia/Shanghai", "security", 5 * time.Minute, 20 * time.Minute, found},
		{"prod/cp-4", "four", "0 2 * * *", "Asia/Shanghai", "", 0, 0, time.Time{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(c.Entries()) != 5 || len(with.With(nil).Entries()) != 5 {
		t.Error("the configuration itself has changed")
	}
	judge := c.Judge("prod")
	var verdicts []Judgement
	for _, p := range packs {
		verdicts = append(verdicts, judge(p.PackInfo))
	}
	if diff := cmp.Diff([]Judgement{{Kept, 0}, {Kept, 1}, {Kept, 1}, {Excluded, 2}, {Kept, 3}, {NotKept, 0}, {Creating, 0}}, verdicts); diff != "" {
		t.Error(diff)
	}
	if c.Judge("other")(packs[1].PackInfo).Verdict != NotKept || c.Discovers("other") || !c.Discovers("prod") {
		t.Error("a source without rules keeps packs")
	}
	if diff := cmp.Diff(discovery.Scope{All: true, Aggregators: []string{"ca-2"}}, c.Scope("prod")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(discovery.Scope{Aggregators: []string{"ca-9"}, Templates: []string{"crt-1", "crt-2"}}, c.Scope("other")); diff != "" {
		t.Error(diff)
	}
	at := time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC)
	if next := c.Refresh("prod").Next(at); !next.Equal(at.Add(30 * time.Minute)) {
		t.Errorf("listed next at %s", next)
	}
	if m := with.match(c.Notify[0].Match); cmp.Diff([]string{"cp-unknown", "prod/cp-1"}, m.Packs) != "" {
		t.Errorf("the channel is for %v", m.Packs)
	}
}

// TestSameFound: what changes the packs that are kept, or what they are called, is no
// longer the same; what is not kept makes no difference.
func TestSameFound(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(discovering, "ping: {url_file: /dev/null}", "mail: {server: \"127.0.0.1:25\", tls: none, from: a@example.com, to: [b@example.com]}", 1))
	with := func(packs ...fetcher.PackInfo) *Config {
		var st discovery.State
		for _, p := range packs {
			st.Packs = append(st.Packs, discovery.Pack{PackInfo: p})
		}
		return c.With(map[string]discovery.State{"prod": st})
	}
	before := with(fetcher.PackInfo{ID: "cp-1", Name: "one"}, fetcher.PackInfo{ID: "cp-2", Name: "two"}, fetcher.PackInfo{ID: "cp-3", Name: "test"})
	for name, other := range map[string]struct {
		*Config
		same bool
	}{
		"again":          {with(fetcher.PackInfo{ID: "cp-1", Name: "one"}, fetcher.PackInfo{ID: "cp-2", Name: "two"}, fetcher.PackInfo{ID: "cp-3", Name: "test"}), true},
		"not kept":       {with(fetcher.PackInfo{ID: "cp-1", Name: "one"}, fetcher.PackInfo{ID: "cp-2", Name: "two"}, fetcher.PackInfo{ID: "cp-3", Name: "testing"}, fetcher.PackInfo{ID: "cp-4", Name: "test"}), true},
		"of the file":    {with(fetcher.PackInfo{ID: "cp-1", Name: "first"}, fetcher.PackInfo{ID: "cp-2", Name: "two"}), false},
		"renamed":        {with(fetcher.PackInfo{ID: "cp-1", Name: "one"}, fetcher.PackInfo{ID: "cp-2", Name: "second"}), false},
		"kept no longer": {with(fetcher.PackInfo{ID: "cp-1", Name: "one"}), false},
	} {
		if before.SameFound(other.Config) != other.same || other.SameFound(before) != other.same {
			t.Errorf("%s: same is not %t", name, other.same)
		}
	}
}

// TestDiscoverAlone: with a source that discovers, no pack need be in the file; a rule
// after one for all packs gets a warning.
func TestDiscoverAlone(t *testing.T) {
	t.Parallel()
	const alone = `sources: {prod: {cloudconfig: {endpoint: "http://127.0.0.1:1"}, discover: {rules: [RULES]}}}
sinks: [{name: archive, local: {dir: archive}}]
`
	for rules, want := range map[string]string{
		"{}":                                  "",
		"{keep: false}":                       "no pack is configured",
		"":                                    "no pack is configured",
		"{keep: false, match: {name: x}}, {}": "",
		"{schedule: '@daily'}, {}, {}":        "never used: rule 1",
	} {
		c, warnings, err := Parse("p.yaml", []byte(strings.Replace(alone, "RULES", rules, 1)))
		switch {
		case err != nil:
			if want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", rules, err)
			}
		case len(warnings) > 0:
			if want == "" || !strings.Contains(warnings[0].Message, want) || len(warnings) > 1 {
				t.Errorf("%s: %v", rules, warnings)
			}
		case want != "" || len(c.Entries()) > 0 || !c.Discovers("prod"):
			t.Errorf("%s: %+v", rules, c.Entries())
		}
	}
	if got := (fetcher.PackInfo{ID: "cp-1", Aggregator: "ca-1"}).Ref("prod"); got != (evidence.PackRef{Source: "prod", ID: "cp-1", Aggregator: "ca-1"}) {
		t.Errorf("%+v", got)
	}
}

// TestWithDisabledSource: of a source that is disabled, the packs that a rule would keep
// are disabled and keep their names, and the others are what they were.
func TestWithDisabledSource(t *testing.T) {
	t.Parallel()
	c := parse(t, `
sources:
  prod:
    enabled: false
    cloudconfig: {endpoint: "http://127.0.0.1:1"}
    discover: {rules: [{match: {name: "test*"}, keep: false}, {match: {name: "*2"}}]}
  other: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}
packs: [{id: cp-1, source: prod}, {id: cp-9, source: other}]
sinks: [{name: primary, local: {dir: archive}}]
`)
	st := discovery.State{}
	for id, name := range map[string]string{"cp-1": "one", "cp-2": "no 2", "cp-3": "no 3", "cp-4": "test 4"} {
		st.Packs = append(st.Packs, discovery.Pack{PackInfo: fetcher.PackInfo{ID: id, Name: name}})
	}
	with := c.With(map[string]discovery.State{"prod": st})
	names := make(map[string]string)
	for _, e := range with.Disabled() {
		names[e.Pack.Key()] = e.Pack.Name
	}
	if diff := cmp.Diff(map[string]string{"cp-1": "one", "cp-2": "no 2"}, names); diff != "" || len(with.Entries()) != 1 {
		t.Errorf("%s%v", diff, with.Entries())
	}
	want := map[string]Judgement{"cp-1": {Disabled, 0}, "cp-2": {Disabled, 2}, "cp-3": {NotKept, 0}, "cp-4": {Excluded, 1}}
	got, judge := make(map[string]Judgement), with.Judge("prod")
	for _, p := range st.Packs {
		got[p.ID] = judge(p.PackInfo)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
