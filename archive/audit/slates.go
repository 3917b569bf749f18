package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"packseal.example/archive/ledger/slate"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
)

// slated is a slate with its entry.
type slated struct {
	evidence.Slate
	index int64
	key   string
}

// history puts the plans together. One of before the part comes into it if the first
// slate names it and it was in force when the part began.
func (c *computation) history() plans.History {
	slices.SortFunc(c.slates, func(x, y slated) int { return cmp.Compare(x.index, y.index) })
	start, _ := c.bounds.of(c.Begin)
	for _, sum := range slices.SortedFunc(maps.Keys(c.outside), func(x, y [sha256.Size]byte) int { return bytes.Compare(x[:], y[:]) }) {
		p := c.outside[sum]
		key, _, err := p.Encode()
		first := len(c.slates) > 0 && c.slates[0].Plan == hex.EncodeToString(sum[:])
		if err != nil || !first || c.Begin == 0 || !start.IsZero() && p.Since.After(start) {
			c.find(Unlogged, key, saidUnloggedRecord, sum)
			continue
		}
		c.plans[key] = p
	}
	h := plans.NewHistory(c.plans, func(key string) time.Time { return c.inForce[key] })
	for _, p := range h {
		if !p.Whole {
			c.find(Unarchived, "", saidPlanPart, p.Since)
		}
		for _, pack := range p.Unreadable() {
			c.find(Unreadable, packKey(pack.Source, pack.Pack), saidSchedule, p.Since, pack.Schedule, pack.Zone)
		}
	}
	return h
}

// fewDifferences is how many differences between a slate and its plan are told.
const fewDifferences = 5

// checkSlates holds the slates against their plans, and looks for times that none
// covers.
func (c *computation) checkSlates(h plans.History) {
	end := c.Until.Add(-time.Second)
	covered := c.begin()
	slices.SortStableFunc(c.slates, func(x, y slated) int { return x.From.Compare(y.From) })
	for _, s := range c.slates {
		if !s.Until.After(covered) || !s.From.Before(end) {
			continue
		}
		if s.From.After(covered) {
			c.find(Unslated, "", saidHole, covered, s.From)
		}
		covered = s.Until
		c.checkSlate(s, h)
	}
	last := c.bounds.last()
	switch {
	case covered.Before(end):
		c.find(Short, "", saidShort, covered)
	case !last.IsZero() && last.Before(end):
		c.find(Short, "", saidShortStamps, last)
	}
}

// begin returns until when nothing is said: the second before the period, or if the
// ledger began later, when it did.
func (c *computation) begin() time.Time {
	begin := c.From.Add(-time.Second)
	if c.Begin > 0 || len(c.slates) == 0 || !c.slates[0].From.After(begin) {
		return begin
	}
	first := c.slates[0].From
	if _, stamped := c.bounds.of(0); !stamped.IsZero() && first.After(stamped.Add(Grace)) {
		return period.Later(begin, stamped) // the ledger was there, and nothing was said
	}
	c.s.Began, c.s.NotProven = first, append(c.s.NotProven, LimitBefore)
	return first
}

func (c *computation) checkSlate(s slated, h plans.History) {
	if _, stamped := c.bounds.of(s.index); !stamped.IsZero() && stamped.After(firstDue(s.Slate)) {
		c.s.SlatesLate = append(c.s.SlatesLate, LateSlate{From: s.From, Stamped: stamped, Until: s.Until})
	}
	p, ok := h.Find(s.Plan)
	if !ok {
		c.find(Unarchived, s.key, saidSlatePlan, s.Plan)
		return
	}
	n := 0
	for d := range slate.Check(s.Slate, p) {
		words := saidLeftOut
		if d.Listed {
			words = saidNotPlanned
		}
		c.find(Unslated, s.key, words, d.Due, d.Schedule, d.Zone)
		if n++; n == fewDifferences {
			break
		}
	}
}

// firstDue returns when something first falls due by a slate; its end if nothing does.
func firstDue(s evidence.Slate) time.Time {
	first := s.Until
	for _, d := range s.Due {
		if len(d.Times) > 0 {
			first = period.Earlier(first, d.Times[0])
		}
	}
	return first
}
