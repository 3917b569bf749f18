package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/notify/dingtalk"
	"packseal.example/notify/feishu"
	"packseal.example/notify/mail"
	"packseal.example/notify/ntfy"
	"packseal.example/notify/pagerduty"
	"packseal.example/notify/ping"
	"packseal.example/notify/slack"
	"packseal.example/notify/teams"
	"packseal.example/notify/telegram"
	"packseal.example/notify/webhook"
	"packseal.example/notify/wecom"
	"packseal.example/scheduler/cron"
)

// Notice is one channel that notices are sent to. Exactly one of its backends is
// set; a ping takes no on, group and digest.
type Notice struct {
	Enabled *bool  `yaml:"enabled,omitempty"` // false: nothing is sent; default true
	Name    string `yaml:"name"`              // in logs, metrics and notify.json; required
	// The kinds of events that are sent. Default all.
	On       []string      `yaml:"on,omitempty" jsonschema:"enum=gap,enum=blocked,enum=overdue,enum=recovered,enum=findings,enum=reload_failed,enum=container,enum=not_listed,enum=not_kept,enum=found,enum=gone,enum=digest"`
	Language string        `yaml:"language,omitempty" jsonschema:"enum=en,enum=zh,enum=both"` // en, zh or both; default en
	Group    time.Duration `yaml:"group,omitempty"`                                           // how long an event waits for others, so that they go out in one message; default 1m
	Digest   string        `yaml:"digest,omitempty"`                                          // when digests are due, written like a pack's schedule; default "0 9 * * *"
	Match    Match         `yaml:"match,omitempty"`                                           // the packs that are reported; default all
	TimeZone string        `yaml:"time_zone,omitempty"`                                       // of the digest's schedule and of the times in messages, an IANA name; default: a pack's times in its own zone with UTC beside them, all others in UTC

	DingTalk  *dingtalk.Options  `yaml:"dingtalk,omitempty"`  // a custom robot of DingTalk
	Feishu    *feishu.Options    `yaml:"feishu,omitempty"`    // a custom bot of Feishu or Lark
	WeCom     *wecom.Options     `yaml:"wecom,omitempty"`     // a group robot of WeCom
	Slack     *slack.Options     `yaml:"slack,omitempty"`     // Slack, Mattermost and others with Slack's webhooks
	Teams     *teams.Options     `yaml:"teams,omitempty"`     // Microsoft Teams
	PagerDuty *pagerduty.Options `yaml:"pagerduty,omitempty"` // incidents of PagerDuty
	Telegram  *telegram.Options  `yaml:"telegram,omitempty"`  // a bot of Telegram
	Ntfy      *ntfy.Options      `yaml:"ntfy,omitempty"`      // a topic of ntfy
	Mail      *mail.Options      `yaml:"mail,omitempty"`      // e-mail
	Webhook   *webhook.Options   `yaml:"webhook,omitempty"`   // any receiver of HTTP requests
	Ping      *ping.Options      `yaml:"ping,omitempty"`      // a dead man's switch: called at intervals while packseal works
}

// Match selects packs, for a channel that is for some of them. A pack must fit
// each key that is set.
type Match struct {
	Sources []string          `yaml:"sources,omitempty"` // names under sources; default all
	Packs   []string          `yaml:"packs,omitempty"`   // IDs, IDs after that of their account group and a slash, or either after the source's name and a slash; default all
	Labels  map[string]string `yaml:"labels,omitempty"`  // labels that the pack has with that value, such as system: payments; default any
}

// builtinDigest is the default schedule of digests.
const builtinDigest = "0 9 * * *"

