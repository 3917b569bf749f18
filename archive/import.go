package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"packseal.example/archive/plans"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/cron"
)

// Import seals a report that was kept by other means, in every sink, as that of
// the slot. Its manifest says who imported it, and nothing that only packseal's own
// request would tell. A slot that is a gap gets the manifest beside its gap record.
//
// It is idempotent, and never replaces a report: a slot that is sealed with
// another one, or whose report waits in the spool, is fault.Conflict. A slot that
// packseal is working on is fault.Busy; what cannot be a report is fault.Damaged, and a slot of the future fault.Request.
// All sinks must answer, so that no report of the slot is missed. The Record is as
// in [Archive.Seal].
func (a *Archive) Import(ctx context.Context, s evidence.Slot, report io.ReadSeeker, from evidence.Imported, limits fetcher.Settings) (r evidence.Record, err error) {
	ctx, attempt := a.trace(ctx, s)
	defer func() { ended(attempt, r, err) }()
	if s.Due.After(time.Now()) {
		return r, fault.New(fault.Request, "%s has not fallen due yet", s)
	}
	sum, err := digest(report)
	if err != nil {
		return r, err
	}
	within, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	entry, err := a.Spool.Lock(within, s)
	if err != nil {
		return r, err
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock
	sealed, err := a.importable(ctx, entry, s, sum)
	if err != nil {
		return r, err
	}
	if !sealed {
		if _, err := entry.Receive(s, report, from, limits); err != nil {
			return r, err
		}
	}
	r, err = a.seal(ctx, entry, s, time.Now(), func() {})
	if r.State == evidence.Sealed && r.SHA256 != "" && r.SHA256 != sum { // another archiver was first
		return evidence.Record{}, other(r)
	}
	return r, err
}

// importable returns an error unless the report with that SHA-256 may become the
// slot's. sealed reports that it is the slot's already, in a sink or in the spool.
func (a *Archive) importable(ctx context.Context, e *fetcher.Entry, s evidence.Slot, sum string) (sealed bool, err error) {
	have := new(found)
	for _, t := range a.Sinks {
		if err := have.ask(ctx, t, s); err != nil {
			return false, a.unlisted(ctx, t, s.Dir(), err)
		}
	}
	if err := have.lost(); err != nil {
		return false, err
	}
	if len(have.manifest) > 0 {
		r, _, _, err := have.read(ctx, s)
		if err == nil && r.SHA256 != sum {
			err = other(r)
		}
		return true, err
	}
	if r, whole := e.Report(); whole {
		if r.SHA256 != sum {
			return false, fault.New(fault.Conflict, "another report of %s waits in the spool, with SHA-256 %s", s, r.SHA256).
				WithHint("it is sealed when the sinks are back; a sealed report is never replaced")
		}
		return true, nil
	}
	if _, asked := e.Ticket(); asked {
		return false, fault.New(fault.Busy, "packseal has asked for the report of %s, and waits for it", s).
			WithHint("see packseal queue; if the slot ends as a gap, the report can be imported then")
	}
	return false, nil
}

// other is the error of an import into a slot that has another report.
func other(r evidence.Record) error {
	how := "packseal fetched"
	if r.Imported != "" {
		how = r.Imported + " imported"
	}
	return fault.New(fault.Conflict, "%s is sealed with a report that %s: %s, %d bytes, SHA-256 %s, sealed %s",
		r.ID(), how, r.Object, r.Size, r.SHA256, r.Settled.Format(time.RFC3339)).WithHint("a sealed report is never replaced")
}

// digest returns the SHA-256 of what r holds, in hex, and goes back to its beginning.
func digest(r io.ReadSeeker) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("reading the report: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading the report: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Dues returns when slots of a pack fell due in [from, to): by the plans that were
// in force then, and before the first of them by the schedule of now.
func (a *Archive) Dues(ctx context.Context, p scheduler.Plan, from, to time.Time) ([]time.Time, error) {
	recorded, err := a.Plans(ctx, nil)
	if err != nil {
		return nil, err
	}
	timeline := cron.Timeline(nil).Plan(time.Time{}, time.Time{}, p.Until, p.Schedule)
	for _, period := range plans.Timelines(recorded)[evidence.Ref(p.Source, p.Pack)] {
		timeline = timeline.With(period.From, period.Schedule)
	}
	return slices.Collect(timeline.Between(from.Add(-1), to.Add(-1))), nil
}
