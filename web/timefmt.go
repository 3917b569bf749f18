package web

import (
	"fmt"
	"time"

	"packseal.example/internal/i18n"
)

// timestamp is a time as the page shows it. The zero timestamp is no time.
type timestamp struct {
	ISO      string // for machines
	Text     string // "2026-11-24 02:00 Asia/Shanghai"
	UTC      string // "2026-11-23 18:00 UTC", or empty if Text says it
	Relative string // "3 hours ago"
}

// timestamp formats t in a time zone, relative to now.
func (l *locale) timestamp(t, now time.Time, zone *time.Location) timestamp {
	if t.IsZero() {
		return timestamp{}
	}
	at := timestamp{
		ISO:      t.UTC().Format(time.RFC3339),
		Text:     i18n.Time(t, zone) + " " + zone.String(),
		Relative: l.relativeTo(t, now),
	}
	if zone != time.UTC {
		at.UTC = i18n.Time(t, time.UTC) + " UTC"
	}
	return at
}

// unit is a unit of relative times.
type unit int

const (
	seconds unit = iota
	minutes
	hours
	days
)

// relativeTo returns how far t is from now, in the largest unit of which there
// are at least two: "90 minutes ago" is more exact than "1 hour ago".
func (l *locale) relativeTo(t, now time.Time) string {
	d := t.Sub(now)
	past := d < 0
	d = d.Abs()
	switch {
	case d < time.Second:
		return l.now
	case d < 2*time.Minute:
		return l.relative(int(d/time.Second), seconds, past)
	case d < 2*time.Hour:
		return l.relative(int(d/time.Minute), minutes, past)
	case d < 48*time.Hour:
		return l.relative(int(d/time.Hour), hours, past)
	}
	return l.relative(int(d/(24*time.Hour)), days, past)
}

// zones caches time zones by name: without it, a page of a thousand packs would
// read a thousand zone files. An unknown zone is UTC, and shown as UTC.
type zones map[string]*time.Location

func (z zones) find(name string) *time.Location {
	if zone, ok := z[name]; ok {
		return zone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC
	}
	z[name] = zone
	return zone
}

// common returns the zone that all packs have, or UTC.
func (z zones) common(packs []Pack) *time.Location {
	for _, p := range packs {
		if p.TimeZone != packs[0].TimeZone {
			return time.UTC
		}
	}
	if len(packs) == 0 {
		return time.UTC
	}
	return z.find(packs[0].TimeZone)
}

// size formats a number of bytes.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n)/(1<<10), 0
	for ; value >= 1023.95 && i < len(units)-1; i++ { // what would round to 1024.0
		value /= 1 << 10
	}
	return fmt.Sprintf("%.1f %ciB", value, units[i])
}
