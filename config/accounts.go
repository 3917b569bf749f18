package config

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"packseal.example/config/strictyaml"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
)

// Accounts make a source one of many accounts: each member account of a Resource
// Directory is a source of its own, <source>.<account ID>, with the settings of this
// one, its bounds and the rules of discover included.
type Accounts struct {
	Role       string        `yaml:"role"`                  // the name of the RAM role that is assumed in each account, with the credentials of the source; required
	ExternalID string        `yaml:"external_id,omitempty"` // what the role's trust policy demands; default nothing
	Endpoint   string        `yaml:"endpoint,omitempty"`    // endpoint of the Resource Directory's API; default https://resourcedirectory.aliyuncs.com
	Rules      []AccountRule `yaml:"rules,omitempty"`       // the first that fits an account decides; an account that none fits is left out; default: all accounts
}

// AccountRule says what is done with accounts that are found.
type AccountRule struct {
	Match AccountMatch `yaml:"match,omitempty"` // the accounts that it is for; default all
	Keep  *bool        `yaml:"keep,omitempty"`  // false: the account is left out; default true
}

// AccountMatch selects accounts that are found. An account must fit each key that is
// set. Patterns are written as those of a pack's match.
type AccountMatch struct {
	ID     string            `yaml:"id,omitempty"`     // a pattern of its ID
	Name   string            `yaml:"name,omitempty"`   // a pattern of its display name
	Folder string            `yaml:"folder,omitempty"` // a pattern of the ID of a folder that it is in, "fd-…", at any depth
	Tags   map[string]string `yaml:"tags,omitempty"`   // tags that the account has, each with a value that fits the pattern, such as env: prod
}

func (r AccountRule) keeps() bool { return isTrue(r.Keep) }

// endpoint returns where the directory is listed.
func (a *Accounts) endpoint() string { return cmp.Or(a.Endpoint, cloudconfig.DirectoryEndpoint) }

// keeps reports whether packs of the account are to be kept.
func (a *Accounts) keeps(info fetcher.AccountInfo) bool {
	for _, r := range a.Rules {
		if r.Match.fits(info) {
			return r.keeps()
		}
	}
	return len(a.Rules) == 0
}

// fits reports whether the rule is for an account.
func (m AccountMatch) fits(a fetcher.AccountInfo) bool {
	above := append(strings.Split(a.Path, "/"), a.Folder)
	return fitsTags(m.Tags, a.Tags) &&
		(m.ID == "" || fitsPattern(m.ID, a.ID)) && (m.Name == "" || fitsPattern(m.Name, a.Name)) &&
		(m.Folder == "" || slices.ContainsFunc(above, func(id string) bool { return id != "" && id != a.ID && fitsPattern(m.Folder, id) }))
}

// Member is the account of a source that stands for a member account.
type Member struct {
	Parent string // the source that lists the accounts
	ID     string
	Name   string // the display name; may be empty
	Named  bool   // only packs names the account: no other pack of it is kept
}

// Member returns the account that a source stands for, if it does.
func (c *Config) Member(source string) (Member, bool) {
	m := c.Sources[source].member
	return m, m.ID != ""
}

// sameMember reports whether two sources of one name stand for the same account.
func (s Source) sameMember(t Source) bool { return s.member == t.member }

// KeepsAccount reports whether an account that a source has found is one of its.
func (c *Config) KeepsAccount(source string, a fetcher.AccountInfo) bool {
	accounts := c.Sources[source].Accounts
	return accounts != nil && accounts.keeps(a)
}

// of returns the source of a member account.
func (s Source) of(name, id, display string) Source {
	options := *s.CloudConfig
	role := &cloudconfig.Credentials{RoleARN: fmt.Sprintf("acs:ram::%s:role/%s", id, s.Accounts.Role), ExternalID: s.Accounts.ExternalID}
	if own := options.Credentials; own != nil {
		role.STSEndpoint = own.STSEndpoint
	}
	options.Credentials = role
	m := Source{CloudConfig: &options, Discover: s.Discover, Sinks: s.Sinks, Enabled: s.Enabled, member: Member{Parent: name, ID: id, Name: display}, parent: s.Opener()}
	m.Discover.Aggregators = nil // they belong to the account that lists
	return m
}

