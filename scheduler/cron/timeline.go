package cron

import (
	"iter"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
)

// Timeline is how a pack was scheduled over time: periods, the oldest first. Before
// the first nothing was due.
type Timeline []Period

// Period is a time in which one schedule was in force: from From until the next
// period. A zero Schedule means that nothing was due in it.
type Period struct {
	From     time.Time // UTC, whole seconds; a slot that is due then is in the period
	Schedule Schedule
}

// With returns the timeline with another schedule from a time on, in place of
// what it says of then and later.
func (t Timeline) With(from time.Time, s Schedule) Timeline {
	n := slices.IndexFunc(t, func(p Period) bool { return !p.From.Before(from) })
	if n < 0 {
		n = len(t)
	}
	if n > 0 && t[n-1].Schedule.Equal(s) || n == 0 && s.Equal(Schedule{}) {
		return t[:n]
	}
	return append(t[:n:n], Period{from, s})
}

// Plan returns the timeline with another schedule from a time on, by which nothing is
// due before since, nor after until; zero = no bound.
func (t Timeline) Plan(from, since, until time.Time, s Schedule) Timeline {
	if since.After(from) {
		t = t.With(from, Schedule{}).With(since, s)
	} else {
		t = t.With(from, s)
	}
	if !until.IsZero() {
		t = t.With(period.Later(from, evidence.NextSecond(until)), Schedule{})
	}
	return t
}

// Between yields the due times in (after, until], in their order.
func (t Timeline) Between(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for i, p := range t {
			end := until
			if i+1 < len(t) {
				end = period.Earlier(until, t[i+1].From.Add(-1))
			}
			for due := range p.Schedule.Between(period.Later(after, p.From.Add(-1)), end) {
				if !yield(due) {
					return
				}
			}
		}
	}
}

// Latest returns the latest due time in (after, until], if there is one.
func (t Timeline) Latest(after, until time.Time) (time.Time, bool) {
	for _, p := range slices.Backward(t) {
		if due, ok := p.Schedule.Latest(period.Later(after, p.From.Add(-1)), until); ok {
			return due, true
		}
		until = period.Earlier(until, p.From.Add(-1))
	}
	return time.Time{}, false
}

// Next returns the first due time after t; zero when there is none.
func (t Timeline) Next(after time.Time) time.Time {
	for i, p := range t {
		next := p.Schedule.Next(period.Later(after, p.From.Add(-1)))
		if !next.IsZero() && (i+1 == len(t) || next.Before(t[i+1].From)) {
			return next
		}
	}
	return time.Time{}
}
