package audit

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
)

// unsettledMost bounds how many slots are looked at, besides one for each entry: a plan
// can make more slots fall due than there is memory or time.
const unsettledMost = 20_000

// stepsMost bounds how many packs and days are looked at for what plan changes took
// out, likewise.
const stepsMost = 1_000_000

// expect says of each slot that was due what became of it.
func (c *computation) expect(h plans.History) {
	after := c.From.Add(-time.Second)
	after = period.Later(after, c.s.Began)
	last := c.bounds.last()
	n := 0
	for slot := range h.Expected(after, c.Until.Add(-time.Second)) {
		if n++; n > len(c.entries)+unsettledMost {
			c.find(Missing, "", saidTooMany, slot.Due)
			break
		}
		if !c.wants(slot.Source, slot.Pack) {
			continue
		}
		c.s.Counts.Expected++
		due := slot.Due.Unix()
		pack := c.slots[packKey(slot.Source, slot.Pack)]
		if ended, ok := pack[due]; ok {
			c.ended(slot, ended)
			delete(pack, due)
			continue
		}
		switch {
		case last.IsZero():
			c.s.Missing = append(c.s.Missing, slotOf(slot))
			c.find(Missing, slot.ID(), saidUnsettled)
		case slot.Due.Add(Grace).After(last):
			c.s.Open = append(c.s.Open, slotOf(slot))
			c.find(Open, slot.ID(), saidOpen, last)
		default:
			c.s.Missing = append(c.s.Missing, slotOf(slot))
			c.find(Missing, slot.ID(), saidMissing)
		}
	}
	c.s.Counts.Missing = len(c.s.Missing)
	c.s.Counts.Late = len(c.s.Late)
	for pack, slots := range c.slots {
		source, key, _ := strings.Cut(pack, "/")
		for due := range slots {
			if c.within(evidence.Slot{Source: source, Pack: key, Due: time.Unix(due, 0)}) {
				c.s.Besides++
			}
		}
	}
}

// ended counts an expected slot that has a record.
func (c *computation) ended(slot evidence.Slot, e settled) {
	switch _, stamped := c.bounds.of(e.at); {
	case e.found:
		c.s.Counts.Found++
	case e.manifest:
		c.s.Counts.Sealed++
		if stamped.After(slot.Due.Add(Grace)) {
			c.s.Late = append(c.s.Late, LateSlot{Due: slot.Due, Pack: slot.Pack, Sealed: time.Unix(e.says, 0).UTC(), Source: slot.Source, Stamped: stamped})
		}
	default:
		c.s.Counts.Gap++
		g := c.gaps[slot]
		c.s.Gaps = append(c.s.Gaps, Gap{Detail: g.Detail, Due: slot.Due, Pack: slot.Pack, Reason: g.Reason, Source: slot.Source})
	}
	if e.pruned {
		c.s.Counts.Pruned++
	}
}

// changes lists how plans changed within the period, and what was not due because of
// it.
func (c *computation) changes(h plans.History) {
	before := make(map[evidence.PackRef]evidence.PlannedPack) // how a pack was planned before it was planned as it is
	out := make(map[evidence.PackRef]*Unscheduled)
	for i, p := range h {
		end := c.Until
		if i+1 < len(h) {
			end = period.Earlier(end, h[i+1].From)
		}
		if i > 0 {
			change := compare(h[i-1], p, c.wants, before)
			if p.From.After(c.From) && p.From.Before(c.Until) && change.some() {
				c.s.PlanChanges = append(c.s.PlanChanges, change)
			}
		}
		c.unscheduled(p, before, period.Later(p.From, period.Later(c.From, c.s.Began)), end, out)
	}
	for _, u := range slices.SortedFunc(maps.Values(out), func(x, y *Unscheduled) int {
		return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Pack, y.Pack))
	}) {
		c.s.Unscheduled = append(c.s.Unscheduled, *u)
		c.s.Counts.Unscheduled += u.Days
	}
}

