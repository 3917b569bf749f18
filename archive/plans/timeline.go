package plans

import (
	"packseal.example/internal/evidence"
	"packseal.example/scheduler/cron"
)

// Keeping returns what finds the names of the sinks that were to keep a slot's report
// by the plans; nil = all.
func Keeping(records map[string]evidence.Plan) func(evidence.Slot) []string {
	history := NewHistory(records, nil)
	return func(s evidence.Slot) []string {
		p, _ := history.At(s.Due)
		for _, p := range p.Packs {
			if p.Source == s.Source && p.Pack == s.Pack {
				return p.Sinks
			}
		}
		return nil
	}
}

// Timelines returns how each pack was scheduled by the plans. A pack that a plan
// leaves out is not scheduled from then on, unless a part of that plan is missing.
// A schedule that this program can't read is none.
func Timelines(records map[string]evidence.Plan) map[evidence.PackRef]cron.Timeline {
	return NewHistory(records, nil).timelines()
}

func (h History) timelines() map[evidence.PackRef]cron.Timeline {
	all := make(map[evidence.PackRef]cron.Timeline)
	for _, p := range h {
		named := make(map[evidence.PackRef]bool, len(p.Packs))
		for _, pack := range p.Packs {
			named[pack.Ref()] = true
			s, _ := cron.Parse(pack.Schedule, pack.Zone)
			all[pack.Ref()] = all[pack.Ref()].Plan(p.From, pack.Since, pack.Until, s)
		}
		for ref, t := range all {
			if !named[ref] {
				all[ref] = t.With(p.From, cron.Schedule{})
			}
		}
	}
	return all
}
