package archive

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// sample is a report with every field set.
func sample() fetcher.Report {
	at := time.Date(2026, 5, 1, 18, 0, 0, 0, time.UTC)
	return fetcher.Report{
		Ticket: fetcher.Ticket{
			Pack: fetcher.Pack{Source: "prod", ID: "cp-1", Aggregator: "ca-1", Name: "等保 <3> & \u2028 \\u2028"},
			Due:  at, Requested: at.Add(time.Second), Baseline: at.Add(-24 * time.Hour), Attached: true, RequestIDs: []string{"A", "B"},
		},
		Account: "1234567890123456", Created: at.Add(5 * time.Second), Fetched: at.Add(7500 * time.Millisecond), Name: "r_202605020200.zip",
		Container: fetcher.Zip, Size: 7371, SHA256: "35db373561acaedd42869df71768a6e1fdc4d67d2e15fe6bfc6577b6b2925a8b",
		CRC64: "14426361271046112345", MD5: "d41d8cd98f00b204e9800998ecf8427e",
	}
}

// TestManifestGolden: the bytes of a manifest never change by accident:
// records are compared, digested and kept for years.
func TestManifestGolden(t *testing.T) {
	t.Parallel()
	m := newManifest(sample(), time.Date(2026, 5, 1, 18, 0, 8, 123456789, time.UTC), "packseal/test")
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

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	m := newManifest(sample(), time.Now(), "packseal/test")
	good, err := evidence.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	other := m.Slot()
	other.Due = other.Due.Add(time.Hour)
	for name, c := range map[string]struct {
		b    string
		slot scheduler.Slot
	}{
		"not JSON":          {"{", m.Slot()},
		"another slot's":    {string(good), other},
		"another schema":    {`{"schema":"x"}`, m.Slot()},
		"not canonical":     {" " + string(good), m.Slot()},
		"an additional key": {`{"a":1,` + string(good[1:]), m.Slot()},
		"another folder":    {strings.Replace(string(good), `"report-`, `"../report-`, 1), m.Slot()},
		"no object's name":  {strings.Replace(string(good), `"report-`, `"report-\\`, 1), m.Slot()},
		"a size under 0":    {strings.Replace(string(good), `"size":`, `"size":-`, 1), m.Slot()},
	} {
		if _, err := evidence.DecodeManifest([]byte(c.b), c.slot); fault.Of(err) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}
