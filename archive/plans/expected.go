package plans

import (
	"iter"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
	"packseal.example/scheduler/cron"
)

// Expected yields the slots that fell due in (after, until], each by the plan that was in
// force then, and how that plan has the pack: in the order of their due times, of one
// time by source and pack. It holds one time's slots in memory, however long the period
// is. A schedule that this program can't read has none; see [Plan.Unreadable].
func (h History) Expected(after, until time.Time) iter.Seq2[evidence.Slot, evidence.PlannedPack] {
	return func(yield func(evidence.Slot, evidence.PlannedPack) bool) {
		for i, p := range h {
			end := until
			if i+1 < len(h) {
				end = period.Earlier(until, h[i+1].From.Add(-1))
			}
			if !p.expected(period.Later(after, p.From.Add(-1)), end, yield) {
				return
			}
		}
	}
}

// Expected yields what would fall due in (after, until] if the plan were in force all
// the time, as [History.Expected] does.
func (p Plan) Expected(after, until time.Time) iter.Seq2[evidence.Slot, evidence.PlannedPack] {
	return func(yield func(evidence.Slot, evidence.PlannedPack) bool) { p.expected(after, until, yield) }
}

func (p Plan) expected(after, until time.Time, yield func(evidence.Slot, evidence.PlannedPack) bool) bool {
	var queue []*group // by when they are due
	add := func(g *group, after time.Time) {
		if g.advance(after, until) {
			i, _ := slices.BinarySearchFunc(queue, g, func(a, b *group) int { return a.next.Compare(b.next) })
			queue = slices.Insert(queue, i, g)
		}
	}
	if after.Before(until) {
		for _, g := range p.groups() {
			add(g, after)
		}
	}
	var due []evidence.PlannedPack
	for len(queue) > 0 {
		now := queue[0].next
		n := slices.IndexFunc(queue, func(g *group) bool { return !g.next.Equal(now) })
		if n < 0 {
			n = len(queue)
		}
		together := slices.Clone(queue[:n])
		queue, due = slices.Delete(queue, 0, n), due[:0]
		for _, g := range together {
			due = append(due, g.due...)
			add(g, now)
		}
		slices.SortFunc(due, evidence.PlannedPack.Compare)
		for _, pack := range due {
			if !yield(evidence.Slot{Source: pack.Source, Pack: pack.Pack, Due: now}, pack) {
				return false
			}
		}
	}
	return true
}

// group is the packs of a plan that have one schedule, in one zone.
type group struct {
	schedule cron.Schedule
	packs    []evidence.PlannedPack

	next time.Time              // when some of them are due
	due  []evidence.PlannedPack // which
}

// groups returns the packs in groups.
func (p Plan) groups() (groups []*group) {
	by := make(map[[2]string]*group)
	for _, pack := range p.Packs {
		key := [2]string{pack.Schedule, pack.Zone}
		g := by[key]
		if g == nil {
			g = new(group)
			by[key] = g
			var err error
			if g.schedule, err = cron.Parse(pack.Schedule, pack.Zone); err == nil {
				groups = append(groups, g)
			}
		}
		g.packs = append(g.packs, pack)
	}
	return groups
}

// advance goes to the next time after t, up to until, at which the schedule is due and
// packs are within their bounds; ok = false if there is none.
func (g *group) advance(t, until time.Time) (ok bool) {
	for {
		if t = g.schedule.Next(t); t.IsZero() || t.After(until) {
			return false
		}
		g.next, g.due = t, g.due[:0]
		var begins time.Time // the first since that is to come
		for _, p := range g.packs {
			switch {
			case !p.Until.IsZero() && t.After(p.Until):
			case !t.Before(p.Since):
				g.due = append(g.due, p)
			case begins.IsZero() || p.Since.Before(begins):
				begins = p.Since
			}
		}
		if len(g.due) > 0 {
			return true
		}
		if begins.IsZero() {
			return false
		}
		t = begins.Add(-1)
	}
}
