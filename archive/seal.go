package archive

import (
	"context"
	"fmt"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// deliveries bounds how many reports are on their way into the sinks at once:
// each holds a file open, and sinks can be slow.
const deliveries = 64

// seal is lockAndSeal for whoever holds the slot's spool entry.
func (a *Archive) seal(ctx context.Context, entry *fetcher.Entry, s evidence.Slot, deadline time.Time, fetched func()) (evidence.Record, error) {
	have, err := a.find(ctx, s)
	// When no sink can be asked, the report is fetched all the same, while it is
	// available, and waits in the spool.
	if err != nil && ctx.Err() != nil {
		return evidence.Record{}, err
	}
	if err := have.lost(); err != nil {
		return evidence.Record{}, err
	}
	var m evidence.Manifest
	var raw []byte
	if _, whole := entry.Report(); len(have.manifest) > 0 || len(have.gap) > 0 && !whole {
		var r evidence.Record
		r, m, raw, err = have.read(ctx, s)
		switch {
		case elsewhere(err) && whole && len(have.lacking(evidence.ManifestName, a.wanting(ctx, s.Ref(), nil))) > 0:
			return r, fmt.Errorf("the report stays in the spool, for the sinks that lack it: %w", err)
		case elsewhere(err):
			return r, entry.Remove()
		case r.State == evidence.Gapped && err == nil:
			a.observe(r, false)
			return r, entry.Remove()
		}
	} else {
		m, raw, err = a.draft(ctx, entry, s, deadline)
	}
	if err != nil {
		return evidence.Record{}, err
	}
	select {
	case a.delivering <- struct{}{}:
		defer func() { <-a.delivering }()
	case <-ctx.Done():
		return evidence.Record{}, sink.Ended(ctx)
	}
	fetched()
	return a.deliver(ctx, entry, m, raw, have)
}

// draft returns the manifest of the report in the spool, which is fetched if need
// be.
func (a *Archive) draft(ctx context.Context, e *fetcher.Entry, s evidence.Slot, deadline time.Time) (evidence.Manifest, []byte, error) {
	ref := s.Ref()
	r, whole := e.Report()
	if raw := []byte(e.Draft()); whole && len(raw) > 0 {
		if m, err := evidence.DecodeManifest(raw, s); err == nil && r.SHA256 == m.SHA256 {
			return m, raw, nil
		}
	}
	if !whole {
		var err error
		if r, err = a.fetch(ctx, e, s, deadline); err != nil {
			return evidence.Manifest{}, nil, err
		}
	}
	m := newManifest(r, a.packs[ref], time.Now(), a.Tool).In(a.keeping(ctx, ref))
	raw, err := evidence.Encode(m)
	if err == nil {
		err = e.SaveDraft(string(raw))
	}
	return m, raw, err
}

// fetch gets the report into the spool before the deadline.
func (a *Archive) fetch(ctx context.Context, e *fetcher.Entry, s evidence.Slot, deadline time.Time) (fetcher.Report, error) {
	within, stop := context.WithDeadlineCause(ctx, deadline, fault.New(fault.Deadline, "no fresh report before the slot's deadline, %s", deadline.UTC().Format(time.RFC3339)))
	defer stop()
	r, err := a.Fetch(within, e, s)
	if err != nil && context.Cause(within) != nil && ctx.Err() == nil {
		err = fault.Wrap(fault.Deadline, fmt.Errorf("%w (last: %w)", context.Cause(within), err))
	}
	return r, err
}

// objectName returns the content-addressed name of a report within its slot.
func objectName(r fetcher.Report) string { return fmt.Sprintf("report-%.12s.%s", r.SHA256, r.Ext()) }

// newManifest drafts the record of a report.
func newManifest(r fetcher.Report, p evidence.Pack, now time.Time, tool string) evidence.Manifest {
	ref := r.Slot.Ref()
	return evidence.Manifest{
		Account: r.Account, Aggregator: ref.Aggregator, Anomalies: r.Anomalies, Attached: r.Attached, Baseline: r.Baseline.UTC(),
		Container: r.Container, ContentEncoding: r.ContentEncoding, CRC64: r.CRC64, Created: r.Created.UTC(), Due: r.Slot.Due.UTC(),
		Evaluated: r.Evaluated, Fetched: r.Fetched.UTC(), Imported: r.Imported, Kind: ref.Kind(), Labels: p.Labels, LateSeconds: int64(max(r.Fetched.Sub(r.Slot.Due), 0) / time.Second), MD5: r.MD5, Name: p.Name,
		Object: objectName(r), Pack: ref.ID, ReportID: r.ReportID, RequestIDs: r.RequestIDs, Requested: r.Requested.UTC(),
		Schema: evidence.ManifestSchema, Sealed: now.UTC().Truncate(time.Millisecond), SHA256: r.SHA256, Size: r.Size,
		Source: ref.Source, SourceName: r.Name, Tool: tool,
	}
}

// reportOf returns what newManifest made the manifest from.
func reportOf(m evidence.Manifest) fetcher.Report {
	return fetcher.Report{
		Ticket: fetcher.Ticket{
			Slot: m.Slot(), Requested: m.Requested, Baseline: m.Baseline, Attached: m.Attached, ReportID: m.ReportID, RequestIDs: m.RequestIDs,
		},
		Account: m.Account, Created: m.Created, Fetched: m.Fetched, Name: m.SourceName, Container: m.Container,
		ContentEncoding: m.ContentEncoding, Anomalies: m.Anomalies, Imported: m.Imported, Evaluated: m.Evaluated,
		Size: m.Size, SHA256: m.SHA256, CRC64: m.CRC64, MD5: m.MD5,
	}
}
