package config

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
)

// What holds for a pack when neither it nor the defaults say anything.
const (
	builtinSchedule = "0 2 * * *"
	builtinZone     = "UTC"
	builtinCatchUp  = 24 * time.Hour
	builtinTimeout  = 2 * time.Hour
)

// Default returns the configuration that a file starts from: no sources,
// packs and sinks, and the built-in value of everything that a Config holds
// itself. What holds for packs is settled by [Config.Entries].
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
}

// Entries returns the packs in the order of the file, with the defaults
// applied. A schedule that cannot be parsed, which Load refuses, never falls
// due.
func (c *Config) Entries() []Entry {
	entries := make([]Entry, 0, len(c.Packs))
	for _, p := range c.Packs {
		p = c.settle(p)
		pack := evidence.Pack{PackRef: evidence.PackRef{Source: p.Source, ID: p.ID, Aggregator: p.Aggregator}, Name: p.Name}
		schedule, _ := scheduler.ParseSchedule(p.Schedule, p.TimeZone)
		entries = append(entries, Entry{
			Pack: pack,
			Plan: scheduler.Plan{
				Source: pack.Source, Pack: pack.Key(), Schedule: schedule,
				Jitter: *p.Jitter, CatchUp: *p.CatchUp, Timeout: *p.Timeout, Since: p.Since,
			},
			Schedule: p.Schedule, TimeZone: p.TimeZone,
		})
	}
	return entries
}

// settle returns the pack with every field that it leaves out filled in: from
// the defaults of the file, and then from the built-in ones.
func (c *Config) settle(p Pack) Pack {
	d := c.Defaults
	p.Source = cmp.Or(p.Source, d.Source, c.onlySource())
	p.Schedule = cmp.Or(p.Schedule, d.Schedule, builtinSchedule)
	p.TimeZone = cmp.Or(p.TimeZone, d.TimeZone, builtinZone)
	// Pointers, because 0 is a value of its own: no jitter, no catching up.
	p.Jitter = cmp.Or(p.Jitter, d.Jitter, new(time.Duration(0)))
	p.CatchUp = cmp.Or(p.CatchUp, d.CatchUp, new(builtinCatchUp))
	p.Timeout = cmp.Or(p.Timeout, d.Timeout, new(builtinTimeout))
	return p
}

// onlySource returns the name of the source when there is just one.
func (c *Config) onlySource() string {
	if len(c.Sources) != 1 {
		return ""
	}
	return c.sourceNames()[0]
}

// sourceNames returns the sources' names in a stable order.
func (c *Config) sourceNames() []string { return slices.Sorted(maps.Keys(c.Sources)) }
