package audittest

import (
	"fmt"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/internal/evidence"
)

// Year makes the ledger one of so many packs that were due each day of 2025, with a
// stamp every twelve hours, and returns the bundle of that year, without reports.
func (l *Ledger) Year(packs int) Files {
	l.Helper()
	l.Packs = nil
	for i := range packs {
		l.Packs = append(l.Packs, Planned(fmt.Sprintf("cp-%020d", i), "0 2 * * *"))
	}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	l.Plan(begin, l.Packs...)
	l.Slated = begin
	l.Slate(begin.Add(26 * time.Hour))
	l.Stamp(begin.Add(time.Minute))
	for day := range 366 {
		midnight := begin.AddDate(0, 0, day)
		l.Slate(midnight.Add(50 * time.Hour))
		for _, p := range l.Packs {
			s := evidence.Slot{Source: p.Source, Pack: p.Pack, Due: midnight.Add(2 * time.Hour)}
			l.SealAt(s, s.Due.Add(5*time.Minute))
		}
		clear(l.Reports)
		l.Stamp(midnight.Add(3 * time.Hour))
		if day < 364 {
			l.Stamp(midnight.Add(15 * time.Hour))
		}
	}
	return l.Bundle(audit.Period{From: begin, Until: begin.AddDate(1, 0, 0), Zone: "UTC"})
}
