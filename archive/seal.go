package archive

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Seal settles a slot with its report, in every sink. It is idempotent: what is
// there already is left alone, and what a sink lacks is copied to it. A report
// that can't be fetched before the deadline is fault.Deadline; once the report
// is in the spool, no deadline applies any more.
//
// The manifest is written last, under a key that follows from the slot alone: of
// two archivers that race, one writes it, and the other adopts what the first one
// wrote as the slot's record.
//
// The Record is valid as soon as one sink has the slot, also beside an error,
// which then says which sinks still lack it; [Archive.Drain] copies it to them.
// Of a slot that a newer packseal has sealed, the Record has no more than its
// state.
func (a *Archive) Seal(ctx context.Context, s evidence.Slot, deadline time.Time) (r evidence.Record, err error) {
	ctx, attempt := a.trace(ctx, s)
	defer func() { ended(attempt, r, err) }()
	return a.lockAndSeal(ctx, s, deadline, func() {})
}

// deliveries bounds how many reports are on their way into the sinks at once:
// each holds a file open, and sinks can be slow.
const deliveries = 64

// lockAndSeal is Seal; it calls fetched when the report is in the spool.
func (a *Archive) lockAndSeal(ctx context.Context, s evidence.Slot, deadline time.Time, fetched func()) (evidence.Record, error) {
	entry, err := a.Spool.Lock(ctx, s)
	if err != nil {
		return evidence.Record{}, err
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock; what matters was written and checked
	return a.seal(ctx, entry, s, deadline, fetched)
}

// seal is lockAndSeal for whoever holds the slot's spool entry.
func (a *Archive) seal(ctx context.Context, entry *fetcher.Entry, s evidence.Slot, deadline time.Time, fetched func()) (evidence.Record, error) {
	have, err := a.find(ctx, s)
	if err != nil && ctx.Err() != nil {
		return evidence.Record{}, err
	}
	// When no sink can be asked, the report is fetched all the same, while it is
	// available, and waits in the spool.
	have = cmp.Or(have, new(found))
	if len(have.manifest) == 0 && len(have.gap) > 0 {
		if _, ok := entry.Report(); !ok {
			g, _, err := gap(ctx, have.gap, s)
			if err != nil {
				return evidence.Record{}, err
			}
			a.observe(g.Record(), false)
			return g.Record(), entry.Remove()
		}
	}
	m, raw, err := a.draft(ctx, entry, s, deadline, have)
	if fault.Of(err) == fault.Newer && len(have.manifest) > 0 {
		r := evidence.Record{Slot: s, State: evidence.Sealed}
		return r, entry.Remove()
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

// draft returns the slot's manifest: the one that a sink has, or that of the
// report in the spool, which is fetched if need be.
func (a *Archive) draft(ctx context.Context, e *fetcher.Entry, s evidence.Slot, deadline time.Time, have *found) (evidence.Manifest, []byte, error) {
	if len(have.manifest) > 0 {
		return manifest(ctx, have.manifest, s)
	}
	if raw := []byte(e.Draft()); len(raw) > 0 {
		if m, err := evidence.DecodeManifest(raw, s); err == nil {
			if r, ok := e.Report(); ok && r.SHA256 == m.SHA256 {
				return m, raw, nil
			}
		}
	}
	within, stop := context.WithDeadlineCause(ctx, deadline, fault.New(fault.Deadline, "no fresh report before the slot's deadline, %s", deadline.UTC().Format(time.RFC3339)))
	defer stop()
	r, err := a.Fetch(within, e, s)
	if err != nil {
		if context.Cause(within) != nil && ctx.Err() == nil {
			err = fault.Wrap(fault.Deadline, fmt.Errorf("%w (last: %w)", context.Cause(within), err))
		}
		return evidence.Manifest{}, nil, err
	}
	m := newManifest(r, a.packs[s.Ref()], time.Now(), a.Tool)
	raw, err := evidence.Encode(m)
	if err == nil {
		err = e.SaveDraft(string(raw))
	}
	return m, raw, err
}
