// Package slate says in advance what falls due, and holds what was said against the
// plans. A slate in the ledger, with a time-stamp over it, is what lets a slot that ended
// as nothing be missed by somebody who sees the ledger alone.
//
// Slates are contiguous: each begins where the one before it ends. [Next] makes them,
// [Check] compares one with its plan, [Gaps] finds times that none covers, and [Writer]
// keeps the ledger supplied. But for Writer's ledger, which its caller brings, nothing
// here reaches a disk or a network.
package slate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// schedule is what times are listed by.
type schedule struct{ text, zone string }

func (s schedule) compare(o schedule) int {
	return cmp.Or(cmp.Compare(s.text, o.text), cmp.Compare(s.zone, o.zone))
}

// due returns when packs of each schedule fall due in the window, by the plan, in order.
func due(p plans.Plan, from, until time.Time) iter.Seq2[schedule, time.Time] {
	return func(yield func(schedule, time.Time) bool) {
		last := make(map[schedule]time.Time)
		for slot, pack := range p.Expected(from, until) {
			s := schedule{pack.Schedule, pack.Zone}
			if at, ok := last[s]; ok && at.Equal(slot.Due) {
				continue
			}
			if last[s] = slot.Due; !yield(s, slot.Due) {
				return
			}
		}
	}
}

// Next returns the slate that begins at from, by the plan in force in the second after
// it. It ends at until, or before: with the second before another plan comes into force,
// or where it would be too long ([evidence.MaxSlate]). from and until are in whole
// seconds, and until is later.
//
// It is an error if no plan is in force then (fault.NotFound), or if more falls due in
// one second than a slate holds (fault.Request).
func Next(h plans.History, from, until time.Time, tool string) (evidence.Slate, error) {
	first := from.Add(time.Second)
	p, ok := h.At(first)
	if !ok {
		return evidence.Slate{}, fault.New(fault.NotFound, "no plan is in force at %s", first.Format(time.RFC3339))
	}
	if change, ok := h.Changes(first); ok {
		until = period.Earlier(until, change.Add(-1).Truncate(time.Second))
	}
	s := evidence.Slate{From: from.UTC(), Plan: p.Sum(), Schema: evidence.SlateSchema, Tool: tool, Until: until.UTC()}
	empty, err := evidence.Encode(s)
	if err != nil {
		return evidence.Slate{}, err
	}
	times, size := make(map[schedule][]time.Time), len(empty)
	for by, at := range due(p, from, until) {
		size += len(`"2006-01-02T15:04:05Z",`)
		if times[by] == nil {
			raw, _ := json.Marshal([2]string{by.text, by.zone})
			size += len(raw) + len(`"schedule":"times":[],"zone":},`)
		}
		if size > evidence.MaxSlate {
			s.Until = at.Add(-time.Second)
			break
		}
		times[by] = append(times[by], at)
	}
	if !s.Until.After(s.From) {
		return evidence.Slate{}, fault.New(fault.Request, "more schedules fall due at %s than a slate of %d KiB holds", first.Format(time.RFC3339), evidence.MaxSlate>>10).
			WithHint("give packs that are due at one time the same schedule and time zone")
	}
	s.Due = listed(times, s.Until)
	return s, nil
}

// listed returns the times up to until, by schedule and zone.
func listed(times map[schedule][]time.Time, until time.Time) []evidence.SlateDue {
	out := make([]evidence.SlateDue, 0, len(times))
	for _, by := range slices.SortedFunc(maps.Keys(times), schedule.compare) {
		t := times[by]
		n := len(t)
		for n > 0 && t[n-1].After(until) {
			n--
		}
		if n > 0 {
			out = append(out, evidence.SlateDue{Schedule: by.text, Times: t[:n], Zone: by.zone})
		}
	}
	return out
}

// Difference is a due time of a schedule that a slate leaves out, or lists although its
// plan says nothing of it.
type Difference struct {
	Schedule string
	Zone     string
	Due      time.Time
	Listed   bool
}

// String tells the difference.
func (d Difference) String() string {
	what := "leaves out"
	if d.Listed {
		what = "lists, and its plan does not say,"
	}
	return fmt.Sprintf("the slate %s %s of %q in %s", what, d.Due.UTC().Format(time.RFC3339), d.Schedule, d.Zone)
}

// Check yields where a slate differs from its plan, computed anew: what it leaves out, by
// due time, then what it lists besides. There may be any number of differences; whoever
// has seen enough stops.
func Check(s evidence.Slate, p plans.Plan) iter.Seq[Difference] {
	type moment struct {
		schedule
		unix int64
	}
	return func(yield func(Difference) bool) {
		listed := make(map[moment]bool)
		for _, d := range s.Due {
			for _, at := range d.Times {
				listed[moment{schedule{d.Schedule, d.Zone}, at.Unix()}] = true
			}
		}
		for by, at := range due(p, s.From, s.Until) {
			m := moment{by, at.Unix()}
			if !listed[m] && !yield(Difference{by.text, by.zone, at, false}) {
				return
			}
			delete(listed, m)
		}
		besides := slices.SortedFunc(maps.Keys(listed), func(x, y moment) int {
			return cmp.Or(cmp.Compare(x.unix, y.unix), x.compare(y.schedule))
		})
		for _, m := range besides {
			if !yield(Difference{m.text, m.zone, time.Unix(m.unix, 0).UTC(), true}) {
				return
			}
		}
	}
}
