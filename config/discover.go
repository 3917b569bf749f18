package config

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/fetcher"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// Discover is how the packs that a source has are found, and which of them are kept
// without an entry under packs.
type Discover struct {
	Aggregators []string `yaml:"aggregators,omitempty"` // the account groups "ca-…" whose packs are listed beside the account's own, or [all]; those that compliance packs name are listed in any case; default none
	Refresh     string   `yaml:"refresh,omitempty"`     // when packs are listed, written like a pack's schedule, in the time zone of defaults; default "@hourly"
	Rules       []Rule   `yaml:"rules,omitempty"`       // the first that fits a pack decides; a pack that none fits is not kept; default none
}

// Rule says what is done with packs that are found. An entry under packs comes first.
type Rule struct {
	Match    PackMatch         `yaml:"match,omitempty"`    // the packs that it is for; default all
	Keep     *bool             `yaml:"keep,omitempty"`     // false: their reports are not kept, and that is no reason for an alert; default true
	Labels   map[string]string `yaml:"labels,omitempty"`   // as those of a pack
	Schedule string            `yaml:"schedule,omitempty"` // this and the next five: as under defaults; sinks are those of the source, where it has them
	TimeZone string            `yaml:"time_zone,omitempty"`
	Jitter   *time.Duration    `yaml:"jitter,omitempty"`
	CatchUp  *time.Duration    `yaml:"catch_up,omitempty"`
	Timeout  *time.Duration    `yaml:"timeout,omitempty"`
	Sinks    []string          `yaml:"sinks,omitempty"`
	Evaluate time.Duration     `yaml:"evaluate,omitempty"` // as that of a pack
}

// PackMatch selects packs that are found. A pack must fit each key that is set. In
// patterns * stands for any text, ? for any character, [a-z] for one of them.
type PackMatch struct {
	Tags       map[string]string `yaml:"tags,omitempty"`                                             // tags that the pack has, each with a value that fits the pattern, such as env: prod
	Name       string            `yaml:"name,omitempty"`                                             // a pattern of its display name
	Risk       []string          `yaml:"risk,omitempty" jsonschema:"enum=high,enum=medium,enum=low"` // high, medium or low
	Template   string            `yaml:"template,omitempty"`                                         // a pattern of the ID of the template that it was made from, "ct-…"
	Status     string            `yaml:"status,omitempty"`                                           // a pattern of its status, such as ACTIVE; default any but CREATING
	Aggregator string            `yaml:"aggregator,omitempty"`                                       // a pattern of its account group, or none for the account's own packs
	Account    string            `yaml:"account,omitempty"`                                          // a pattern of the ID of the account that it belongs to
}

// What aggregators and a match's aggregator take beside IDs.
const (
	allAggregators = "all"
	noAggregator   = "none"
)

// builtinRefresh is when packs are listed.
const builtinRefresh = "@hourly"

// risks are the words for a pack's risk, by the number that the API has.
var risks = []string{"", "high", "medium", "low"}

// RiskWord returns the word for a pack's risk, or "".
func RiskWord(level int) string {
	if level < 0 || level >= len(risks) {
		return ""
	}
	return risks[level]
}

// keeps reports whether a rule keeps packs.
func (d Discover) keeps() bool { return slices.ContainsFunc(d.Rules, Rule.keeps) }

func (r Rule) keeps() bool { return isTrue(r.Keep) }

// pack returns an entry with the rule's settings.
func (r Rule) pack() Pack {
	return Pack{Labels: r.Labels, Schedule: r.Schedule, TimeZone: r.TimeZone, Jitter: r.Jitter, CatchUp: r.CatchUp, Timeout: r.Timeout, Sinks: r.Sinks, Evaluate: r.Evaluate}
}

// fits reports whether the rule is for a pack.
func (m PackMatch) fits(p fetcher.PackInfo) bool {
	return fitsTags(m.Tags, p.Tags) &&
		(m.Account == "" || fitsPattern(m.Account, p.Account)) &&
		(m.Name == "" || fitsPattern(m.Name, p.Name)) &&
		(len(m.Risk) == 0 || slices.Contains(m.Risk, RiskWord(p.Risk))) &&
		(m.Template == "" || fitsPattern(m.Template, p.Template)) &&
		(m.Status == "" || fitsPattern(m.Status, p.Status)) &&
		(m.Aggregator == "" || fitsPattern(m.Aggregator, cmp.Or(p.Aggregator, noAggregator)))
}

