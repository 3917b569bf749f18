package archive

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
)

// sample is a report with every field set.
func sample() fetcher.Report {
	at := time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)
	return fetcher.Report{
		Ticket: fetcher.Ticket{
			Slot: evidence.Slot{Source: "prod", Pack: "ca-1/cp-1", Due: at}, Requested: at.Add(time.Second), Baseline: at.Add(-24 * time.Hour), Attached: true, RequestIDs: []string{"A", "B"},
		},
		Account: "1234567890123456", Created: at.Add(5 * time.Second), Fetched: at.Add(7500 * time.Millisecond), Name: "r_202605020200.zip",
		Container: evidence.Zip, Size: 7371, SHA256: "35db373561acaedd42869df71768a6e1fdc4d67d2e15fe6bfc6577b6b2925a8b",
		CRC64: "14426361271046112345", MD5: "d41d8cd98f00b204e9800998ecf8427e",
		ContentEncoding: "gzip", Anomalies: []string{"encoding"},
	}
}

// called is what the configuration says of sample's pack.
var called = evidence.Pack{Name: "等保 <3> & \u2028 \\u2028", Labels: map[string]string{"owner": "security"}}

// TestManifestGolden: the bytes of a manifest never change by accident:
// records are compared, digested and kept for years.
func TestManifestGolden(t *testing.T) {
	t.Parallel()
	m := newManifest(sample(), called, time.Date(2026, 5, 1, 18, 0, 8, 123456789, time.UTC), "packseal/test")
	got, err := evidence.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/manifest.golden.json"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the manifest changed (-want +got):\n%s", diff)
	}
	back, err := evidence.DecodeManifest(got, m.Slot())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, back); diff != "" {
		t.Errorf("decoded it differs:\n%s", diff)
	}
}
