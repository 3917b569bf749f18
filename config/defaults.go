package config

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/units"
	"packseal.example/scheduler"
	"packseal.example/scheduler/cron"
)

// The built-in defaults of packs.
const (
	builtinSchedule = "0 2 * * *"
	builtinZone     = "UTC"
	builtinCatchUp  = 24 * time.Hour
	builtinTimeout  = 2 * time.Hour
)

// Default returns the configuration that a file starts from: no sources, packs
// and sinks, and the built-in values of the settings that are in the file once.
// The defaults of packs are applied by [Config.Entries].
func Default() Config {
	return Config{
		StateDir: "/var/lib/packseal",
		Web:      Web{Listen: "127.0.0.1:9797"},
		Log:      Log{Level: "info", Format: "auto"},
	}
}

// Entry is one pack with the defaults applied.
type Entry struct {
	evidence.Pack
	scheduler.Plan
	Schedule string // as it is written in the file
	TimeZone string
	Evaluate time.Duration // the longest wait for an evaluation before a report; 0 = there is none
	Sinks    []string      // the names of the sinks that keep its reports; nil = every one
	Disabled bool          // it is not scheduled
}

// Entries returns the packs in the order of the file and then those that were
// discovered, with the defaults applied, without those that are disabled. A schedule
// that cannot be parsed never falls due; Load refuses it.
func (c *Config) Entries() []Entry {
	return slices.DeleteFunc(c.all(), func(e Entry) bool { return e.Disabled })
}

// Named is Entries without the packs that were discovered.
func (c *Config) Named() []Entry {
	named := *c
	named.discovered = nil
	return named.Entries()
}

// Disabled returns the packs of the file, and those that a rule would keep, that are not scheduled, because their entry
// or their source says enabled: false.
func (c *Config) Disabled() []Entry {
	return slices.DeleteFunc(c.all(), func(e Entry) bool { return !e.Disabled })
}

// all returns every pack with the defaults applied.
func (c *Config) all() []Entry {
	packs := slices.Concat(c.Packs, c.discovered)
	entries := make([]Entry, 0, len(packs))
	for _, p := range packs {
		entries = append(entries, c.entry(p))
	}
	return entries
}

// Enabled reports whether anything is asked of a source.
func (c *Config) Enabled(source string) bool { return isTrue(c.source(source).Enabled) }

// isTrue reports whether a setting is true, as it is when it is left out.
func isTrue(setting *bool) bool { return setting == nil || *setting }

// Verdict is what the configuration makes of the pack, which it names.
func (e Entry) Verdict(now time.Time) Verdict {
	switch {
	case e.Disabled:
		return Disabled
	case e.Ended(now):
		return Ended
	}
	return Kept
}

// entry returns a pack with the defaults applied.
func (c *Config) entry(p Pack) Entry {
	p = c.withDefaults(p)
	pack := evidence.Pack{PackRef: p.ref(), Name: cmp.Or(p.Name, c.names[p.ref()]), Labels: p.Labels, Zone: p.TimeZone}
	schedule, _ := cron.Parse(p.Schedule, p.TimeZone)
	return Entry{
		Pack: pack,
		Plan: scheduler.Plan{
			Source: pack.Source, Pack: pack.Key(), Schedule: schedule,
			Jitter: *p.Jitter, CatchUp: *p.CatchUp, Timeout: *p.Timeout, Since: p.Since, Until: p.Until,
		},
		Schedule: p.Schedule, TimeZone: p.TimeZone, Evaluate: p.Evaluate, Sinks: p.Sinks,
		Disabled: !isTrue(p.Enabled) || !c.Enabled(p.Source),
	}
}

// BySource returns the entries of each source.
func BySource(all []Entry) map[string][]Entry {
	entries := make(map[string][]Entry)
	for _, e := range all {
		entries[e.Pack.Source] = append(entries[e.Pack.Source], e)
	}
	return entries
}