// fitsTags reports whether all tags are there, with values that fit the patterns.
func fitsTags(patterns, tags map[string]string) bool {
	for key, pattern := range patterns {
		if value, ok := tags[key]; !ok || !fitsPattern(pattern, value) {
			return false
		}
	}
	return true
}

// fitsPattern reports whether text fits a pattern of [path.Match], in which a slash is a
// character like any other.
func fitsPattern(pattern, text string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
	return ok && err == nil
}

// Discovers reports whether packs of a source are kept that the file does not name.
func (c *Config) Discovers(source string) bool {
	return c.Enabled(source) && c.Sources[source].Discover.keeps()
}

// NeedsListing reports whether it matters that a source can be listed: for packs, or
// for the accounts that it has.
func (c *Config) NeedsListing(source string) bool {
	return c.Enabled(source) && (c.Sources[source].Discover.keeps() || c.Sources[source].Accounts != nil)
}

// Refresh returns when the packs of a source are listed.
func (c *Config) Refresh(source string) cron.Schedule {
	schedule, _ := cron.Parse(cmp.Or(c.Sources[source].Discover.Refresh, builtinRefresh), cmp.Or(c.Defaults.TimeZone, builtinZone)) // Load has refused a bad one
	return schedule
}

// Scope returns what of a source is listed: what discover says, the account groups of
// compliance packs, and report templates.
func (c *Config) Scope(source string) (s discovery.Scope) {
	if a := c.Sources[source].Accounts; a != nil {
		s.Directory = a.endpoint()
	}
	for _, a := range c.Sources[source].Discover.Aggregators {
		if a == allAggregators {
			s.All = true
		} else {
			s.Aggregators = append(s.Aggregators, a)
		}
	}
	for _, p := range c.Packs {
		switch ref := p.ref(); {
		case c.sourceOf(p) != source:
		case ref.Kind() == evidence.Template:
			s.Templates = append(s.Templates, ref.ID)
		case ref.Aggregator != "" && ref.IsCompliancePack():
			s.Aggregators = append(s.Aggregators, ref.Aggregator)
		}
	}
	slices.Sort(s.Aggregators)
	slices.Sort(s.Templates)
	s.Aggregators, s.Templates = slices.Compact(s.Aggregators), slices.Compact(s.Templates)
	return s
}

// Verdict is what the configuration makes of a pack that a source has.
type Verdict string

// The verdicts.
const (
	Kept     Verdict = "kept"     // its reports are kept
	NotKept  Verdict = "not_kept" // neither packs nor a rule names it
	Excluded Verdict = "excluded" // a rule says that it is not kept
	Creating Verdict = "creating" // it is being created: it is judged once it is there
	Disabled Verdict = "disabled" // its entry says enabled: false, or its source, which would keep it
	Ended    Verdict = "ended"    // its entry has an until, and nothing falls due any more
)

// Verdicts returns all verdicts.
func Verdicts() []Verdict { return []Verdict{Kept, NotKept, Excluded, Creating, Disabled, Ended} }

// Judgement is what the configuration makes of a pack.
type Judgement struct {
	Verdict
	Rule int // the number of the rule that decided, from 1; 0 = none did, but packs or, of an account that only packs names, that
}

// Judge returns what decides about the packs that a source has.
func (c *Config) Judge(source string) func(fetcher.PackInfo) Judgement {
	named := make(map[evidence.PackRef]Entry)
	for _, p := range c.Packs {
		if c.sourceOf(p) == source {
			e := c.entry(p)
			named[e.PackRef] = e
		}
	}
	enabled, now := c.Enabled(source), time.Now()
	rules, member := c.Sources[source].Discover.Rules, c.Sources[source].member
	return func(p fetcher.PackInfo) Judgement {
		p.Account = cmp.Or(member.ID, p.Account)
		if e, ok := named[p.Ref(source)]; ok {
			return Judgement{Verdict: e.Verdict(now)}
		}
		if member.Named {
			return Judgement{Verdict: Excluded}
		}
		for i, r := range rules {
			switch {
			case !r.Match.fits(p) || p.Status == "CREATING" && r.Match.Status == "":
			case r.keeps() && !enabled:
				return Judgement{Disabled, i + 1}
			case r.keeps():
				return Judgement{Kept, i + 1}
			default:
				return Judgement{Excluded, i + 1}
			}
		}
		if p.Status == "CREATING" {
			return Judgement{Verdict: Creating}
		}
		return Judgement{Verdict: NotKept}
	}
}

