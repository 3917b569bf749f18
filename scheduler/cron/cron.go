// Package cron computes when slots fall due: of a [Schedule], and of a [Timeline] of
// schedules that replaced one another. Due times follow from the schedule, its zone and
// the zone database alone. The package can't reach a network or a disk, but for the
// machine's zone database; where there is none, the program's own serves.
package cron

import (
	"iter"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when slots fall due: an immutable value, made by
// [Parse]. Due times are UTC and whole seconds, and follow from the
// schedule alone. The zero Schedule never falls due: its Next is the zero time.
//
// # When clocks change
//
// A schedule that fixes its hours (its hour field leaves out at least one)
// names local times, and each of them is due once a day, whatever the clocks do:
//
//   - Times that a jump forward skips are due at the moment after the jump,
//     together: one slot, however many of them were skipped, or if that moment
//     is a due time anyway.
//   - Times that a jump back repeats are due the first time, not the second.
//
// A schedule of every hour is due at each instant whose local time matches, so it
// follows elapsed time: where clocks change by a whole hour, as nearly everywhere,
// nothing is skipped, doubled or left out. Where they change by half an hour
// (Australia/Lord_Howe), the minute hand itself jumps, and the one distance across
// the change is half an hour shorter or longer.
//
// @every counts seconds, and ignores zone and clock changes.
type Schedule struct {
	text  string
	loc   *time.Location
	every time.Duration      // of @every, otherwise 0
	cron  *cron.SpecSchedule // of fields and descriptors, otherwise nil; never changed
}

// String returns the schedule as it was written.
func (s Schedule) String() string { return s.text }

// Zone returns the name of the schedule's time zone.
func (s Schedule) Zone() string {
	if s.loc == nil {
		return "UTC"
	}
	return s.loc.String()
}

// Equal reports whether two schedules were written alike and have the same zone.
func (s Schedule) Equal(o Schedule) bool { return s.text == o.text && s.Zone() == o.Zone() }

// Next returns the first due time strictly after t.
func (s Schedule) Next(t time.Time) time.Time {
	t = time.Unix(t.Unix(), 0).UTC() // due times are whole seconds, so the fraction says nothing
	switch {
	case s.every > 0:
		return s.everyAfter(t)
	case s.cron == nil:
		return time.Time{}
	case s.everyHour():
		return s.nextElapsed(t)
	}
	return s.nextNamed(t)
}

// everyAfter returns the next multiple of s.every since the Unix epoch.
func (s Schedule) everyAfter(t time.Time) time.Time {
	step := int64(s.every / time.Second)
	n := t.Unix() / step
	if t.Unix() < n*step { // division rounds towards zero, also before 1970
		n--
	}
	return time.Unix((n+1)*step, 0).UTC()
}

// Between yields the due times in (after, until], in their order.
func (s Schedule) Between(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t := s.Next(after); !t.IsZero() && !t.After(until); t = s.Next(t) {
			if !yield(t) {
				return
			}
		}
	}
}

// Latest returns the latest due time in (after, until], if there is one. It
// takes a few dozen steps for any schedule and any span: it looks back in
// doubling strides until it sees a due time, then halves its way to the last.
func (s Schedule) Latest(after, until time.Time) (time.Time, bool) {
	if !s.due(s.Next(after), until) {
		return time.Time{}, false
	}
	var found time.Time
	for stride := time.Second; ; stride *= 2 {
		from := until.Add(-stride)
		if stride <= 0 || from.Before(after) { // 292 years are the longest stride
			from = after
		}
		if found = s.Next(from); s.due(found, until) {
			break
		}
	}
	// found is due; nothing after none is, up to until.
	for none := until; ; {
		next := s.Next(found)
		if !s.due(next, none) {
			return found, true
		}
		if mid := s.Next(next.Add(none.Sub(next) / 2)); s.due(mid, none) {
			found = mid
		} else {
			found, none = next, next.Add(none.Sub(next)/2)
		}
	}
}

// due reports whether t is a due time not after until.
func (s Schedule) due(t, until time.Time) bool { return !t.IsZero() && !t.After(until) }

// How far Interval looks: over a week and a day, so that it sees the distance
// over a weekend, but at least two distances and at most a few hundred.
const (
	intervalSpan   = 8 * 24 * time.Hour
	intervalFewest = 2
	intervalMost   = 300
)

// LookBack is longer than any distance between due times of fields: 29
// February can be eight years away.
const LookBack = 9 * 366 * 24 * time.Hour

// Interval returns how long it takes at most, around at, from one slot to the
// next: the longest distance between successive due times, from the last one
// not after at over the eight days that follow, but of at least two distances
// and at most 300. "0 2 * * MON-FRI" is 72h on any day; "* * * * MON-FRI" is a
// minute in mid-week and two days over the weekend.
func (s Schedule) Interval(at time.Time) time.Duration {
	if s.every > 0 {
		return s.every
	}
	last, ok := s.Latest(at.Add(-LookBack), at)
	if !ok {
		return 0 // only the zero Schedule
	}
	var longest time.Duration
	for n := 0; n < intervalFewest || n < intervalMost && last.Before(at.Add(intervalSpan)); n++ {
		next := s.Next(last)
		longest = max(longest, next.Sub(last))
		last = next
	}
	return longest
}
