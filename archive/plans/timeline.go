package plans

import (
	"maps"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler/cron"
)

// plan is a plan put together from its records: all that have one since.
type plan struct {
	since time.Time
	packs []evidence.PlannedPack // by source and pack
	whole bool                   // no part is missing
}

// assemble puts plans together from their records, the oldest first.
func assemble(records map[string]evidence.Plan) (plans []plan) {
	parts := 0 // of the last plan that are still missing
	for _, key := range slices.Sorted(maps.Keys(records)) {
		r := records[key]
		n := len(plans)
		if n == 0 || !plans[n-1].since.Equal(r.Since) {
			plans, parts = append(plans, plan{since: r.Since}), max(r.Parts, 1)
			n++
		}
		parts--
		plans[n-1].packs = append(plans[n-1].packs, r.Packs...)
		plans[n-1].whole = parts <= 0
	}
	for _, p := range plans {
		slices.SortStableFunc(p.packs, evidence.PlannedPack.Compare)
	}
	return plans
}

// equals reports whether a plan is whole and of just these packs.
func (p plan) equals(packs []evidence.PlannedPack) bool {
	return p.whole && slices.EqualFunc(p.packs, packs, evidence.PlannedPack.Equal)
}

// at returns the plan that is in force then: the last whose since is not later.
func at(plans []plan, t time.Time) plan {
	for _, p := range slices.Backward(plans) {
		if !p.since.After(t) {
			return p
		}
	}
	return plan{}
}

// Keeping returns what finds the names of the sinks that were to keep a slot's report
// by the plans; nil = all.
func Keeping(records map[string]evidence.Plan) func(evidence.Slot) []string {
	plans := assemble(records)
	return func(s evidence.Slot) []string {
		for _, p := range at(plans, s.Due).packs {
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
	return timelines(assemble(records))
}

func timelines(plans []plan) map[evidence.PackRef]cron.Timeline {
	all := make(map[evidence.PackRef]cron.Timeline)
	for _, p := range plans {
		named := make(map[evidence.PackRef]bool, len(p.packs))
		for _, pack := range p.packs {
			named[pack.Ref()] = true
			s, _ := cron.Parse(pack.Schedule, pack.Zone)
			all[pack.Ref()] = all[pack.Ref()].Plan(p.since, pack.Since, pack.Until, s)
		}
		for ref, t := range all {
			if p.whole && !named[ref] {
				all[ref] = t.With(p.since, cron.Schedule{})
			}
		}
	}
	return all
}