// Entry returns a pack's entry, if the configuration has one.
func (c *Config) Entry(p evidence.PackRef) (e Entry, ok bool) {
	for _, e := range c.all() {
		if e.PackRef == p {
			return e, true
		}
	}
	return e, false
}

// Former returns an entry for a pack that is not in the configuration any more:
// without a schedule, in the time zone that it had or, if that is not known, in that of
// the defaults.
func (c *Config) Former(p evidence.PackRef, zone string) Entry {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" {
		zone = cmp.Or(c.Defaults.TimeZone, builtinZone)
	}
	return Entry{
		Pack:     evidence.Pack{PackRef: p, Name: c.names[p], Zone: zone},
		Plan:     scheduler.Plan{Source: p.Source, Pack: p.Key()},
		TimeZone: zone,
		Sinks:    c.withDefaults(Pack{Source: p.Source}).Sinks,
	}
}

// Verification returns when the archive is to be verified; the zero Schedule is
// never.
func (c *Config) Verification() cron.Schedule {
	return c.onSchedule(c.Verify.Schedule, c.Verify.TimeZone)
}

// VerifyShare returns the share of the reports that each verification reads; 0 = all.
func (c *Config) VerifyShare() float64 {
	share, _ := units.ParseShare(c.Verify.Share) // Load has refused a bad one
	return share
}

// Zone returns the pack's time zone.
func (e Entry) Zone() *time.Location {
	zone, err := time.LoadLocation(e.TimeZone)
	if err != nil {
		return time.UTC // Load has refused it
	}
	return zone
}

// withDefaults returns the pack with the fields that it leaves out filled in,
// from the file's defaults and then from the built-in ones.
func (c *Config) withDefaults(p Pack) Pack {
	d := c.Defaults
	p.Source = c.sourceOf(p)
	p.Schedule = cmp.Or(p.Schedule, d.Schedule, builtinSchedule)
	p.TimeZone = cmp.Or(p.TimeZone, d.TimeZone, builtinZone)
	for _, sinks := range [][]string{c.source(p.Source).Sinks, d.Sinks} {
		if p.Sinks == nil {
			p.Sinks = sinks
		}
	}
	// Pointers, because 0 is a value too: no jitter, no catching up.
	p.Jitter = cmp.Or(p.Jitter, d.Jitter, new(time.Duration(0)))
	p.CatchUp = cmp.Or(p.CatchUp, d.CatchUp, new(builtinCatchUp))
	p.Timeout = cmp.Or(p.Timeout, d.Timeout, new(builtinTimeout))
	return p
}

// ref returns what identifies the pack, once the defaults are applied.
func (p Pack) ref() evidence.PackRef {
	id := p.ID
	if p.withoutID() {
		id = p.Kind
	}
	return evidence.PackRef{Source: p.Source, ID: id, Aggregator: p.Aggregator}
}

// withoutID reports whether there is one pack of this kind in an account or account
// group, so that it has no ID but the word for it.
func (p Pack) withoutID() bool { return p.Kind == evidence.Rules || p.Kind == evidence.Inventory }

// sourceOf returns the name of the source that a pack is of.
func (c *Config) sourceOf(p Pack) string {
	if name := cmp.Or(p.Source, c.Defaults.Source); name != "" {
		return name
	}
	return c.onlySource()
}

// onlySource returns the name of the source when there is just one, besides those of
// its accounts.
func (c *Config) onlySource() (only string) {
	for name, s := range c.Sources {
		switch {
		case s.member.ID != "":
		case only != "":
			return ""
		default:
			only = name
		}
	}
	return only
}

// shareCredentials gives sources the default credentials where they have none.
func (c *Config) shareCredentials() {
	for _, s := range c.Sources {
		s.CloudConfig.Credentials = s.CloudConfig.Credentials.Or(c.Defaults.Credentials)
	}
}

// sourceNames returns the sources' names in a stable order.
func (c *Config) sourceNames() []string { return slices.Sorted(maps.Keys(c.Sources)) }
