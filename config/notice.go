package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/notify/dingtalk"
	"packseal.example/notify/feishu"
	"packseal.example/notify/ping"
	"packseal.example/notify/webhook"
	"packseal.example/notify/wecom"
	"packseal.example/scheduler"
)

// Notice is one channel that notices are sent to. Exactly one of its backends is
// set; a ping takes no on, group and digest.
type Notice struct {
	Name string `yaml:"name"` // in logs, metrics and notify.json; required
	// The kinds of events that are sent. Default all.
	On       []string      `yaml:"on,omitempty" jsonschema:"enum=gap,enum=blocked,enum=overdue,enum=recovered,enum=findings,enum=reload_failed,enum=digest"`
	Language string        `yaml:"language,omitempty" jsonschema:"enum=en,enum=zh,enum=both"` // en, zh or both; default en
	Group    time.Duration `yaml:"group,omitempty"`                                           // how long an event waits for others, so that they go out in one message; default 1m
	Digest   string        `yaml:"digest,omitempty"`                                          // when digests are due, written like a pack's schedule; default "0 9 * * *"
	TimeZone string        `yaml:"time_zone,omitempty"`                                       // of the digest's schedule and of the times in messages, an IANA name; default UTC

	DingTalk *dingtalk.Options `yaml:"dingtalk,omitempty"` // a custom robot of DingTalk
	Feishu   *feishu.Options   `yaml:"feishu,omitempty"`   // a custom bot of Feishu or Lark
	WeCom    *wecom.Options    `yaml:"wecom,omitempty"`    // a group robot of WeCom
	Webhook  *webhook.Options  `yaml:"webhook,omitempty"`  // any receiver of HTTP requests
	Ping     *ping.Options     `yaml:"ping,omitempty"`     // a dead man's switch: called at intervals while packseal works
}

// builtinDigest is the default schedule of digests.
const builtinDigest = "0 9 * * *"

// Channels opens every notification channel.
func (c *Config) Channels(env notify.Env) ([]notify.Entry, error) {
	entries := make([]notify.Entry, 0, len(c.Notify))
	for _, n := range c.Notify {
		e, err := n.entry(env)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// entry opens the channel.
func (n Notice) entry(env notify.Env) (notify.Entry, error) {
	channel, err := n.Opener().Open(env)
	if err != nil {
		return notify.Entry{}, fmt.Errorf("opening channel %s: %w", n.Name, err)
	}
	e := notify.Entry{Name: n.Name, Channel: channel, Language: n.Language, Group: n.Group, Spec: n}
	for _, k := range n.On {
		e.On = append(e.On, notify.Kind(k))
	}
	if e.Digest, err = scheduler.ParseSchedule(cmp.Or(n.Digest, builtinDigest), n.TimeZone); err != nil {
		return notify.Entry{}, err
	}
	e.Zone, err = time.LoadLocation(n.TimeZone) // "" is UTC
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
			if _, err := scheduler.ParseSchedule(n.Digest, builtinZone); err != nil {
				k.fail(path+".digest", fault.Hint(err), "%s", err)
			}
			if len(n.On) > 0 && !slices.Contains(n.On, string(notify.DigestDue)) {
				k.fail(path+".digest", "add digest to on, or remove this", "has no effect: on leaves digests out")
			}
		}
		if n.Ping != nil && (len(n.On) > 0 || n.Group > 0 || n.Digest != "") {
			k.fail(path+".ping", "remove on, group and digest", "a ping reports no events, only whether packseal works")
		}
		k.backend(path, n)
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