// With returns the configuration with the packs that sources were found to have: those
// that are kept by a rule, or would be if their source were enabled, are among its entries, after those of the file, and member
// accounts among its sources. Entries without a name go by that of the source.
func (c *Config) With(found map[string]discovery.State) *Config {
	with := *c
	with.Sources, with.discovered, with.names = c.withMembers(found), nil, make(map[evidence.PackRef]string)
	for _, source := range with.sourceNames() {
		judge, scope := with.Judge(source), with.Scope(source)
		for _, p := range found[source].Packs {
			with.names[p.Ref(source)] = p.Name
			j := judge(p.PackInfo)
			if j.Rule == 0 || j.Verdict == Excluded || !scope.Has(p.Aggregator) {
				continue
			}
			pack := with.Sources[source].Discover.Rules[j.Rule-1].pack()
			pack.ID, pack.Aggregator, pack.Source, pack.Since = p.ID, p.Aggregator, source, p.Found
			with.discovered = append(with.discovered, pack)
		}
	}
	return &with
}

// SameFound reports whether two configurations from one file have the same packs that
// were discovered, and the same names of all; see [Config.With].
func (c *Config) SameFound(other *Config) bool {
	renamed := func(p Pack) bool {
		ref := c.withDefaults(p).ref()
		return p.Name == "" && c.names[ref] != other.names[ref]
	}
	return reflect.DeepEqual(c.discovered, other.discovered) && maps.EqualFunc(c.Sources, other.Sources, Source.sameMember) && !slices.ContainsFunc(slices.Concat(c.Packs, c.discovered), renamed)
}

// discover checks how a source's packs are found.
func (k *checker) discover(path string, d Discover) {
	for i, a := range d.Aggregators {
		if a != allAggregators && !strings.HasPrefix(a, "ca-") || !validName(a) {
			k.fail(fmt.Sprintf("%s.aggregators[%d]", path, i), `the ID of an account group, "ca-…", or all`, "%.64q is not an account group", a)
		}
	}
	if d.Refresh != "" {
		if _, err := cron.Parse(d.Refresh, builtinZone); err != nil {
			k.fail(path+".refresh", fault.Hint(err), "%s", err)
		}
	}
	for i, r := range d.Rules {
		k.rule(fmt.Sprintf("%s.rules[%d]", path, i), r)
	}
	last := slices.IndexFunc(d.Rules, func(r Rule) bool { return r.Match.empty() })
	if last >= 0 && last+1 < len(d.Rules) {
		k.problems = append(k.problems, fault.Problem{
			Path: fmt.Sprintf("%s.rules[%d]", path, last+1), Warning: true,
			Message: fmt.Sprintf("never used: rule %d, before it, is for every pack", last+1), Hint: "the first rule that fits a pack decides: put the rule for all packs last",
		})
	}
}

// empty reports whether every pack is selected.
func (m PackMatch) empty() bool {
	return len(m.Tags)+len(m.Risk) == 0 && m.Name+m.Template+m.Status+m.Aggregator+m.Account == ""
}

// rule checks one rule.
func (k *checker) rule(path string, r Rule) {
	k.packMatch(path+".match", r.Match)
	p := r.pack()
	if others := set(p); !r.keeps() && len(others) > 0 {
		list := strings.Join(others, ", ")
		k.fail(path+".keep", "remove "+list+", or keep", "false: nothing is kept, which has no use for %s", list)
	}
	k.labels(path+".labels", p.Labels)
	k.settings(path, p)
}

// set returns the keys of a pack that have a value.
func set(p Pack) (keys []string) {
	v := reflect.ValueOf(p)
	for key, i := range strictyaml.Fields(v.Type()) {
		if !v.Field(i).IsZero() {
			keys = append(keys, key)
		}
	}
	return keys
}

// packMatch checks the patterns of a match.
func (k *checker) packMatch(at string, m PackMatch) {
	k.matched(at, map[string]string{"name": m.Name, "template": m.Template, "status": m.Status, "aggregator": m.Aggregator, "account": m.Account}, m.Tags)
	for i, risk := range m.Risk {
		k.oneOf(fmt.Sprintf("%s.risk[%d]", at, i), risk, risks[1:]...)
	}
}
