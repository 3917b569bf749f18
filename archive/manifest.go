package archive

import (
	"fmt"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
)

// objectName returns the content-addressed name of a report within its slot.
func objectName(r fetcher.Report) string { return fmt.Sprintf("report-%.12s.%s", r.SHA256, r.Ext()) }

// newManifest drafts the record of a report that was fetched.
func newManifest(r fetcher.Report, p evidence.Pack, now time.Time, tool string) evidence.Manifest {
	ref := r.Slot.Ref()
	return evidence.Manifest{
		Account: r.Account, Aggregator: ref.Aggregator, Attached: r.Attached, Baseline: r.Baseline.UTC(),
		Container: r.Container, CRC64: r.CRC64, Created: r.Created.UTC(), Due: r.Slot.Due.UTC(), Fetched: r.Fetched.UTC(),
		Kind: ref.Kind(), Labels: p.Labels, LateSeconds: int64(max(r.Fetched.Sub(r.Slot.Due), 0) / time.Second), MD5: r.MD5, Name: p.Name,
		Object: objectName(r), Pack: ref.ID, RequestIDs: r.RequestIDs, Requested: r.Requested.UTC(),
		Schema: evidence.ManifestSchema, Sealed: now.UTC().Truncate(time.Millisecond), SHA256: r.SHA256, Size: r.Size,
		Source: ref.Source, SourceName: r.Name, Tool: tool,
	}
}

// reportOf returns what newManifest made the manifest from.
func reportOf(m evidence.Manifest) fetcher.Report {
	return fetcher.Report{
		Ticket: fetcher.Ticket{
			Slot: m.Slot(), Requested: m.Requested, Baseline: m.Baseline, Attached: m.Attached, RequestIDs: m.RequestIDs,
		},
		Account: m.Account, Created: m.Created, Fetched: m.Fetched, Name: m.SourceName, Container: m.Container,
		Size: m.Size, SHA256: m.SHA256, CRC64: m.CRC64, MD5: m.MD5,
	}
}
