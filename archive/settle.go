package archive

import (
	"context"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/scheduler"
)

// backoff is between two attempts at a slot.
var backoff = fault.Backoff{Base: 2 * time.Second, Max: 5 * time.Minute}

// trouble is why the last attempt at a slot failed.
type trouble struct {
	slot evidence.Slot
	text string
}

// Settle seals a task's slot, or records it as a gap. It returns 0 when the slot
// is settled, or how long to wait before the next attempt.
//
// A permanent failure of the source, and a deadline that passed, make a gap. A
// report that is in the spool is never given up because of a sink. A slot whose
// record was deleted from the sinks counts as settled. One that no sink has a place for,
// because of planted records, holds up no other: its report waits in the spool.
func (a *Archive) Settle(ctx context.Context, t scheduler.Task) time.Duration {
	s := t.Slot
	log := a.Logger.With("source", s.Source, "pack", s.Pack, "due", s.Due.Format(time.RFC3339))
	before := a.attempt(s, true, "")
	var failed string
	defer func() { a.attempt(s, false, failed) }()
	ctx, span := a.trace(ctx, s, trace.Try.Int(t.Delivered))
	var r evidence.Record
	var err error
	defer func() { ended(span, r, err) }()
	until := t.Deadline // of a report that is here, there is none
	r, err = a.lockAndSeal(ctx, s, t.Deadline, func() { until = time.Time{}; t.Fetched() })
	switch reason := fault.Of(err); {
	case r.State == evidence.Gapped:
		log.InfoContext(ctx, "slot already a gap", "reason", r.Reason)
		return 0
	case r.State == evidence.Sealed && err == nil:
		log.InfoContext(ctx, "slot sealed", "object", r.Object, "bytes", r.Size, "sha256", r.SHA256, "late_seconds", r.LateSeconds)
		return 0
	case r.State == evidence.Sealed:
		a.Metrics.failed(s, reason)
		log.WarnContext(ctx, "slot sealed, not in every sink", "object", r.Object, "reason", reason, "err", err)
		return 0
	case reason == fault.Deleted:
		failed = err.Error()
		a.lost(ctx, s, err)
		return 0
	case isPlanted(err):
		failed = err.Error()
		a.stuck(ctx, s, err)
		return 0
	case ctx.Err() != nil:
		failed = before
		return time.Millisecond // another worker continues at once
	}
	if fault.Of(err) == fault.Deadline && t.Paused != "" { // it was paused for its whole life: no attempt was allowed
		err = fault.New(fault.Paused, "%s", t.Paused)
	}
	reason := fault.Of(err)
	a.Metrics.failed(s, reason)
	if !permanent(reason) {
		failed = err.Error()
		if blocked(reason) && a.Blocked != nil {
			a.Blocked(s, err, until)
		}
		wait := backoff.Wait(t.Delivered-1, err)
		log.WarnContext(ctx, "slot failed", "reason", reason, "err", err, "hint", fault.Hint(err), "retry_in", wait.Round(time.Second))
		return wait
	}
	detail := err.Error()
	if (reason == fault.Deadline || reason == fault.Paused) && before != "" {
		detail += "; before that: " + before
	}
	switch err := a.gap(ctx, s, reason, detail); {
	case isPlanted(err):
		failed = err.Error()
		a.stuck(ctx, s, err)
		return 0
	case err != nil:
		failed = detail
		log.WarnContext(ctx, "gap not recorded", "reason", fault.Of(err), "err", err)
		return backoff.Wait(t.Delivered-1, err)
	}
	r.State = evidence.Gapped
	log.ErrorContext(ctx, "slot recorded as a gap", "reason", reason, "err", err, "hint", fault.Hint(err))
	return 0
}

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
// Of a slot whose record only a newer packseal can read, or only when it is
// restored, the Record has no more than its state.
func (a *Archive) Seal(ctx context.Context, s evidence.Slot, deadline time.Time) (r evidence.Record, err error) {
	ctx, attempt := a.trace(ctx, s)
	defer func() { ended(attempt, r, err) }()
	return a.lockAndSeal(ctx, s, deadline, func() {})
}

// Begun reports whether the slot is settled, or its report was asked for already:
// then it is the slot's report, however late the rest is done. It waits while
// another worker or process has the slot.
func (a *Archive) Begun(ctx context.Context, s evidence.Slot) (bool, error) {
	entry, err := a.Spool.Lock(ctx, s)
	if err != nil {
		return false, err
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock
	if _, asked := entry.Ticket(); asked {
		return true, nil
	}
	f, err := a.find(ctx, s)
	return f.settled(), err
}

// lockAndSeal is Seal; it calls fetched when the report is in the spool.
func (a *Archive) lockAndSeal(ctx context.Context, s evidence.Slot, deadline time.Time, fetched func()) (evidence.Record, error) {
	entry, err := a.Spool.Lock(ctx, s)
	if err != nil {
		return evidence.Record{}, err
	}
	defer entry.Close() //nolint:errcheck // letting go of a lock; what matters was written and checked
	return a.seal(ctx, entry, s, deadline, fetched)
}

// attempt notes how an attempt at a slot gets on, and returns why the one before
// it failed.
func (a *Archive) attempt(s evidence.Slot, working bool, failed string) (before string) {
	a.mu.Lock()
	pack := evidence.Slot{Source: s.Source, Pack: s.Pack}
	if was := a.troubles[pack]; was.slot == s {
		before = was.text
	}
	if failed == "" {
		delete(a.troubles, pack)
	} else {
		a.troubles[pack] = trouble{s, failed}
	}
	a.mu.Unlock()
	if a.Attempt != nil {
		a.Attempt(catalog.Attempt{Slot: s, Working: working, Trouble: failed})
	}
	return before
}

// blocked reports whether a failure with this reason lasts until an administrator
// acts, and the slot waits for that.
func blocked(r fault.Reason) bool { return !r.Transient() && !permanent(r) && r != fault.Internal }

// permanent reports whether a failure with this reason ends the slot as a gap:
// what nobody can fix before its deadline. Missing credentials and permissions,
// settings that refuse a report, and calls that the API refuses for a reason that
// is not known (a wrong endpoint, for one) are waited for.
func permanent(r fault.Reason) bool {
	switch r {
	case fault.NotFound, fault.Deadline, fault.Paused:
		return true
	}
	return false
}
