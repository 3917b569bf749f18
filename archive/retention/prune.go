package retention

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Result is what a run did.
type Result struct {
	Plan
	Removed int   `json:"removed"` // reports that are in no sink any more
	Bytes   int64 `json:"bytes"`   // of these, in one sink
}

// Prune removes what [Pruner.Plan] says. expect is how many reports somebody has
// seen and expects to go; 0 = as many as the schedule explains. The error is
// fault.Request, and nothing is removed, where there are others or more. What can't
// be removed from a sink stays, and is an error beside the Result; the next run tries
// again.
func (p *Pruner) Prune(ctx context.Context, expect int) (Result, error) {
	l, err := p.read(ctx)
	if err != nil {
		return Result{}, err
	}
	var r Result
	if r.Plan, err = p.plan(ctx, l, time.Now()); err != nil {
		return r, err
	}
	if err := r.refused(expect); err != nil {
		return r, err
	}
	removes := slices.ContainsFunc(r.Reports, func(r Report) bool { return !r.Begun })
	if err := p.announce(ctx, l, removes); err != nil {
		return r, err
	}
	if err := p.bury(ctx, r.Reports); err != nil {
		return r, err
	}
	var errs []error
	for _, report := range r.Reports {
		if err := p.remove(ctx, report); err != nil {
			errs = append(errs, err)
			continue
		}
		r.Removed++
		r.Bytes += report.Size
	}
	if r.Removed > 0 {
		p.Logger.InfoContext(ctx, "reports pruned", "reports", r.Removed, "bytes", r.Bytes, "keep", r.Keep)
	}
	return r, errors.Join(errs...)
}

// bury has the ledger say that the reports are removed, and makes sure that it does.
func (p *Pruner) bury(ctx context.Context, reports []Report) error {
	missing := 0
	for _, r := range reports {
		if r.Begun {
			continue
		}
		e, err := r.entry()
		if err == nil {
			err = p.Ledger.Log(e, func() error { return nil })
		}
		if err != nil {
			return fmt.Errorf("logging that %s is removed: %w", r.Object, err)
		}
		missing++
	}
	if missing == 0 {
		return nil
	}
	l, err := p.read(ctx)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if e, err := r.entry(); err != nil || l.pruned[r.Object] != e {
			return fault.New(fault.Internal, "the ledger does not have that %s is removed, although it was appended to", r.Object)
		}
	}
	return nil
}

// entry returns the ledger's entry for the removal.
func (r Report) entry() (tree.Entry, error) {
	sum, err := hex.DecodeString(r.SHA256)
	if err != nil || len(sum) != 32 {
		return tree.Entry{}, fault.New(fault.Damaged, "%.80q is not a SHA-256", r.SHA256)
	}
	return tree.Entry{Sum: [32]byte(sum), Key: tree.PrunedKey(r.Object)}, nil
}

// remove removes a report from the sinks that have it.
func (p *Pruner) remove(ctx context.Context, r Report) error {
	var errs []error
	for _, t := range p.Archive.Sinks {
		if !slices.Contains(r.Sinks, t.Name) {
			continue
		}
		if err := sink.Delete(ctx, t.Sink, r.Object); err != nil {
			p.Logger.WarnContext(ctx, "report not pruned", "sink", t.Name, "object", r.Object, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			errs = append(errs, fmt.Errorf("sink %s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}
