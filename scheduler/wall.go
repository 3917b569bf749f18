package scheduler

import "time"

// A wall time is what a clock on a wall shows, held as the UTC time with the
// same digits. The parser's schedule computes on these alone, where no day is
// short and no hour comes twice; what follows turns them into moments.

// hours are the bits of an hour field that matches every hour.
const hours = 1<<24 - 1

// everyHour reports whether the hour field leaves out no hour.
func (s Schedule) everyHour() bool { return s.cron.Hour&hours == hours }

// nextWall returns the first matching wall time strictly after w, or the zero
// time if there is none.
func (s Schedule) nextWall(w time.Time) time.Time {
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

// nextElapsed returns the first moment after t at which the wall clock shows
// a matching time. It goes from one change of the clocks to the next, because
// between them wall time and elapsed time are the same.
func (s Schedule) nextElapsed(t time.Time) time.Time {
	for {
		offset, end := s.period(t.Add(time.Second))
		w := s.nextWall(t.Add(offset))
		if w.IsZero() {
			return w
		}
		if next := w.Add(-offset); end.IsZero() || next.Before(end) {
			return next
		}
		t = end.Add(-time.Second) // so that end itself can match
	}
}

// nextNamed returns the first moment after t that a matching wall time names.
func (s Schedule) nextNamed(t time.Time) time.Time {
	offset, _ := s.period(t)
	w := t.Add(offset)
	// What the clock shows for the second time since a jump back is over and
	// done: go on from what it showed last before the jump.
	if start, _ := t.In(s.loc).ZoneBounds(); !start.IsZero() {
		before, _ := s.period(start.Add(-time.Second))
		if shown := start.UTC().Add(before - time.Second); shown.After(w) {
			w = shown
		}
	}
	for {
		w = s.nextWall(w)
		if w.IsZero() {
			return w
		}
		// Several that a jump skipped become the same moment.
		if next := s.moment(w); next.After(t) {
			return next
		}
	}
}

// moment returns the first moment at which the wall clock shows w or later:
// the first of two that show w, and the one after the jump when none does.
func (s Schedule) moment(w time.Time) time.Time {
	t := w.Add(-24 * time.Hour) // no zone is that far from UTC, so the clock shows less than w here
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

// period returns the zone's offset at t and until when it holds at least: the
// zero time for ever. The end need not be a change of the clocks.
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
