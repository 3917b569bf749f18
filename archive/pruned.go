package archive

import (
	"context"
	"errors"
	"fmt"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// ErrPruned is the error (by errors.Is) for a report that was removed on purpose, as
// the ledger says. Its manifest is kept.
var ErrPruned = errors.New("its report was pruned")

// isPruned reports whether a report was removed on purpose, as the ledger says.
func (r *reader) isPruned(ctx context.Context, object, sha256 string) (bool, error) {
	if r.pruned == nil {
		return false, nil
	}
	all, err := r.pruned(ctx)
	if err != nil {
		return false, fmt.Errorf("reading what was pruned: %w", err)
	}
	return sha256 != "" && all[object] == sha256, nil
}

// wasPruned is isPruned of a manifest's report; that it is not known is logged.
func (r *reader) wasPruned(ctx context.Context, m evidence.Manifest) bool {
	pruned, err := r.isPruned(ctx, m.ReportKey(), m.SHA256)
	if err != nil {
		r.logger.WarnContext(ctx, "pruned reports not known", "reason", fault.Of(err), "err", err)
	}
	return pruned
}

// prunedError returns the error for whoever wants a report that was pruned, fault.NotFound.
func prunedError(s evidence.Slot) error {
	return fault.New(fault.NotFound, "%s: %w after its retention, as the ledger says; its manifest is kept", s, ErrPruned).
		WithHint("--manifest writes its manifest; a copy of the report that was kept elsewhere can be checked against it")
}

// mark notes in a sealed record that its report was pruned. What can't be asked is
// not known, and the record stays as it is.
func (r *reader) mark(ctx context.Context, record evidence.Record) evidence.Record {
	if record.State == evidence.Sealed && record.Object != "" {
		record.Pruned, _ = r.isPruned(ctx, record.Object, record.SHA256)
	}
	return record
}
