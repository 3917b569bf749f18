package daemon

import (
	"context"
	"time"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

const (
	// verifyLook is how often the configuration in force is asked whether it has
	// another schedule of verifications, or of what else is done on one.
	verifyLook = time.Minute
	// loggedProblems bounds how many problems of a verification are logged.
	loggedProblems = 100
)

// verifyOnSchedule verifies the archive when the configuration in force says so,
// until ctx ends.
func (s *services) verifyOnSchedule(ctx context.Context) {
	s.onSchedule(ctx, (*config.Config).Verification, func(r *runtime, due time.Time) { s.verify(ctx, r, due) })
}

// onSchedule does what the configuration in force has a schedule for, until ctx ends,
// if this is the replica that does it for all. What was due while the daemon did not
// run, or did it, is not made up for: for verifications, an alert tells when the last is
// too long ago.
func (s *services) onSchedule(ctx context.Context, schedule func(*config.Config) cron.Schedule, do func(r *runtime, due time.Time)) {
	for last := time.Now(); ; {
		wait := verifyLook
		if next := schedule(s.runtime.Load().cfg).Next(last); !next.IsZero() {
			wait = min(wait, max(time.Until(next), 0))
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
		r, now := s.runtime.Load(), time.Now()
		due, ok := schedule(r.cfg).Latest(last, now)
		last = now
		if ok && s.leads() {
			do(r, due)
			last = time.Now()
		}
	}
}

// leads reports whether this replica does what one of them does for all.
func (s *services) leads() bool { return !s.cfg.Queue.Shared() || leader{s}.IsLeader() }

// verify verifies the archive or, if the configuration says so, the next part of its
// reports, repairs what can be, and keeps the result if everything could be read.
func (s *services) verify(ctx context.Context, r *runtime, due time.Time) {
	log, began := s.Logger.With("due", due), time.Now()
	var selection archive.Selection
	if share := r.cfg.VerifyShare(); share > 0 {
		selection.Part = &archive.Part{Share: share, Place: s.verified().Place}
	}
	result, err := r.archive.Verify(ctx, selection)
	if r.cfg.Verify.Repair && ctx.Err() == nil {
		s.repair(ctx, r.archive, &result)
	}
	if ctx.Err() != nil {
		return
	}
	open := result.Open()
	for i, p := range open {
		if i == loggedProblems {
			log.ErrorContext(ctx, "more problems in the archive", "problems", len(open)-i)
			break
		}
		log.ErrorContext(ctx, "problem in the archive", "kind", p.Kind, "sink", p.Sink, "key", p.Key, "detail", p.Detail)
	}
	if err == nil {
		err = SaveVerified(s.cfg.StateDir, result)
	}
	if err != nil {
		log.WarnContext(ctx, "archive not verified", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		return
	}
	log.InfoContext(ctx, "archive verified", "sealed", result.Sealed, "gaps", result.Gaps, "bytes", result.Bytes,
		"problems", len(open), "acknowledged", result.Acked, "took", time.Since(began).Round(time.Millisecond).String())
}

// repair copies what a verification found to be lacking.
func (s *services) repair(ctx context.Context, a *archive.Archive, result *archive.Result) {
	err := a.Repair(ctx, result, archive.Repair{})
	if result.Repaired > 0 {
		s.Logger.WarnContext(ctx, "archive repaired", "objects", result.Repaired, "bytes", result.RepairedBytes)
	}
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "archive not repaired", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
}
