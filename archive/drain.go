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
	"packseal.example/scheduler"
	"packseal.example/sink"
)

const (
	drainEvery = 30 * time.Second // how often Drain looks at the spool,
	sweepEvery = 20               // and after how many such looks it sweeps
)

// Drain brings what a sink lacks to it, now and whenever it is back, until ctx
// ends: the reports that wait in the spool, and gap records. It also sweeps
// from the spool what nobody will ever come back for.
func (a *Archive) Drain(ctx context.Context) error {
	for round := 0; ; round++ {
		for r := range a.Spool.Waiting() {
			if ctx.Err() == nil {
				a.drain(ctx, r)
			}
		}
		a.copyGaps(ctx)
		if round%sweepEvery <= 1 { // the second time for what was settled since the start
			a.sweep(ctx)
		}
		if !fault.Sleep(ctx, drainEvery) {
			return nil
		}
	}
}

// drain is one try to bring one report to the sinks that lack it. A slot that
// a worker holds is left to it.
func (a *Archive) drain(ctx context.Context, r fetcher.Report) {
	entry, free := a.spooled(ctx, r.Slot, 0)
	if !free {
		return
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock
	if _, whole := entry.Report(); !whole {
		return // settled meanwhile
	}
	ctx, attempt := a.trace(ctx, r.Slot)
	sealed, err := a.seal(ctx, entry, r.Slot, time.Now(), func() {})
	ended(attempt, sealed, err)
	if err != nil && ctx.Err() == nil {
		a.Logger.WarnContext(ctx, "report waits in the spool", "pack", r.Slot.Pack, "due", r.Slot.Due, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		return
	}
	a.Logger.InfoContext(ctx, "spool drained", "pack", r.Slot.Pack, "due", r.Slot.Due)
}

// spooled takes a slot's spool entry, if nobody else holds it for that long.
func (a *Archive) spooled(ctx context.Context, s evidence.Slot, patience time.Duration) (e *fetcher.Entry, free bool) {
	if a.Spool == nil {
		return nil, false
	}
	within, stop := context.WithTimeout(ctx, patience)
	defer stop()
	e, err := a.Spool.Lock(within, s)
	if err != nil && fault.Of(err) != fault.Busy {
		a.Logger.WarnContext(ctx, "spool entry can't be looked at", "pack", s.Pack, "due", s.Due, "err", err)
	}
	return e, err == nil
}

// forget removes what the spool holds of a slot that has no report.
func (a *Archive) forget(ctx context.Context, e *fetcher.Entry, s scheduler.Slot) {
	if err := e.Remove(); err != nil {
		a.Logger.WarnContext(ctx, "spool entry stays behind", "pack", s.Pack, "due", s.Due, "err", err)
	}
}

// unclaimed is how long an unfinished entry is left alone at most.
const unclaimed = 24 * time.Hour

// sweep removes unfinished spool entries that nobody will come back for: of
// slots that are settled, of packs that are not configured any more, and those
// that were left alone for a day. All that goes with one is a ticket, for which
// a new one can be had.
func (a *Archive) sweep(ctx context.Context) {
	for s := range a.Spool.Unfinished() {
		if ctx.Err() != nil {
			return
		}
		entry, free := a.spooled(ctx, s, 0)
		if !free {
			continue
		}
		if a.obsolete(ctx, entry, s) {
			a.forget(ctx, entry, s)
		}
		entry.Close() //nolint:errcheck // letting go of a lock
	}
}

// obsolete reports whether an entry that is held is to be swept.
func (a *Archive) obsolete(ctx context.Context, e *fetcher.Entry, s scheduler.Slot) bool {
	if _, whole := e.Report(); whole {
		return false
	}
	if _, configured := a.packs[s.Ref()]; !configured {
		return true
	}
	slots, err := a.index(ctx, s.Dir())
	return err == nil && slots[s] != nil || e.Idle() > unclaimed
}

// uncopied notes that a sink may lack the slot's gap record.
func (a *Archive) uncopied(s scheduler.Slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gaps[s] = true
}

// copyGaps brings gap records to the sinks that lack them. It stops at the
// first that a sink does not take: that sink is still down.
func (a *Archive) copyGaps(ctx context.Context) {
	a.mu.Lock()
	slots := slices.Collect(maps.Keys(a.gaps))
	a.mu.Unlock()
	for _, s := range slots {
		if err := a.copyGap(ctx, s); err != nil {
			a.Logger.DebugContext(ctx, "gap is not in every sink yet", "pack", s.Pack, "due", s.Due, "reason", fault.Of(err), "err", err)
			return
		}
		a.mu.Lock()
		delete(a.gaps, s)
		a.mu.Unlock()
	}
}

// copyGap puts a slot's gap record into every sink that has none, unless the
// slot is sealed after all.
func (a *Archive) copyGap(ctx context.Context, s scheduler.Slot) error {
	slots, err := a.index(ctx, s.Dir())
	have := slots[s]
	if err != nil || have == nil || len(have.manifest) > 0 || len(have.gap) == 0 {
		return err
	}
	raw, err := sink.ReadAll(ctx, have.gap[0], s.GapKey(), evidence.MaxRecord)
	if err != nil {
		return fmt.Errorf("reading a gap record from sink %s: %w", have.gap[0].Name, err)
	}
	var errs []error
	for _, t := range a.Sinks {
		if slices.ContainsFunc(have.gap, func(h Target) bool { return h.Name == t.Name }) {
			continue
		}
		if err := t.Put(ctx, s.GapKey(), sink.Bytes(raw)); err != nil && fault.Of(err) != fault.Conflict {
			errs = append(errs, fmt.Errorf("copying a gap record to sink %s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}