// withMembers returns the sources with those of member accounts: the ones that were
// found, and those that packs name. Of accounts that only packs name, no other pack is
// wanted.
func (c *Config) withMembers(found map[string]discovery.State) map[string]Source {
	all := maps.Clone(c.Sources)
	maps.DeleteFunc(all, func(_ string, s Source) bool { return s.member.ID != "" }) // c may be one With found packs
	for name, s := range c.Sources {
		if s.Accounts == nil {
			continue
		}
		for _, a := range found[name].Accounts {
			if s.Accounts.keeps(a.AccountInfo) {
				all[evidence.MemberSource(name, a.ID)] = s.of(name, a.ID, a.Name)
			}
		}
	}
	for _, p := range c.Packs {
		name := cmp.Or(p.Source, c.Defaults.Source)
		parent, id, ok := c.splitMember(name)
		if _, there := all[name]; !ok || there {
			continue
		}
		display := ""
		for _, a := range found[parent].Accounts { // that a rule leaves out
			if a.ID == id {
				display = a.Name
			}
		}
		m := c.Sources[parent].of(parent, id, display)
		m.Discover.Rules, m.member.Named = nil, true
		all[name] = m
	}
	return all
}

// source returns a source: of a member account that is not among them, what lists it.
func (c *Config) source(name string) Source {
	s, ok := c.Sources[name]
	if parent, _, member := c.splitMember(name); !ok && member {
		return c.Sources[parent]
	}
	return s
}

// splitMember splits the name of a member account's source, if it is one of the file's.
func (c *Config) splitMember(name string) (parent, id string, ok bool) {
	parent, id, ok = evidence.SplitMember(name)
	return parent, id, ok && c.Sources[parent].Accounts != nil && c.Sources[parent].CloudConfig != nil
}

// roleName matches the name of a role.
var roleName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// maxParent is how long the name of a source with accounts may be, in bytes: those of
// its accounts are longer.
const maxParent = 100

// accounts checks how the member accounts of a source are found and entered.
func (k *checker) accounts(at, name string, s Source) {
	a := s.Accounts
	if a == nil {
		return
	}
	path := at + ".accounts"
	if len(name) > maxParent {
		k.fail(at, "use a shorter name", "%d bytes long, the limit is %d for a source with accounts", len(name), maxParent)
	}
	switch {
	case a.Role == "":
		k.fail(path+".role", "the name of a role that each account has, such as packseal", "missing: it is assumed in each account")
	case !roleName.MatchString(a.Role):
		k.fail(path+".role", "the name alone, as the role has it in each account: letters, digits, dots, dashes and underscores", "%.80q is not the name of a role", a.Role)
	}
	if s.CloudConfig != nil && a.Endpoint != "" {
		if err := cloudconfig.CheckEndpoint(a.Endpoint, s.CloudConfig.AllowHTTP); err != nil {
			k.fail(path+".endpoint", "remove it for the default, "+cloudconfig.DirectoryEndpoint, "%s", err)
		}
	}
	for i, r := range a.Rules {
		k.accountMatch(fmt.Sprintf("%s.rules[%d].match", path, i), r.Match)
	}
	if len(a.Rules) > 0 && !slices.ContainsFunc(a.Rules, AccountRule.keeps) {
		k.fail(path+".rules", "end with a rule for all others: {}", "no account is left: every rule has keep: false")
	}
}

// accountMatch checks the patterns of a match.
func (k *checker) accountMatch(at string, m AccountMatch) {
	k.matched(at, map[string]string{"id": m.ID, "name": m.Name, "folder": m.Folder}, m.Tags)
}

// matched checks the patterns of a match, by their keys, and those of its tags. Only a
// tag may be empty.
func (k *checker) matched(at string, patterns, tags map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(patterns)) {
		path := at + "." + key
		if k.doc.Blank(path) {
			k.fail(path, "leave it out for any", "must not be empty")
		}
		k.pattern(path, patterns[key])
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		k.pattern(strictyaml.Join(at+".tags", key), tags[key])
	}
}

// pattern checks a pattern.
func (k *checker) pattern(at, text string) {
	if _, err := path.Match(text, ""); err != nil {
		k.fail(at, `write \[ for a bracket`, "%.64q is not a pattern", text)
	}
}

// memberOpener opens the source of a member account.
type memberOpener struct {
	fetcher.Opener
	parent fetcher.Opener
}

// Open implements [fetcher.Opener]. The parent is opened as well unless there is one.
func (m memberOpener) Open(env fetcher.Env) (fetcher.Source, error) {
	if env.Parent == nil {
		parent, err := m.parent.Open(fetcher.Env{Logger: env.Logger, UserAgent: env.UserAgent})
		if err != nil {
			return nil, err
		}
		env.Parent = parent
	}
	return m.Opener.Open(env)
}
