package audit_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/internal/evidence"
)

// year makes a ledger of many packs that are due each day of a year, with a stamp
// every twelve hours, and its bundle. stamp returns a token; nil: the tests' own.
func year(t testing.TB, packs int, stamp func(checkpoint []byte, at time.Time) []byte) (*ledger, []byte) {
	t.Helper()
	l := newLedger(t)
	l.packs = nil
	for i := range packs {
		l.packs = append(l.packs, planned(fmt.Sprintf("cp-%020d", i), "0 2 * * *"))
	}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	l.plan(begin, l.packs...)
	l.slated = begin
	l.slate(begin.Add(26 * time.Hour))
	l.stamp(begin.Add(time.Minute))
	for day := range 366 {
		midnight := begin.AddDate(0, 0, day)
		l.slate(midnight.Add(50 * time.Hour))
		for _, p := range l.packs {
			s := evidence.Slot{Source: p.Source, Pack: p.Pack, Due: midnight.Add(2 * time.Hour)}
			l.sealAt(s, s.Due.Add(5*time.Minute))
		}
		clear(l.reports)
		l.stamp(midnight.Add(3 * time.Hour))
		if day < 364 {
			l.stamp(midnight.Add(15 * time.Hour))
		}
	}
	f := l.bundle(audit.Period{From: begin, Until: begin.AddDate(1, 0, 0), Zone: "UTC"})
	for _, c := range l.checkpoints {
		if name := audit.TokenName(c.n, "tsa"); stamp != nil && f[name] != nil {
			f[name] = stamp(c.raw, c.tokens["tsa"])
		}
	}
	return l, f.zip(t)
}

// BenchmarkAudit audits 150 packs of a year, with 730 stamped checkpoints.
func BenchmarkAudit(b *testing.B) {
	l, raw := year(b, 150, nil)
	o := l.options()
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
