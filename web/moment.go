package web

import (
	"fmt"
	"time"
)

// moment is a time as the page shows it. The zero moment is no time at all.
type moment struct {
	ISO      string // for machines
	Text     string // "2026-11-24 02:00 Asia/Shanghai"
	Relative string // "3 hours ago"
}

// moment writes t in a zone of that name, seen from now. due times show their
// seconds where they have any, others don't.
func (w *words) moment(t, now time.Time, zone *time.Location) moment {
	if t.IsZero() {
		return moment{}
	}
	layout := "2006-01-02 15:04 "
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05 "
	}
	return moment{
		ISO:      t.UTC().Format(time.RFC3339),
		Text:     t.In(zone).Format(layout) + zone.String(),
		Relative: w.relativeTo(t, now),
	}
}

// unit is a unit of relative times.
type unit int

const (
	seconds unit = iota
	minutes
	hours
	days
)

// relativeTo says how far t is from now, in the largest unit of which there
// are two or more: "90 minutes ago" says more than "1 hour ago".
func (w *words) relativeTo(t, now time.Time) string {
	d := t.Sub(now)
	past := d < 0
	d = d.Abs()
	switch {
	case d < time.Second:
		return w.now
	case d < 2*time.Minute:
		return w.relative(int(d/time.Second), seconds, past)
	case d < 2*time.Hour:
		return w.relative(int(d/time.Minute), minutes, past)
	case d < 48*time.Hour:
		return w.relative(int(d/time.Hour), hours, past)
	}
	return w.relative(int(d/(24*time.Hour)), days, past)
}

// zones finds time zones by name, each once: a page of a thousand packs would
// read a thousand zone files otherwise. An unknown zone is UTC, and says so.
type zones map[string]*time.Location

func (z zones) find(name string) *time.Location {
	if loc, ok := z[name]; ok {
		return loc
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC
	}
	z[name] = loc
	return loc
}

// size writes a number of bytes for people.
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
