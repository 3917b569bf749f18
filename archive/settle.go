package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/scheduler"
	"packseal.example/sink"
)

// pause is between two tries of a slot.
var pause = fault.Backoff{Base: 2 * time.Second, Max: 5 * time.Minute}

// Settle seals a task's slot, or records why it is a gap. It returns 0 when the
// slot is settled, or how long to wait before the next try.
//
// A failure of the source that waiting can't mend, and a deadline that
// passed, make a gap. A report that is in the spool is never given up for a
// sink's sake.
func (a *Archive) Settle(ctx context.Context, t scheduler.Task) time.Duration {
	s := t.Slot
	log := a.Logger.With("pack", s.Pack, "source", s.Source, "due", s.Due.Format(time.RFC3339))
	a.update(s, func(st *Status) { st.Working = true })
	defer a.update(s, func(st *Status) { st.Working = false })
	ctx, attempt := a.trace(ctx, s, trace.Try.Int(t.Delivered))
	var r Record
	var err error
	defer func() { ended(attempt, r, err) }()
	r, err = a.lockAndSeal(ctx, s, t.Deadline, t.Fetched)
	reason := fault.Of(err)
	if r.State != "" {
		a.count(r, false) // unless it is: it was settled by another replica, or by hand
	}
	switch {
	case r.State == Gapped:
		log.InfoContext(ctx, "slot is a gap already", "reason", r.Reason)
		return a.calm(s)
	case r.State == Sealed && err == nil:
		log.InfoContext(ctx, "sealed", "object", r.Object, "bytes", r.Size, "sha256", r.SHA256, "late", time.Duration(r.LateSeconds)*time.Second)
		return a.calm(s)
	case r.State == Sealed:
		a.metrics.failed(s, reason)
		log.WarnContext(ctx, "sealed, but not in every sink yet", "object", r.Object, "reason", reason, "err", err)
		return a.calm(s)
	case ctx.Err() != nil:
		return time.Millisecond // somebody else goes on at once
	}
	if reason == fault.Deadline && t.Paused != "" { // nobody was let try
		reason, err = fault.Paused, fault.New(fault.Paused, "%s", t.Paused)
	}
	a.metrics.failed(s, reason)
	before := a.Status(s.Source, s.Pack).Trouble
	a.update(s, func(st *Status) { st.Trouble = err.Error() })
	if !gives(reason) {
		wait := pause.Wait(t.Delivered-1, err)
		log.WarnContext(ctx, "slot has to wait", "reason", reason, "err", err, "hint", fault.Hint(err), "again_in", wait.Round(time.Second))
		return wait
	}
	detail := err.Error()
	if (reason == fault.Deadline || reason == fault.Paused) && before != "" {
		detail += "; before that: " + before
	}
	if err := a.Gap(ctx, s, reason, detail); err != nil {
		log.WarnContext(ctx, "gap can't be recorded yet", "reason", fault.Of(err), "err", err)
		return pause.Wait(t.Delivered-1, err)
	}
	r.State = Gapped
	log.ErrorContext(ctx, "slot ends as a gap", "reason", reason, "err", err, "hint", fault.Hint(err))
	return a.calm(s)
}

// calm forgets the trouble of a slot that is settled; it returns 0.
func (a *Archive) calm(s scheduler.Slot) time.Duration {
	a.update(s, func(st *Status) { st.Trouble = "" })
	return 0
}

// gives reports whether a failure for that reason makes the slot a gap.
func gives(r fault.Reason) bool {
	switch r {
	case fault.SinkDenied, fault.Conflict: // the report is at hand; somebody has to mend the sink
		return false
	}
	return !r.Transient()
}

// Gap records that a slot ended without a report. A slot that is settled
// already stays as it is, and so does one whose report waits in the spool:
// [Archive.Drain] seals it. One that somebody is at work on is fault.Busy: what
// the sinks hold of it counts only while nobody can add to it. A gap is recorded
// when one sink has it; sinks that are down then are logged, and get it from Drain.
func (a *Archive) Gap(ctx context.Context, s scheduler.Slot, reason fault.Reason, detail string) (err error) {
	ctx, step := trace.Begin(ctx, "gap")
	defer func() { step.End(err) }()
	within, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	entry, err := a.Spool.Lock(within, s)
	if err != nil {
		return err
	}
	if _, whole := entry.Report(); whole {
		return entry.Close()
	}
	slots, err := a.index(ctx, s.Dir())
	if err != nil {
		return errors.Join(err, entry.Close())
	}
	defer a.forget(ctx, entry, s)
	if slots[s] != nil {
		return nil
	}
	g := evidence.NewGap(s, reason, detail, time.Now(), a.Tool)
	raw, err := evidence.Encode(g)
	if err != nil {
		return err
	}
	recorded, other := 0, 0
	var errs []error
	for _, t := range a.Sinks {
		switch err := t.Put(ctx, s.GapKey(), sink.Bytes(raw)); {
		case err == nil:
			recorded++
		case fault.Of(err) == fault.Conflict:
			other++ // somebody else recorded it
		default:
			errs = append(errs, fmt.Errorf("recording a gap in sink %s: %w", t.Name, err))
		}
	}
	if recorded+other == 0 {
		return errors.Join(errs...)
	}
	if other == 0 {
		a.settled(g.Record())
	}
	if err := errors.Join(errs...); err != nil {
		a.uncopied(s)
		a.Logger.WarnContext(ctx, "gap is not recorded in every sink", "pack", s.Pack, "due", s.Due, "err", err)
	}
	return nil
}