// Channels opens every notification channel.
func (c *Config) Channels(env notify.Env) ([]notify.Entry, error) {
	entries := make([]notify.Entry, 0, len(c.Notify))
	for _, n := range c.Notify {
		if !isTrue(n.Enabled) {
			continue
		}
		e, err := n.entry(env)
		e.Match, e.Page = c.match(n.Match), c.Web.ExternalURL
		e.Spec = []any{n, e.Match, e.Page}
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// match returns the packs that are selected. Those that are listed are found here,
// as everywhere: an ID alone is that of every pack that has it. One that is not
// discovered yet goes by what is written.
func (c *Config) match(m Match) notify.Match {
	selected := notify.Match{Sources: m.Sources, Labels: m.Labels}
	if len(m.Packs) == 0 {
		return selected
	}
	entries := c.all()
	for _, name := range m.Packs {
		chosen, err := Choose(entries, []string{name})
		if err != nil {
			selected.Packs = append(selected.Packs, name)
		}
		for _, e := range chosen {
			selected.Packs = append(selected.Packs, e.Pack.Source+"/"+e.Pack.Key())
		}
	}
	return selected
}

// anyDiscovers reports whether a source discovers packs, or would if it were enabled.
func (k *checker) anyDiscovers() bool {
	return slices.ContainsFunc(k.sourceNames(), func(name string) bool { return k.Sources[name].Discover.keeps() })
}

// match checks that a channel's packs exist. Those that will be discovered are not
// known.
func (k *checker) match(path string, m Match) {
	for i, name := range m.Sources {
		k.source(fmt.Sprintf("%s.sources[%d]", path, i), name)
	}
	if k.anyDiscovers() {
		m.Packs = nil
	}
	var entries []Entry
	if len(m.Packs) > 0 {
		entries = k.all()
	}
	for i, name := range m.Packs {
		if _, err := Choose(entries, []string{name}); err != nil {
			k.fail(fmt.Sprintf("%s.packs[%d]", path, i), fault.Hint(err), "%s", err)
		}
	}
	labels := k.labelValues()
	for _, label := range slices.Sorted(maps.Keys(m.Labels)) {
		if value := m.Labels[label]; !slices.Contains(labels[label], value) {
			k.fail(strictyaml.Join(path+".labels", label), "packs have labels under packs[].labels, and by rules of discover", "no pack has the label %.64q with the value %.64q", label, value)
		}
	}
}

// labelValues returns the values that each label has.
func (k *checker) labelValues() map[string][]string {
	values := make(map[string][]string)
	add := func(labels map[string]string) {
		for label, value := range labels {
			values[label] = append(values[label], value)
		}
	}
	for _, p := range k.Packs {
		add(p.Labels)
	}
	for _, s := range k.Sources {
		for _, r := range s.Discover.Rules {
			add(r.Labels)
		}
	}
	return values
}

// entry opens the channel.
func (n Notice) entry(env notify.Env) (notify.Entry, error) {
	channel, err := n.Opener().Open(env)
	if err != nil {
		return notify.Entry{}, fmt.Errorf("opening channel %s: %w", n.Name, err)
	}
	e := notify.Entry{Name: n.Name, Channel: channel, Language: n.Language, Group: n.Group}
	for _, k := range n.On {
		e.On = append(e.On, notify.Kind(k))
	}
	if e.Digest, err = cron.Parse(cmp.Or(n.Digest, builtinDigest), n.TimeZone); err != nil {
		return notify.Entry{}, err
	}
	if n.TimeZone != "" {
		e.Zone, err = time.LoadLocation(n.TimeZone)
	}
	return e, err
}

func (k *checker) notices() {
	first := map[string]int{}
	for i, n := range k.Notify {
		path := fmt.Sprintf("notify[%d]", i)
		k.uniqueName("notify", i, "a channel", n.Name, first)
		for j, kind := range n.On {
			k.oneOf(fmt.Sprintf("%s.on[%d]", path, j), kind, kinds()...)
		}
		if n.Language != "" {
			k.oneOf(path+".language", n.Language, notify.Languages()...)
		}
		if n.TimeZone != "" {
			k.schedule(path, "", n.TimeZone)
		}
		if n.Digest != "" {
			if _, err := cron.Parse(n.Digest, builtinZone); err != nil {
				k.fail(path+".digest", fault.Hint(err), "%s", err)
			}
			if len(n.On) > 0 && !slices.Contains(n.On, string(notify.DigestDue)) {
				k.fail(path+".digest", "add digest to on, or remove this", "has no effect: on leaves digests out")
			}
		}
		k.match(path+".match", n.Match)
		if n.Ping != nil && (len(n.On) > 0 || n.Group > 0 || n.Digest != "" || !reflect.ValueOf(n.Match).IsZero()) {
			k.fail(path+".ping", "remove on, match, group and digest", "a ping reports no events, only whether packseal works")
		}
		k.backend(path, n, isTrue(n.Enabled))
	}
}

// kinds returns the words that on takes.
func kinds() (words []string) {
	for _, k := range notify.Kinds() {
		words = append(words, string(k))
	}
	slices.SortFunc(words, strings.Compare)
	return words
}