// compare returns how a plan differs from the one before, and notes in before how
// packs that changed were planned.
func compare(old, now plans.Plan, wants func(source, pack string) bool, before map[evidence.PackRef]evidence.PlannedPack) PlanChange {
	c := PlanChange{Added: []string{}, At: now.From.UTC(), Removed: []string{}, Rescheduled: []string{}}
	had := make(map[evidence.PackRef]evidence.PlannedPack, len(old.Packs))
	for _, p := range old.Packs {
		had[p.Ref()] = p
	}
	for _, p := range now.Packs {
		was, ok := had[p.Ref()]
		delete(had, p.Ref())
		name := packKey(p.Source, p.Pack)
		switch {
		case !wants(p.Source, p.Pack):
		case !ok:
			c.Added = append(c.Added, name)
		case !sameTimes(was, p):
			c.Rescheduled = append(c.Rescheduled, name)
		}
		if ok && !sameTimes(was, p) {
			before[p.Ref()] = was
		}
	}
	for _, p := range old.Packs {
		if _, gone := had[p.Ref()]; gone {
			before[p.Ref()] = p
			if wants(p.Source, p.Pack) {
				c.Removed = append(c.Removed, packKey(p.Source, p.Pack))
			}
		}
	}
	return c
}

// sameTimes reports whether a pack is due at the same times.
func sameTimes(a, b evidence.PlannedPack) bool {
	b.Sinks = a.Sinks
	return a.Equal(b)
}

func (c PlanChange) some() bool { return len(c.Added)+len(c.Removed)+len(c.Rescheduled) > 0 }

// unscheduled counts the days, in its own time zone, on which a pack would have been
// due in [from, until) by how it was planned before, and was not.
func (c *computation) unscheduled(p plans.Plan, before map[evidence.PackRef]evidence.PlannedPack, from, until time.Time, out map[evidence.PackRef]*Unscheduled) {
	now := make(map[evidence.PackRef]evidence.PlannedPack, len(p.Packs))
	for _, pack := range p.Packs {
		now[pack.Ref()] = pack
	}
	for ref, was := range before {
		if c.steps++; c.steps > stepsMost || !c.wants(was.Source, was.Pack) {
			continue
		}
		is, ok := now[ref]
		for day := range days(was, from, until) {
			if c.steps++; c.steps > stepsMost {
				c.find(Unreadable, "", saidChanges, day.due)
				return
			}
			if !ok || !dueBetween(is, period.Later(day.begin, from), period.Earlier(day.end, until)) {
				u := out[ref]
				if u == nil {
					u = &Unscheduled{From: day.due, Pack: was.Pack, Source: was.Source}
					out[ref] = u
				}
				u.Days++
				u.Until = day.due
			}
		}
	}
}

// day is a day in a pack's time zone on which it is due: [begin, end), and when first.
type day struct{ begin, end, due time.Time }

// days yields the days in [from, until) on which a pack is due.
func days(p evidence.PlannedPack, from, until time.Time) iter.Seq[day] {
	return func(yield func(day) bool) {
		zone, err := time.LoadLocation(p.Zone)
		if err != nil {
			return // so that its schedule is unreadable, which is told
		}
		for from.Before(until) {
			due, ok := firstBetween(p, from, until)
			if !ok {
				return
			}
			begin, end, err := period.Read(due.In(zone).Format(time.DateOnly), zone)
			if err != nil {
				return
			}
			if !yield(day{begin, end, due}) {
				return
			}
			from = end
		}
	}
}

// firstBetween returns when a pack is due first in [from, until).
func firstBetween(p evidence.PlannedPack, from, until time.Time) (time.Time, bool) {
	one := plans.Plan{Packs: []evidence.PlannedPack{p}, Whole: true}
	for slot := range one.Expected(from.Add(-time.Second), until.Add(-time.Second)) {
		return slot.Due, true
	}
	return time.Time{}, false
}

func dueBetween(p evidence.PlannedPack, from, until time.Time) bool {
	_, ok := firstBetween(p, from, until)
	return ok
}
