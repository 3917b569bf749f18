package daemon

import (
	"context"
	"iter"
	"log/slog"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/config"
	"packseal.example/internal/fault"
)

// LookAtLedger checks the ledger that some sinks hold. It is that of the configuration or,
// with a verifier key, the one that this key signs; nil = neither has one, nor do the
// sinks.
func LookAtLedger(ctx context.Context, cfg *config.Config, sinks []archive.Target, verifier string, logger *slog.Logger) (*ledger.View, error) {
	o := ledger.Options{Logger: logger}
	var err error
	switch {
	case verifier != "":
		o.Keys, o.Origin, err = ledger.VerifierKeys(verifier)
	case cfg.Ledger != nil:
		o.Origin = cfg.Ledger.Origin
		o.Keys, err = ledger.ReadKeys(cfg.Ledger.KeyFile, o.Origin)
	default:
		return nil, unasked(ctx, sinks)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range sinks {
		o.Sinks = append(o.Sinks, ledger.Target(s))
	}
	return ledger.Look(ctx, o)
}

// unasked returns an error if a sink holds a ledger of which no key is given.
func unasked(ctx context.Context, sinks []archive.Target) error {
	for _, t := range sinks {
		for e, err := range t.List(ctx, tree.BatchDir, "") {
			if err != nil {
				return err
			}
			return fault.New(fault.Request, "sink %s holds a ledger (%s), and the configuration has none", t.Name, e.Key).
				WithHint("give its verifier key with --key, or its origin and key_file under ledger in the configuration")
		}
	}
	return nil
}

// entries yields the entries of the configuration's ledger, which is looked at each time;
// nil = it has none.
func (o opening) entries(cfg *config.Config, sinks []archive.Target) archive.Entries {
	if cfg.Ledger == nil {
		return nil
	}
	return func(ctx context.Context) iter.Seq2[tree.Entry, error] {
		v, err := LookAtLedger(ctx, cfg, sinks, "", o.logger)
		if err != nil {
			return func(yield func(tree.Entry, error) bool) { yield(tree.Entry{}, err) }
		}
		return v.Entries(ctx)
	}
}
