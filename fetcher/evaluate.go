package fetcher

import (
	"context"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/internal/trace"
)

// Evaluator is a [Source] that can evaluate the rules of a pack.
type Evaluator interface {
	// Evaluate has the rules of the slot's pack evaluated, unless e says that this
	// was begun, and waits until it is done or ctx ends. It returns what is known
	// then, also with an error. It calls save with what a later call must know,
	// also right before the request: to evaluate twice may cost money.
	Evaluate(ctx context.Context, s evidence.Slot, e Evaluation, save func(Evaluation) error) (Evaluation, error)
}

// Evaluation is the evaluation of a pack's rules before a report. It is kept in the
// spool, so that a restarted process waits for the same one.
type Evaluation struct {
	evidence.Evaluated
	Asked time.Time `json:"asked"`          // when it was to begin, by the local clock
	Began time.Time `json:"began,omitzero"` // when it was requested, by the source's clock; zero if it was not
	Until time.Time `json:"until,omitzero"` // when Rules was counted, by the source's clock
	Over  bool      `json:"over,omitempty"` // nobody waits for it any more
}

// Evaluate has the rules of the slot's pack evaluated before its report is requested,
// and waits at most so long for that, but no longer than half of the time that is
// left of ctx. Whatever comes of it, the report is fetched then: there is no error.
// A report that was requested already is not waited for.
func (f *Fetcher) Evaluate(ctx context.Context, e *Entry, s evidence.Slot, longest time.Duration) {
	evaluator, ok := f.source.(Evaluator)
	if !ok || e.state.Ticket != nil || e.state.Report != nil {
		return
	}
	var state Evaluation
	if e.state.Evaluation != nil {
		state = *e.state.Evaluation
	}
	if state.Over {
		return
	}
	if state.Asked.IsZero() {
		state.Asked = time.Now().UTC()
	}
	until := state.Asked.Add(longest)
	if deadline, ok := ctx.Deadline(); ok {
		until = period.Earlier(until, time.Now().Add(time.Until(deadline)/2))
	}
	defer f.metrics.stage("evaluating", time.Now())
	within, stop := context.WithDeadlineCause(ctx, until, fault.New(fault.NotReady, "the rules were not evaluated within %s", longest))
	defer stop()
	within, span := trace.Begin(within, "evaluating")
	state, err := evaluator.Evaluate(within, s, state, e.saveEvaluation)
	span.End(err)
	// A process that is asked to stop leaves it to the next one.
	state.Over = ctx.Err() == nil
	if saveErr := e.saveEvaluation(state); err == nil {
		err = saveErr
	}
	if err != nil && state.Over {
		f.logger.WarnContext(ctx, "rules not evaluated", "pack", s.Pack, "due", s.Due, "rules", state.Rules, "of", state.Of,
			"reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
}

// saveEvaluation saves the evaluation for later tries.
func (e *Entry) saveEvaluation(v Evaluation) error {
	e.state.Evaluation = &v
	return e.save()
}

// evaluated returns what the report's record says of the evaluation before it, or nil
// if there was to be none.
func (e *Entry) evaluated() *evidence.Evaluated {
	if e.state.Evaluation == nil {
		return nil
	}
	return &e.state.Evaluation.Evaluated
}

// evaluatedUntil returns when the evaluation ended, by the source's clock, or zero if
// there was none: a report that was made before does not have its results.
func (e *Entry) evaluatedUntil() time.Time {
	if e.state.Evaluation == nil || e.state.Evaluation.Began.IsZero() {
		return time.Time{}
	}
	return e.state.Evaluation.Until
}
