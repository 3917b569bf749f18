// Package period reads periods of time as people write them, and compares times.
package period

import (
	"fmt"
	"time"

	"packseal.example/internal/fault"
)

// Bounds are the first and the last moment of a period, both included: dates
// (2026-03-31), which stand for whole days, or RFC 3339 times, which stand for
// whole seconds. An empty one is open.
type Bounds struct{ From, To string }

// Open reports whether the period has no bounds.
func (b Bounds) Open() bool { return b == Bounds{} }

// In returns the period [from, to) where dates are those of a time zone; the
// zero time is open. An error is fault.Request, and begins with the bound.
func (b Bounds) In(zone *time.Location) (from, to time.Time, err error) {
	if from, _, err = Read(b.From, zone); err != nil {
		return from, to, fmt.Errorf("from: %w", err)
	}
	if _, to, err = Read(b.To, zone); err != nil {
		return from, to, fmt.Errorf("to: %w", err)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		err = fault.New(fault.Request, "to: the period from %s to %s ends before it begins", b.From, b.To)
	}
	return from, to, err
}

// Read returns the period [begin, end) that one date or time stands for; zero
// times for no text. An error is fault.Request.
func Read(text string, zone *time.Location) (begin, end time.Time, err error) {
	if text == "" {
		return begin, end, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		t = t.Truncate(time.Second)
		return t, t.Add(time.Second), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return begin, end, fault.New(fault.Request, "%.40q is neither a date nor a time", text).
			WithHint("a date such as 2026-03-31, or a time such as 2026-03-31T18:00:00+08:00")
	}
	return midnight(day, zone), midnight(day.AddDate(0, 0, 1), zone), nil
}

// midnight returns when a day begins: at the moment after a jump of the clocks
// that skips midnight, and at the first of two midnights.
func midnight(day time.Time, zone *time.Location) time.Time {
	y, m, d := day.Date()
	begins := func(t time.Time) bool { return t.Day() == d && t.Add(-time.Second).Day() != d }
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	for t := noon.Add(-15 * time.Hour); t.Before(noon); t = t.Add(15 * time.Minute) {
		if begins(t) {
			return t
		}
	}
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// Later returns the later of two times.
func Later(x, y time.Time) time.Time {
	if x.Before(y) {
		return y
	}
	return x
}

// Earlier returns the earlier of two times.
func Earlier(x, y time.Time) time.Time {
	if y.Before(x) {
		return y
	}
	return x
}
