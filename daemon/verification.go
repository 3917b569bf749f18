package daemon

import (
	"context"
	"time"

	"packseal.example/archive"
	"packseal.example/internal/fault"
)

const (
	// verifyLook is how often the configuration in force is asked whether it has
	// another schedule of verifications.
	verifyLook = time.Minute
	// loggedProblems bounds how many problems of a verification are logged.
	loggedProblems = 100
)

// verifyOnSchedule verifies the archive when the configuration in force says so,
// until ctx ends. One that was due while the daemon did not run, or another one
// did, is not made up for: an alert tells when the last is too long ago.
func (s *services) verifyOnSchedule(ctx context.Context) {
	for last := time.Now(); ; {
		wait := verifyLook
		if next := s.runtime.Load().cfg.Verification().Next(last); !next.IsZero() {
			wait = min(wait, max(time.Until(next), 0))
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
		r, now := s.runtime.Load(), time.Now()
		due, ok := r.cfg.Verification().Latest(last, now)
		last = now
		if ok && s.leads() {
			s.verify(ctx, r, due)
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
