package audit_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/internal/evidence"
)

// year makes a ledger of many packs that are due each day of a year, with a stamp
// every twelve hours, and its bundle.
func year(t testing.TB, packs int) (*audittest.Ledger, []byte) {
	t.Helper()
	l := audittest.New(t)
	l.Packs = nil
	for i := range packs {
		l.Packs = append(l.Packs, audittest.Planned(fmt.Sprintf("cp-%020d", i), "0 2 * * *"))
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
	f := l.Bundle(audit.Period{From: begin, Until: begin.AddDate(1, 0, 0), Zone: "UTC"})
	return l, f.Zip(t)
}

// BenchmarkAudit audits 150 packs of a year, with 730 stamped checkpoints.
func BenchmarkAudit(b *testing.B) {
	l, raw := year(b, 150)
	o := options(l)
	b.Logf("%d bytes", len(raw))
	l = nil
	runtime.GC()
	for b.Loop() {
		r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), o)
		if err != nil || len(r.Findings) > 0 || r.Statement.Counts.Sealed != 150*365 {
			b.Fatalf("%v, %+v", err, r)
		}
	}
}
