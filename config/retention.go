package config

import (
	"cmp"
	"fmt"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
	"packseal.example/sink"
)

// Retention is when reports are removed that are old. Their manifests, gap records and
// the ledger stay.
type Retention struct {
	Keep     string `yaml:"keep,omitempty"`      // how long reports are kept at least, from when they fell due: days or years of the calendar, such as 90d or 3y; default: for ever
	Schedule string `yaml:"schedule,omitempty"`  // when the daemon removes them by itself, written like a pack's schedule; default never: packseal prune --yes does
	TimeZone string `yaml:"time_zone,omitempty"` // of the schedule, an IANA name; default: that under defaults
}

// Kept returns how long reports are kept.
func (r Retention) Kept() evidence.Keep {
	keep, _ := evidence.ParseKeep(r.Keep) // Load has refused a bad one
	return keep
}

// retention checks when reports are removed.
func (k *checker) retention() {
	r := k.Retention
	k.schedule("retention", r.Schedule, r.TimeZone)
	if r.TimeZone != "" && r.Schedule == "" {
		k.fail("retention.schedule", `for example "0 5 * * *"`, "missing: a time zone alone removes nothing")
	}
	if r.Keep == "" {
		if r.Schedule != "" {
			k.fail("retention.keep", "such as 3y", "missing: the schedule does not say what is old")
		}
		return
	}
	keep, err := evidence.ParseKeep(r.Keep)
	if err != nil {
		k.fail("retention.keep", fault.Hint(err), "%s", err)
		return
	}
	if k.Ledger == nil {
		k.fail("retention.keep", "configure ledger (docs/ledger.md), or remove retention", "there is no ledger: nobody could tell a report that was removed on purpose from one that was lost")
	}
	for i, s := range k.Sinks {
		locker, ok := s.Opener().(interface{ LockTerms() sink.LockTerms })
		if !ok {
			continue
		}
		if days := locker.LockTerms().Days; days > keep.Days() {
			k.fail("retention.keep", fmt.Sprintf("keep them for at least %dd, or have sinks[%d] lock new ones for at most %d days", days, i, keep.Days()),
				"reports are kept for %s, and the sink %.64q locks them for %d days: until then nobody can remove them", r.Keep, s.Name, days)
		}
	}
}

// Pruning returns when the daemon removes old reports; the zero Schedule is never.
func (c *Config) Pruning() cron.Schedule {
	return c.onSchedule(c.Retention.Schedule, c.Retention.TimeZone)
}

// onSchedule returns a schedule of the daemon's own; the zero one if there is none.
func (c *Config) onSchedule(schedule, zone string) cron.Schedule {
	if schedule == "" {
		return cron.Schedule{}
	}
	s, _ := cron.Parse(schedule, cmp.Or(zone, c.Defaults.TimeZone, builtinZone)) // Load has refused a bad one
	return s
}
