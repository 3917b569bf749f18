package archive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

const (
	drainEvery = 30 * time.Second // how often Drain looks at the spool,
	sweepEvery = 20               // and after how many such looks it sweeps
)

// drainer empties the spool and copies gap records, in the background.
type drainer struct{ *Archive }

// run is Archive.Drain.
func (d *drainer) run(ctx context.Context) error {
	for round := 0; ; round++ {
		d.drainAll(ctx)
		d.copyGaps(ctx)
		if round%sweepEvery <= 1 { // the second time for what was settled since the start
			d.sweep(ctx)
		}
		if !fault.Sleep(ctx, drainEvery) {
			return nil
		}
	}
}

// drainAll is one attempt to empty the spool. What keeps reports in it is logged
// once for all of them.
func (d *drainer) drainAll(ctx context.Context) {
	waiting := 0
	var why error
	for r := range d.Spool.Waiting() {
		if ctx.Err() != nil {
			return
		}
		if err := d.drain(ctx, r); err != nil {
			waiting++
			why = err
		}
	}
	if waiting > 0 && ctx.Err() == nil {
		d.Logger.WarnContext(ctx, "reports wait in the spool", "reports", waiting, "reason", fault.Of(why), "err", why, "hint", fault.Hint(why))
	}
}

// drain is one attempt to bring one report to the sinks that lack it. A slot
// that a worker has is left to it.
func (d *drainer) drain(ctx context.Context, r fetcher.Report) error {
	entry, free := d.take(ctx, r.Slot)
	if !free {
		return nil
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock
	if _, whole := entry.Report(); !whole {
		return nil // settled meanwhile
	}
	ctx, span := d.trace(ctx, r.Slot)
	sealed, err := d.seal(ctx, entry, r.Slot, time.Now(), func() {})
	ended(span, sealed, err)
	if err != nil {
		d.Logger.DebugContext(ctx, "report waits in the spool", "source", r.Slot.Source, "pack", r.Slot.Pack, "due", r.Slot.Due, "reason", fault.Of(err), "err", err)
		return err
	}
	d.Logger.InfoContext(ctx, "spool drained", "source", r.Slot.Source, "pack", r.Slot.Pack, "due", r.Slot.Due)
	return nil
}

// take takes a slot's spool entry, if nobody else has it.
func (d *drainer) take(ctx context.Context, s evidence.Slot) (e *fetcher.Entry, free bool) {
	if d.Spool == nil {
		return nil, false
	}
	within, stop := context.WithTimeout(ctx, 0)
	defer stop()
	e, err := d.Spool.Lock(within, s)
	if err != nil && fault.Of(err) != fault.Busy {
		d.Logger.WarnContext(ctx, "spool entry not readable", "source", s.Source, "pack", s.Pack, "due", s.Due, "err", err)
	}
	return e, err == nil
}

// unclaimed is how long an unfinished entry is left alone at most.
const unclaimed = 24 * time.Hour

// sweep removes unfinished spool entries that nobody will come back for: of
// slots that are settled, of packs that are not configured any more, and those
// that were left alone for a day. All that goes with one is a ticket, for which
// a new one can be had.
func (d *drainer) sweep(ctx context.Context) {
	for s := range d.Spool.Unfinished() {
		if ctx.Err() != nil {
			return
		}
		entry, free := d.take(ctx, s)
		if !free {
			continue
		}
		if d.obsolete(ctx, entry, s) {
			d.discard(ctx, entry, s)
		}
		entry.Close() //nolint:errcheck // letting go of a lock
	}
}

// obsolete reports whether an entry that is held is to be swept.
func (d *drainer) obsolete(ctx context.Context, e *fetcher.Entry, s evidence.Slot) bool {
	if _, whole := e.Report(); whole {
		return false
	}
	if _, configured := d.packs[s.Ref()]; !configured {
		return true
	}
	have, err := d.find(ctx, s)
	return err == nil && have.settled() || e.Idle() > unclaimed
}

// copyGaps brings gap records to the sinks that lack them. It stops at the
// first that a sink does not take: that sink is still down.
func (d *drainer) copyGaps(ctx context.Context) {
	d.reader.mu.Lock()
	slots := slices.Collect(maps.Keys(d.gaps))
	d.reader.mu.Unlock()
	for _, s := range slots {
		if err := d.copyGap(ctx, s); err != nil {
			d.Logger.DebugContext(ctx, "gap not copied to every sink", "source", s.Source, "pack", s.Pack, "due", s.Due, "reason", fault.Of(err), "err", err)
			return
		}
		d.reader.mu.Lock()
		delete(d.gaps, s)
		d.reader.mu.Unlock()
	}
}

// copyGap puts a slot's gap record into every sink that is to have it and has none, unless the
// slot is sealed after all. A record that can't be read is left to Verify.
func (d *drainer) copyGap(ctx context.Context, s evidence.Slot) error {
	have, err := d.find(ctx, s)
	if err != nil || len(have.manifest) > 0 || len(have.gap) == 0 {
		return err
	}
	_, raw, err := gap(ctx, have.gap, s)
	switch {
	case evidence.Unreadable(err):
		return nil
	case err != nil:
		return err
	}
	content := sink.Bytes(raw)
	content.About = d.aboutRecord(s, "", evidence.GapName)
	var errs []error
	for _, t := range have.lacking(evidence.GapName, d.chosen(d.keeping(ctx, s.Ref()))) {
		if err := t.Put(ctx, s.GapKey(), content); err != nil && fault.Of(err) != fault.Conflict {
			errs = append(errs, fmt.Errorf("copying a gap record to sink %s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}
