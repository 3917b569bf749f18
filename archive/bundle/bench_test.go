package bundle_test

import (
	"fmt"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
)

// BenchmarkYear writes the bundle of 150 packs and a year, without reports, from a local
// folder.
func BenchmarkYear(b *testing.B) {
	l := audittest.New(b)
	l.Year(150)
	w := stored(b, l, func(c audittest.Checkpoint, name string) []byte { return audittest.Token(name, c.Tokens[name], c.Raw) })
	s := w.source()
	s.Stamp = func(authority string, token, checkpoint []byte) (at time.Time, err error) {
		var name string
		var unix int64
		_, err = fmt.Sscanf(string(token), "%s %d", &name, &unix)
		return time.Unix(unix, 0).UTC(), err
	}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		var n counter
		m, err := s.Write(b.Context(), &n, bundle.Options{Period: audit.Period{From: begin, Until: begin.AddDate(1, 0, 0), Zone: "UTC"}, Reports: none})
		if err != nil || len(m.Findings) > 0 || m.Statement.Counts.Sealed != 150*365 {
			b.Fatal(err, m.Findings, m.Statement.Counts)
		}
		b.ReportMetric(float64(n)/1e6, "MB")
		b.ReportMetric(float64(m.Records), "records")
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
