package cron

import "time"

// A local time is the date and time of day in the schedule's zone, represented as
// the UTC time with the same digits. The parser's schedule computes on local
// times alone, where every day has 24 hours and no hour is skipped or repeated;
// this file maps them to instants across the zone's offset changes.

// hours are the bits of an hour field that matches every hour.
const hours = 1<<24 - 1

// everyHour reports whether the hour field leaves out no hour.
func (s Schedule) everyHour() bool { return s.cron.Hour&hours == hours }

// nextLocal returns the first matching local time strictly after w, or the zero
// time if there is none.
func (s Schedule) nextLocal(w time.Time) time.Time {
	// The parser's schedule gives up after five years, but there are eight
	// from 29 February 2096 to the next.
	for range 2 {
		if next := s.cron.Next(w); !next.IsZero() {
			return next
		}
		w = time.Date(w.Year()+5, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

// nextElapsed returns the first instant after t whose local time matches. It
// goes from one offset change to the next, because between them local time and
// elapsed time advance together.
func (s Schedule) nextElapsed(t time.Time) time.Time {
	for {
		offset, end := s.period(t.Add(time.Second))
		w := s.nextLocal(t.Add(offset))
		if w.IsZero() {
			return w
		}
		if next := w.Add(-offset); end.IsZero() || next.Before(end) {
			return next
		}
		t = end.Add(-time.Second) // so that end itself can match
	}
}

// nextNamed returns the first instant after t that a matching local time maps to.
func (s Schedule) nextNamed(t time.Time) time.Time {
	offset, _ := s.period(t)
	w := t.Add(offset)
	// Local times that are repeated since the clocks were set back were due the
	// first time: go on from the last one before the change.
	if start, _ := t.In(s.loc).ZoneBounds(); !start.IsZero() {
		before, _ := s.period(start.Add(-time.Second))
		if shown := start.UTC().Add(before - time.Second); shown.After(w) {
			w = shown
		}
	}
	for {
		w = s.nextLocal(w)
		if w.IsZero() {
			return w
		}
		// All that a jump forward skipped map to the same instant.
		if next := s.instant(w); next.After(t) {
			return next
		}
	}
}

// instant returns the first instant whose local time is w or later: the first of
// two where w is repeated, and the end of the jump where w is skipped.
func (s Schedule) instant(w time.Time) time.Time {
	t := w.Add(-24 * time.Hour) // no zone is that far from UTC, so the local time is before w here
	for {
		offset, end := s.period(t)
		next := w.Add(-offset)
		if next.Before(t) { // the jump at t went past w
			next = t
		}
		if end.IsZero() || next.Before(end) {
			return next
		}
		t = end
	}
}

// period returns the zone's offset at t and until when it applies at least; the
// zero time means always. The end need not be an offset change.
func (s Schedule) period(t time.Time) (offset time.Duration, end time.Time) {
	t = t.In(s.loc)
	_, seconds := t.Zone()
	_, end = t.ZoneBounds()
	if !end.IsZero() {
		end = end.UTC()
		if !end.After(t) {
			// Beyond a zone's table, ZoneBounds ends each period with the
			// year and gives every year 365 days: wrong on the last of 366.
			end = t.UTC().Add(time.Hour)
		}
	}
	return time.Duration(seconds) * time.Second, end
}
