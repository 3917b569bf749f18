package audit_test

import (
	"bytes"
	"runtime"
	"testing"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
)

// BenchmarkAudit audits 150 packs of a year, with 730 stamped checkpoints.
func BenchmarkAudit(b *testing.B) {
	l := audittest.New(b)
	raw := l.Year(150).Zip(b)
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
